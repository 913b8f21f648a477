"""``decode-push``: the reports of a stored push."""

import gzip
import json
from pathlib import Path

import pytest
from support.cli_runner import Program

from emay_voice_async.wire.encryption import encrypt

REPORT = {"voiceId": "v1", "customVoiceId": "c1", "mobile": "13800000000", "state": "SUCCESS"}


class TestDecode:
    """Encrypted, plain and damaged pushes."""

    def sealed(self, program: Program, document: object) -> bytes:
        """Return an encrypted push."""
        return encrypt(gzip.compress(json.dumps(document).encode()), program.sandbox.secret_key)

    def test_encrypted(self, program: Program, tmp_path: Path) -> None:
        """The reports are printed, from a file or from standard input."""
        (tmp_path / "body").write_bytes(body := self.sealed(program, [REPORT]))
        for result in (program("decode-push", tmp_path / "body"), program("decode-push", "-", input=body)):
            assert (result.code, result.err) == (0, "")
            assert [row["message_id"] for row in result.rows] == ["v1"]

    @pytest.mark.parametrize("body", [json.dumps([REPORT]), f"reports={json.dumps([REPORT])}"])
    def test_plain(self, program: Program, monkeypatch: pytest.MonkeyPatch, body: str) -> None:
        """A plain push, as JSON or as a form, needs no key."""
        monkeypatch.delenv("EMAY_VOICE_SECRET_KEY")
        result = program("decode-push", "--plain", "-", input=body.encode())
        assert result.code == 0
        assert [row["mobile"] for row in result.rows] == ["13800000000"]

    def test_damaged(self, program: Program) -> None:
        """Readable reports are printed, and unreadable ones with their raw value."""
        result = program("decode-push", "-", input=self.sealed(program, [REPORT, "x"]))
        assert result.code == 2
        assert [row.get("message_id") for row in result.rows] == ["v1", None]
        assert result.rows[1]["unreadable"] == "x"
        assert "some reports cannot be read" in result.error_line
        result = program("decode-push", "-", input=b"x" * 16)
        assert (result.code, result.out) == (2, "")
        assert "decrypt" in result.error_line
