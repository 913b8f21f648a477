"""The command line: arguments, exit codes, and that Ctrl-C ends the local service."""

import importlib
import io
import re
import signal
import subprocess
import sys
from collections.abc import Coroutine

import httpx
import pytest

from emay_voice_async import cli
from emay_voice_async.sandbox import Sandbox


def test_the_demo(capsys: pytest.CaptureFixture[str]) -> None:
    """``demo`` exits with 0 when all is well."""
    assert cli.main(["demo"]) == 0
    assert "All is well" in capsys.readouterr().out


def test_a_demo_that_goes_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """``demo`` exits with 1 when something is off."""
    monkeypatch.setattr("emay_voice_async.demo.PATIENCE", 0.0)
    monkeypatch.setattr("emay_voice_async.demo.REPORT_DELAY", 60.0)
    assert cli.main(["demo"]) == 1


def test_a_missing_extra(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Without the extra that a command needs, it says which to install, in one line."""
    monkeypatch.setitem(sys.modules, "rich", None)
    monkeypatch.delitem(sys.modules, "emay_voice_async.demo", raising=False)
    assert cli.main(["demo"]) == 2
    assert capsys.readouterr().err.strip().endswith('python -m pip install "emay_voice_async[demo]"')


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["dance"],
        ["sandbox", "--port", "65536"],
        ["sandbox", "--port", "-1"],
        ["sandbox", "--port", "x"],
        ["sandbox", "--report-delay", "-1"],
        ["sandbox", "--report-delay", "nan"],
    ],
)
def test_wrong_arguments(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Wrong arguments exit with 2 and a line that says what is wrong."""
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    assert caught.value.code == 2
    assert "error:" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--help"], ["demo", "--help"], ["sandbox", "--help"]])
def test_help_fits_the_terminal(
    arguments: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every page of help fits 80 columns."""
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    assert caught.value.code == 0
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80


class _Interrupting(io.StringIO):
    """A terminal whose user presses Ctrl-C when a word appears."""

    def __init__(self, word: str) -> None:
        super().__init__()
        self._word = word

    def write(self, text: str) -> int:
        written = super().write(text)
        if self._word in text:
            signal.raise_signal(signal.SIGINT)
        return written


def test_the_sandbox_prints_what_a_client_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Address, appId and secret are printed ready for a shell, and Ctrl-C ends the service well."""
    terminal = _Interrupting("SECRET_KEY")
    monkeypatch.setattr(sys, "stdout", terminal)
    assert cli.main(["sandbox", "--port", "0", "--report-delay", "1.5"]) == 0
    lines = terminal.getvalue().splitlines()
    assert re.fullmatch(r"export EMAY_VOICE_BASE_URL=http://127\.0\.0\.1:\d+", lines[1])
    assert lines[2:] == [
        f"export EMAY_VOICE_APP_ID={Sandbox().app_id}",
        f"export EMAY_VOICE_SECRET_KEY={Sandbox().secret_key}",
    ]


def test_an_interrupted_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C in the middle of the demo exits with 130, and leaves nothing behind."""
    monkeypatch.setattr(sys, "stdout", _Interrupting("listens on"))
    assert cli.main(["demo"]) == 130


def test_an_interrupt_before_anything_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C that comes out of the event loop is an exit code, not a traceback."""

    def interrupted(main: Coroutine[object, object, object]) -> None:
        main.close()
        raise KeyboardInterrupt

    monkeypatch.setattr("asyncio.run", interrupted)
    assert cli.main(["demo"]) == 130


def test_the_module_is_the_command_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """``python -m emay_voice_async`` is the command line."""
    monkeypatch.setattr(sys, "argv", ["emay_voice_async", "--help"])
    with pytest.raises(SystemExit) as caught:
        importlib.import_module("emay_voice_async.__main__")
    assert caught.value.code == 0
    assert "sandbox" in capsys.readouterr().out


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for a child process")
def test_the_sandbox_from_start_to_ctrl_c() -> None:
    """As a process: a port chosen by the system, an answer, and a clean end by Ctrl-C."""
    with subprocess.Popen(
        [sys.executable, "-m", "emay_voice_async", "sandbox", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline().strip() for _ in range(4)]
        url = lines[1].removeprefix("export EMAY_VOICE_BASE_URL=")
        assert httpx.post(f"{url}/voice/getBalance", trust_env=False).json()["responseCode"] == "ERROR_APPID"
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=20)
        assert (process.returncode, rest, errors) == (0, "", "")
