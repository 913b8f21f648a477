"""Settings from options and the environment."""

from pathlib import Path

import pytest
from support.cli_runner import Program


class TestMissing:
    """Missing settings."""

    @pytest.mark.parametrize("name", ["BASE_URL", "APP_ID", "SECRET_KEY"])
    def test_missing_variable(self, program: Program, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        """The error line names the variable and the option."""
        monkeypatch.setenv(f"EMAY_VOICE_{name}", "")
        result = program("balance")
        assert result.code == 2
        assert f"set EMAY_VOICE_{name} " in result.error_line


class TestSecretKey:
    """The sources of the secretKey."""

    def test_sources(self, program: Program, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """The option wins, then the variable, then the file that the variable names."""
        monkeypatch.setenv("EMAY_VOICE_SECRET_KEY", "")
        good, bad = tmp_path / "good", tmp_path / "bad"
        good.write_text(f"{program.sandbox.secret_key}\r\n")
        bad.write_bytes(b"\xff")
        assert program("--secret-key-file", good, "balance").code == 0
        monkeypatch.setenv("EMAY_VOICE_SECRET_KEY_FILE", str(good))
        assert program("balance").code == 0
        result = program("--secret-key-file", bad, "balance")
        assert result.code == 2
        assert "must be text in UTF-8" in result.error_line
        monkeypatch.setenv("EMAY_VOICE_SECRET_KEY", "x" * 16)
        assert program("balance").code == 4
        assert program("--secret-key-file", good, "balance").code == 0

    @pytest.mark.parametrize(
        ("content", "words"),
        [(None, "No such file"), (b"", "is empty"), (b" \n", "is empty"), (b"\xff", "must be text in UTF-8")],
    )
    def test_unusable_file(
        self,
        program: Program,
        monkeypatch: pytest.MonkeyPatch,
        tmp_path: Path,
        content: bytes | None,
        words: str,
    ) -> None:
        """The error line names the setting, the file and the reason."""
        monkeypatch.delenv("EMAY_VOICE_SECRET_KEY")
        path = tmp_path / "key"
        if content is not None:
            path.write_bytes(content)
        assert (
            f"--secret-key-file: {path}: {words}" in program("--secret-key-file", path, "balance").error_line
        )
        monkeypatch.setenv("EMAY_VOICE_SECRET_KEY_FILE", str(path))
        result = program("balance")
        assert result.code == 2
        assert f"EMAY_VOICE_SECRET_KEY_FILE: {path}: {words}" in result.error_line
        monkeypatch.setenv("EMAY_VOICE_SECRET_KEY_FILE", str(tmp_path))
        assert "Is a directory" in program("balance").error_line
