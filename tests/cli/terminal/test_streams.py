"""Standard streams that the parent process has closed."""

import sys

import pytest

from emay_voice_async import cli
from emay_voice_async.cli.terminal.exit_codes import CommandError
from emay_voice_async.cli.terminal.streams import closed_stream, standard_input


def test_closed_output(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The sentence goes to the stream that is open, and the exit code is 7."""
    monkeypatch.setattr(sys, "stdout", None)
    assert closed_stream() == "standard output"
    assert cli.main(["--version"]) == 7
    assert capsys.readouterr().err == "emay-voice: standard output is closed\n"


def test_closed_error(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Without standard error, the sentence goes to standard output."""
    monkeypatch.setattr(sys, "stderr", None)
    assert closed_stream() == "standard error"
    assert cli.main(["--version"]) == 7
    assert capsys.readouterr().out == "emay-voice: standard error is closed\n"


def test_closed_input(monkeypatch: pytest.MonkeyPatch) -> None:
    """A closed standard input is an error for the command that reads it."""
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(CommandError, match="standard input is closed"):
        standard_input()
