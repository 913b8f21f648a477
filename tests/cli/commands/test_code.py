"""``code``: one verification code to one number."""

import sys
from pathlib import Path

import pytest
from support.cli_runner import Program

from emay_voice_async.sandbox import Fault


class TestCode:
    """Sources of the code, outcomes and secrecy."""

    def test_standard_input(self, program: Program) -> None:
        """The code is read from a pipe and never printed."""
        result = program("code", "138-0000-0000", "--custom-id", "login-1", input=b"471100\n")
        assert result.code == 0
        [call] = program.sandbox.calls
        assert (call.mobile, call.content, call.custom_id) == ("13800000000", "471100", "login-1")
        assert result.rows[0]["outcome"] == "accepted"
        assert "Accepted: 138****0000 is called" in result.text
        assert "471100" not in result.out + result.err

    def test_terminal(self, program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
        """A terminal gets JSON only with --json."""
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
        assert program("code", "13800000000", input=b"4711").out == ""
        assert len(program("code", "13800000000", "--json", input=b"4711").rows) == 1

    def test_file(self, program: Program, tmp_path: Path) -> None:
        """--code-file names a file, or standard input with a dash."""
        (tmp_path / "code").write_text("4711\n")
        assert program("code", "13800000000", "--code-file", tmp_path / "code").code == 0
        assert program("code", "13800000000", "--code-file", "-", input=b"4712").code == 0
        assert [call.content for call in program.sandbox.calls] == ["4711", "4712"]

    def test_prompt(self, program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
        """A terminal asks for the code without an echo."""
        asked: list[str] = []

        def answer(prompt: str, **_: object) -> str:
            asked.append(prompt)
            return "4711"

        monkeypatch.setattr("click.termui.hidden_prompt_func", lambda prompt: answer(prompt))
        assert program("code", "13800000000", terminal=True).code == 0
        assert len(asked) == 1
        assert program.sandbox.calls[0].content == "4711"

    def test_invalid_code(self, program: Program, tmp_path: Path) -> None:
        """The error line names the rule and shows no part of the code."""
        result = program("code", "13800000000", input=b"secret!\n")
        assert result.code == 2
        assert "code: must be 4 or 6 digits (found 7 characters)" in result.error_line
        (tmp_path / "code").write_bytes(b"\xff\xff")
        assert (
            "must be text in UTF-8"
            in program("code", "13800000000", "--code-file", tmp_path / "code").error_line
        )

    @pytest.mark.parametrize(("fault", "code"), [(Fault.html(), 3), (Fault.code("ERROR_SIGN"), 4)])
    def test_not_accepted(self, program: Program, fault: Fault, code: int) -> None:
        """The exit code names the kind of failure; the number is masked."""
        program.sandbox.fail_next(fault, on="send")
        result = program("code", "13800000000", input=b"4711\n")
        assert result.code == code
        assert "138****0000: " in result.error_line
        assert "4711" not in result.out + result.err
