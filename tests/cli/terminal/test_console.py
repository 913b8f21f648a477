"""Standard error: verbosity, color, and errors of standard error itself."""

import logging
import re
import sys

import pytest
from rich.table import Table
from rich.text import Text

from emay_voice_async.cli.terminal.console import Console

logger = logging.getLogger("emay_voice_async.test")


class _Gone:
    """A standard error without a reader."""

    encoding = "utf-8"

    def __init__(self, *, is_terminal: bool = False) -> None:
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal

    def fileno(self) -> int:
        return 2

    def write(self, text: str) -> int:
        raise BrokenPipeError(32, "Broken pipe")

    def flush(self) -> None:
        raise BrokenPipeError(32, "Broken pipe")


def test_no_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    """A standard error without a reader raises no error."""
    monkeypatch.setattr(sys, "stderr", _Gone())
    console = Console()
    console.say("one")
    console.complain("two")
    console.show("three")


@pytest.mark.parametrize(
    ("verbosity", "expected"),
    [(-1, "error"), (0, "warning error"), (1, "info warning error"), (2, "debug info warning error")],
)
def test_log(capsys: pytest.CaptureFixture[str], verbosity: int, expected: str) -> None:
    """Each level of verbosity prints more of the log."""
    with Console(verbosity).with_log():
        for level in ("debug", "info", "warning", "error"):
            getattr(logger, level)(level)
    assert capsys.readouterr().err.split() == [
        word for level in expected.split() for word in ("emay-voice:", level)
    ]


@pytest.mark.parametrize("verbosity", [0, 2])
def test_logged_error(capsys: pytest.CaptureFixture[str], verbosity: int) -> None:
    """A logged error is one line; -vv adds the traceback."""
    with Console(verbosity).with_log():
        try:
            raise ValueError("wrong")
        except ValueError:
            logger.exception("it failed")
    err = capsys.readouterr().err
    assert ("Traceback" in err) is (verbosity == 2)
    assert verbosity or err == "emay-voice: it failed: wrong\n"


def test_color(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Color is used on a terminal only, and never with NO_COLOR."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("FORCE_COLOR", "1")
    Console().say("plain", "red")
    assert capsys.readouterr().err == "plain\n"
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    Console().say("red", "red")
    assert "\x1b[31m" in capsys.readouterr().err
    monkeypatch.setenv("NO_COLOR", "1")
    Console().say("plain", "red")
    assert "\x1b[31m" not in capsys.readouterr().err


@pytest.mark.parametrize("is_terminal", [True, False])
def test_hostile_text(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], is_terminal: bool
) -> None:
    """Text in sentences, items, tables, tracebacks and the log steers no terminal and is no markup."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: is_terminal)
    hostile = "\x1b]52;c;aGk=\x07\x9b2J\u202e[red]x[/red][link=file:///]:smile:"
    console = Console(2)
    table = Table.grid()
    table.add_row(hostile, Text(hostile))
    with console.with_log(), console.waiting(hostile) as show:
        show(hostile)
        console.say(hostile)
        console.complain(hostile)
        console.item(hostile, "red")
        console.show(table)
        console.show(hostile)
        logger.warning("%s", hostile)
        try:
            raise ValueError(hostile)
        except ValueError:
            logger.exception("failed")
    err = capsys.readouterr().err
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", err)
    assert not set("\x1b\x07\x9b\u202e") & set(plain)
    assert "\x1b[2J" not in err
    shown = "".join(plain.split())
    assert shown.count("\\x9b2J\\u202e[red]x[/red][link=file:///]:smile:") >= 6


def test_lost_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Standard error of a lost terminal raises no error, also while a status line moves."""
    monkeypatch.setattr(sys, "stderr", _Gone(is_terminal=True))
    console = Console()
    with console.waiting("reading") as show:
        show("still reading")
    console.say("done")
