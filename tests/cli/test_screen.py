"""Standard error: what is told, how much of it, and that it never stops the work."""

import logging
import sys

import pytest

from emay_voice_async.cli.terminal.console import Screen

logger = logging.getLogger("emay_voice_async.test")


class _Gone:
    """A standard error that nobody reads any more."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return False

    def write(self, text: str) -> int:
        raise BrokenPipeError(32, "Broken pipe")

    def flush(self) -> None:
        raise BrokenPipeError(32, "Broken pipe")


def test_nobody_reads_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """What has to be done goes on without it."""
    monkeypatch.setattr(sys, "stderr", _Gone())
    screen = Screen()
    screen.say("one")
    screen.complain("two")
    screen.show("three")


@pytest.mark.parametrize(
    ("verbosity", "expected"),
    [(-1, "error"), (0, "warning error"), (1, "info warning error"), (2, "debug info warning error")],
)
def test_the_log(capsys: pytest.CaptureFixture[str], verbosity: int, expected: str) -> None:
    """Each step tells more."""
    with Screen(verbosity).with_log():
        for level in ("debug", "info", "warning", "error"):
            getattr(logger, level)(level)
    assert capsys.readouterr().err.split() == [
        word for level in expected.split() for word in ("emay-voice:", level)
    ]


@pytest.mark.parametrize("verbosity", [0, 2])
def test_an_error_in_the_log(capsys: pytest.CaptureFixture[str], verbosity: int) -> None:
    """It is one line, and a traceback only if that is asked for."""
    with Screen(verbosity).with_log():
        try:
            raise ValueError("wrong")
        except ValueError:
            logger.exception("it failed")
    err = capsys.readouterr().err
    assert ("Traceback" in err) is (verbosity == 2)
    assert verbosity or err == "emay-voice: it failed: wrong\n"


def test_colour(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """It is there on a terminal only, whatever the environment forces, and not with NO_COLOR."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("FORCE_COLOR", "1")
    Screen().say("plain", "red")
    assert capsys.readouterr().err == "plain\n"
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    Screen().say("red", "red")
    assert "\x1b[31m" in capsys.readouterr().err
    monkeypatch.setenv("NO_COLOR", "1")
    Screen().say("plain", "red")
    assert "\x1b[31m" not in capsys.readouterr().err
