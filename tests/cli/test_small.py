"""``code``, ``balance``, ``decode-push``: small commands, and where their secrets come from."""

import gzip
import json
import sys
from pathlib import Path

import pytest
from support.cli_runner import Program

from emay_voice_async.sandbox import Fault
from emay_voice_async.wire.encryption import encrypt

REPORT = {"voiceId": "v1", "customVoiceId": "c1", "mobile": "13800000000", "state": "SUCCESS"}


class TestCode:
    """``code``: the code comes from where no other user sees it."""

    def test_from_standard_input(self, program: Program) -> None:
        """It is read from a pipe, and told nowhere."""
        ended = program("code", "138-0000-0000", "--custom-id", "login-1", input=b"471100\n")
        assert ended.code == 0
        [call] = program.sandbox.calls
        assert (call.mobile, call.content, call.custom_id) == ("13800000000", "471100", "login-1")
        assert ended.rows[0]["outcome"] == "accepted"
        assert "Accepted: 138****0000 is called" in ended.words
        assert "471100" not in ended.out + ended.err

    def test_on_a_terminal(self, program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
        """Words are enough there, unless JSON is asked for."""
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
        assert program("code", "13800000000", input=b"4711").out == ""
        assert len(program("code", "13800000000", "--json", input=b"4711").rows) == 1

    def test_from_a_file(self, program: Program, tmp_path: Path) -> None:
        """--code-file names a file, or standard input by a dash."""
        (tmp_path / "code").write_text("4711\n")
        assert program("code", "13800000000", "--code-file", tmp_path / "code").code == 0
        assert program("code", "13800000000", "--code-file", "-", input=b"4712").code == 0
        assert [call.content for call in program.sandbox.calls] == ["4711", "4712"]

    def test_from_a_prompt(self, program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
        """On a terminal it is asked for without an echo."""
        asked: list[str] = []

        def answer(prompt: str, **_: object) -> str:
            asked.append(prompt)
            return "4711"

        monkeypatch.setattr("click.termui.hidden_prompt_func", lambda prompt: answer(prompt))
        assert program("code", "13800000000", terminal=True).code == 0
        assert len(asked) == 1
        assert program.sandbox.calls[0].content == "4711"

    def test_a_code_that_is_none(self, program: Program, tmp_path: Path) -> None:
        """The rule is told, and nothing of the code."""
        ended = program("code", "13800000000", input=b"secret!\n")
        assert ended.code == 2
        assert "code: must be 4 or 6 digits (found 7 characters)" in ended.complaint
        (tmp_path / "code").write_bytes(b"\xff\xff")
        assert (
            "no text in UTF-8" in program("code", "13800000000", "--code-file", tmp_path / "code").complaint
        )

    @pytest.mark.parametrize(("fault", "code"), [(Fault.html(), 3), (Fault.code("ERROR_SIGN"), 4)])
    def test_what_is_not_accepted(self, program: Program, fault: Fault, code: int) -> None:
        """The exit code says what kind of trouble it was; the number is masked."""
        program.sandbox.fail_next(fault, on="send")
        ended = program("code", "13800000000", input=b"4711\n")
        assert ended.code == code
        assert "138****0000: " in ended.complaint
        assert "4711" not in ended.out + ended.err


class TestBalance:
    """``balance``."""

    def test_the_balance(self, program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
        """It is a plain number for machines, one that is read easily on a terminal, or JSON."""
        assert program("balance").out == "1000000\n"
        assert program("balance", "--product", "join", "--json").rows == [
            {"product": "join", "balance": "1000000"}
        ]
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
        assert program("balance").out == "1,000,000\n"

    def test_no_usable_answer(self, program: Program) -> None:
        """Nobody is called by asking, so that nothing is unknown."""
        program.sandbox.fail_next(Fault.html(), on="balance", times=None)
        ended = program("balance")
        assert ended.code == 6
        assert "no usable answer" in ended.complaint

    def test_secrets(self, program: Program, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """The secretKey can be in a file, by option or by variable; the option wins, then the environment."""
        monkeypatch.setenv("EMAY_VOICE_SECRET_KEY", "")
        good, bad = tmp_path / "good", tmp_path / "bad"
        good.write_text(f"{program.sandbox.secret_key}\r\n")
        bad.write_bytes(b"\xff")
        assert program("--secret-key-file", good, "balance").code == 0
        monkeypatch.setenv("EMAY_VOICE_SECRET_KEY_FILE", str(good))
        assert program("balance").code == 0
        ended = program("--secret-key-file", bad, "balance")
        assert ended.code == 2
        assert "no text in UTF-8" in ended.complaint
        monkeypatch.setenv("EMAY_VOICE_SECRET_KEY", "x" * 16)
        assert program("balance").code == 4
        assert program("--secret-key-file", good, "balance").code == 0


class TestDecode:
    """``decode-push``."""

    def sealed(self, program: Program, document: object) -> bytes:
        """Return a push as the service would make it."""
        return encrypt(gzip.compress(json.dumps(document).encode()), program.sandbox.secret_key)

    def test_an_encrypted_push(self, program: Program, tmp_path: Path) -> None:
        """Its reports are printed, from a file or standard input."""
        (tmp_path / "body").write_bytes(body := self.sealed(program, [REPORT]))
        for ended in (program("decode-push", tmp_path / "body"), program("decode-push", "-", input=body)):
            assert (ended.code, ended.err) == (0, "")
            assert [row["message_id"] for row in ended.rows] == ["v1"]

    @pytest.mark.parametrize("body", [json.dumps([REPORT]), f"reports={json.dumps([REPORT])}"])
    def test_a_plain_push(self, program: Program, monkeypatch: pytest.MonkeyPatch, body: str) -> None:
        """As JSON or as a form, without any key."""
        monkeypatch.delenv("EMAY_VOICE_SECRET_KEY")
        ended = program("decode-push", "--plain", "-", input=body.encode())
        assert ended.code == 0
        assert [row["mobile"] for row in ended.rows] == ["13800000000"]

    def test_a_push_that_is_broken(self, program: Program) -> None:
        """What can be read of it is printed, and the rest as it came."""
        ended = program("decode-push", "-", input=self.sealed(program, [REPORT, "x"]))
        assert ended.code == 2
        assert [row.get("message_id") for row in ended.rows] == ["v1", None]
        assert ended.rows[1]["unreadable"] == "x"
        assert "some reports cannot be read" in ended.complaint
        ended = program("decode-push", "-", input=b"x" * 16)
        assert (ended.code, ended.out) == (2, "")
        assert "decrypt" in ended.complaint
