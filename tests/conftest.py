"""Settings of all tests, and the local service for the examples."""

import asyncio
import contextlib
import gc
import os
import re
import signal
from collections.abc import Iterator

import httpx
import pytest
from hypothesis import settings
from support.json_readers import READERS, reading_with

from emay_voice_async.exchange.http_client import load_parts, own_client
from emay_voice_async.sandbox import Sandbox

pytest_plugins = ["emay_voice_async.testing.plugin"]

# A busy machine must not fail a property test; speed is measured by the benchmarks.
settings.register_profile("unhurried", deadline=None)
settings.register_profile("quick", deadline=None, max_examples=25)
settings.load_profile("unhurried")

SLOW = re.compile(
    r"""
    tests/cli/test_processes\.py
    | tests/lists/test_reading\.py::TestReading::test_memory
    | tests/pacing/test_local\.py::(TestQueue|TestSpeed)
    | tests/redis/test_\w+(pacer\.py::TestProcesses|protocol\.py::TestScript|queue\.py::TestWorlds)
    | tests/sending/test_delivery\.py::(TestModel|TestLeaving|TestHours)
    | tests/sending/test_plan\.py::TestAgreement
    | tests/sql/
    | tests/test_end_to_end\.py
    | tests/test_examples\.py::test_the_(tasks|worker)
    | tests/test_resuming\.py
    | tests/testing/test_plugin\.py::test_a_run
    """,
    re.VERBOSE,
)
"""Tests that take a second or more each; ``nox -s quick`` leaves them out."""


def pytest_configure() -> None:
    """Take signals again that the parent process ignored.

    A script starts ``nox &`` with SIGINT ignored, and nohup ignores SIGHUP. Tests that send a signal to themselves
    or to a child process would wait for ever. A caught signal is back at its default in a child process.
    """
    handlers = {"SIGINT": signal.default_int_handler, "SIGHUP": _keep_running, "SIGQUIT": _keep_running}
    for name, handler in handlers.items():
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_IGN:
            with contextlib.suppress(ValueError):  # not the main thread
                signal.signal(number, handler)


def pytest_sessionstart() -> None:
    """Give the tests of printed output the same environment on every machine, and import what clients import late."""
    asyncio.run(_import_late_parts())
    for name in ("FORCE_COLOR", "NO_COLOR"):
        os.environ.pop(name, None)
    os.environ["EMAY_VOICE_LANG"] = "en"


async def _import_late_parts() -> None:
    await (await own_client("http://127.0.0.1", "")).aclose()
    await load_parts()


def _keep_running(number: int, frame: object) -> None:
    """Survive a signal, as this process did while it was ignored."""


def pytest_collection_finish() -> None:
    """Keep the collected tests out of later collections of garbage, which would look at each of them again."""
    gc.collect()
    gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the slow tests."""
    for item in items:
        if SLOW.match(item.nodeid):
            item.add_marker(pytest.mark.slow)


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """Serve http://emay.example by a sandbox in this process; check at the end that the speed limit was kept."""
    sandbox = Sandbox()
    monkeypatch.setenv("EMAY_VOICE_BASE_URL", "http://emay.example")
    monkeypatch.setenv("EMAY_VOICE_APP_ID", sandbox.app_id)
    monkeypatch.setenv("EMAY_VOICE_SECRET_KEY", sandbox.secret_key)
    over_network = httpx.AsyncHTTPTransport.handle_async_request

    async def route(self: httpx.AsyncHTTPTransport, request: httpx.Request) -> httpx.Response:
        if request.url.host == "emay.example":
            return await httpx.ASGITransport(sandbox.app).handle_async_request(request)
        return await over_network(self, request)

    monkeypatch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", route)
    yield sandbox
    assert sandbox.over_speed == 0


@pytest.fixture(scope="module", params=READERS)
def json_reader(request: pytest.FixtureRequest) -> Iterator[str]:
    """Read JSON with each of the installed readers in turn: the results must be equal."""
    with reading_with(request.param):
        yield request.param
