"""The pytest plugin: fixtures for each style of tests, in runs of pytest as users start them."""

import asyncio
import os
import subprocess
import sys
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from emay_voice_async import AsyncEmayVoice, CallState, InvalidRequestError, Notice, SendError
from emay_voice_async.sandbox import Fault, Sandbox
from emay_voice_async.testing.serving import served_sandbox

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "test_orders.py"
STYLES = """
import asyncio, os, subprocess, sys, unittest

import pytest

from emay_voice_async import AsyncEmayVoice, Notice, SendError
from emay_voice_async.sandbox import Fault

PARCEL = Notice("您的快递已到")


@pytest.mark.asyncio
async def test_pytest_asyncio(emay_sandbox, emay_voice):
    await emay_voice.send(PARCEL, ["13800000000", "13800000001"])
    assert len(emay_sandbox.calls) == 2
    emay_sandbox.fail_next(Fault.reset(acts=True), on="send")
    with pytest.raises(SendError) as caught:
        await emay_voice.send(PARCEL, "13800000002")
    assert caught.value.result.unknown


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.mark.anyio
async def test_anyio(emay_voice):
    [ticket] = (await emay_voice.send(PARCEL, "13800000000")).tickets
    assert (await emay_voice.wait_for_report(ticket, timeout=30)).succeeded


class TestUnittest(unittest.IsolatedAsyncioTestCase):
    @pytest.fixture(autouse=True)
    def _fixtures(self, emay_sandbox, emay_voice):
        self.sandbox, self.voice = emay_sandbox, emay_voice

    async def test_send(self):
        await self.voice.send(PARCEL, "13800000000")
        self.assertEqual(len(self.sandbox.calls), 1)


def test_a_process(emay_sandbox):
    command = [sys.executable, "-m", "emay_voice_async", "balance"]
    assert "10000" in subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_synchronous(emay_sandbox):
    async def main():
        async with AsyncEmayVoice.from_env() as voice:
            return await voice.get_balance()

    assert asyncio.run(main()) == emay_sandbox.balance


@pytest.fixture
def emay_sandbox_options():
    return {"app_id": "MY-APP"}


def test_options(emay_sandbox):
    assert os.environ["EMAY_VOICE_APP_ID"] == emay_sandbox.app_id == "MY-APP"


def test_no_fixture_no_service():
    assert "EMAY_VOICE_BASE_URL" not in os.environ
"""
WITHOUT_EXTRA = """
import sys

import pytest


def test_without_the_fixture():
    pass


def test_with_the_fixture(emay_voice):
    pass
"""


def ran(folder: Path, code: str, *options: str, before: str = "") -> str:
    """Run pytest in a process of its own, with warnings as errors; return the output."""
    (folder / "test_it.py").write_text(code, "utf-8")
    setting = "asyncio_default_fixture_loop_scope = function\n" if find_spec("pytest_asyncio") else ""
    (folder / "pytest.ini").write_text(f"[pytest]\nfilterwarnings = error\n{setting}", "utf-8")
    start = f"import sys; {before}import pytest; sys.exit(pytest.main(sys.argv[1:]))"
    arguments = [sys.executable, "-c", start, "-q", "-p", "no:cacheprovider", "-p", "no:randomly", *options]
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("COV_", "EMAY_"))
    }
    done = subprocess.run(
        arguments, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=200
    )
    return done.stdout + done.stderr


def test_pytest_finds_it() -> None:
    """The installed package has the entry point of the plugin."""
    [found] = [entry for entry in entry_points(group="pytest11") if entry.name == "emay_voice"]
    assert found.value == "emay_voice_async.testing.plugin"


def test_a_run_of_each_style(tmp_path: Path) -> None:
    """The fixtures serve pytest-asyncio, anyio's plugin, unittest, synchronous tests and other processes."""
    pytest.importorskip("pytest_asyncio")
    output = ran(tmp_path, STYLES)
    assert "7 passed" in output, output


def test_a_run_of_the_example(tmp_path: Path) -> None:
    """The tests of the guide pass."""
    pytest.importorskip("pytest_asyncio")
    output = ran(tmp_path, EXAMPLE.read_text("utf-8"))
    assert "3 passed" in output, output


def test_a_run_without_the_extra(tmp_path: Path) -> None:
    """Without the extra, collecting and other tests work; a test that uses a fixture fails with the remedy."""
    output = ran(tmp_path, WITHOUT_EXTRA, before="sys.modules['uvicorn'] = None; ")
    assert "1 passed, 1 error" in output, output
    assert "the fixture emay_sandbox needs an extra: uvicorn is missing: python -m pip install" in output


def test_the_remedy_for_a_missing_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing module of the local service fails the test, without a traceback."""
    monkeypatch.setitem(sys.modules, "emay_voice_async.sandbox", None)
    with pytest.raises(pytest.fail.Exception, match="needs an extra") as caught, served_sandbox({}):
        pass
    assert not caught.value.pytrace


def test_its_import_is_cheap() -> None:
    """The plugin imports pytest and three small modules of this package, and neither asyncio nor httpx."""
    code = (
        "import pytest, sys; before = set(sys.modules); import emay_voice_async.testing.plugin; "
        "print(*sorted(name for name in set(sys.modules) - before if 'emay' in name)); "
        "print('httpx' in sys.modules, 'attrs' in set(sys.modules) - before)"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    names, others = printed.splitlines()
    assert names == "emay_voice_async emay_voice_async.testing emay_voice_async.testing.plugin"
    assert others == "False False"


def test_a_test_with_a_fault(emay_sandbox: Sandbox, emay_voice: AsyncEmayVoice) -> None:
    """A send to the service of the fixture is recorded there, and a planned fault reaches the client."""

    async def main() -> None:
        [ticket] = (await emay_voice.send(Notice("您的快递已到"), "13800000000")).tickets
        report = await emay_voice.wait_for_report(ticket, timeout=30)
        assert report.state is CallState.SUCCESS
        emay_sandbox.fail_next(Fault.reset(acts=True), on="send")
        with pytest.raises(SendError):
            await emay_voice.send(Notice("您的快递已到"), "13800000001")

    asyncio.run(main())
    assert [call.mobile for call in emay_sandbox.calls] == ["13800000000", "13800000001"]
    assert os.environ["EMAY_VOICE_APP_ID"] == emay_sandbox.app_id


class TestOptions:
    """Options of the service and the client."""

    @pytest.fixture
    def emay_voice_options(self) -> dict[str, Any]:
        """Have the client refuse all numbers but one."""
        return {"allow_only": ["13800000000"]}

    def test_an_option_of_the_client(self, emay_voice: AsyncEmayVoice) -> None:
        """An overridden fixture changes the arguments of the client."""

        async def main() -> None:
            with pytest.raises(InvalidRequestError):
                await emay_voice.send(Notice("您的快递已到"), "13800000009")

        asyncio.run(main())
