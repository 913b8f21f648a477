"""The confirmation before the first request."""

import io
import sys
from pathlib import Path

import pytest
from support.cli_runner import NUMBERS, Program, notice

from emay_voice_async.cli.campaign import confirmation


class TestConfirmation:
    """Only a clear yes sends."""

    def test_yes(self, program: Program, people: Path) -> None:
        """The answer yes on a terminal sends."""
        result = program(*notice(people), input=b"y\n", terminal=True)
        assert result.code == 0
        assert "Make 600 calls? [y/N]" in result.err
        assert program.called == NUMBERS

    def test_without_termios(self, program: Program, people: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The question works without termios, as on Windows."""
        monkeypatch.setitem(sys.modules, "termios", None)
        assert program(*notice(people, "--max-calls", 1), input=b"y\n", terminal=True).code == 6
        assert program.called == NUMBERS[:1]

    @pytest.mark.parametrize("answer", [b"n\n", b"\n", b"", b"yep\n"])
    def test_any_other_answer(self, program: Program, people: Path, answer: bytes) -> None:
        """Any answer other than yes sends nothing."""
        result = program(*notice(people), input=answer, terminal=True)
        assert result.code == 6
        assert result.error_line == "emay-voice: nothing was sent"
        assert not program.called

    def test_interrupt(self, program: Program, people: Path) -> None:
        """Ctrl-C at the question sends nothing, and the error line says so."""

        class Interrupted(io.TextIOWrapper):
            def readline(self, size: int = -1, /) -> str:  # type: ignore[override]
                raise KeyboardInterrupt

        result = program(*notice(people), stdin=Interrupted(io.BytesIO()), terminal=True)
        assert (result.code, result.error_line) == (130, "emay-voice: interrupted: nothing was sent")
        assert not program.called

    def test_no_terminal(self, program: Program, people: Path) -> None:
        """Without a terminal and without --yes, nothing is sent."""
        result = program(*notice(people), input=b"y\n")
        assert result.code == 2
        assert "no terminal to ask for confirmation" in result.error_line
        assert not program.called

    def test_list_on_standard_input(
        self, program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """When standard input is the list, the answer comes from the terminal."""
        monkeypatch.setattr(confirmation, "TERMINAL", tmp_path / "tty")
        result = program(*notice("-"), input=b"13800000000\n", terminal=True)
        assert result.code == 2
        assert "no terminal to ask for confirmation" in result.error_line
        (tmp_path / "tty").write_text("yes\n")
        bad = program(*notice("-"), input=b"13800000000\ny\n", terminal=True)
        assert bad.code == 2
        assert "standard input, line 2" in bad.err
        assert not program.called
        assert program(*notice("-"), input=b"13800000000\n", terminal=True).code == 0
        assert program.called == ["13800000000"]
