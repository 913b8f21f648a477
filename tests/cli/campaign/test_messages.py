"""The message of a send, from its options."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from support.cli_runner import Program


class TestKinds:
    """Each kind of message, with all its texts."""

    def test_marketing(self, program: Program, people: Path, tmp_path: Path) -> None:
        """The content can come from a file."""
        content = tmp_path / "content.txt"
        content.write_text("\ufeff新品上市。\r\n", "utf-8")
        texts = ("--interactive-content", "请按1", "--voicemail-content", "请留言")
        result = program(
            "send", "marketing", "--to", people, "--content-file", content, *texts, "--yes", "--max-calls", 1
        )
        assert result.code == 6
        [request] = [one for one in program.sandbox.received if one.path == "/voice/sendCTCode"]
        assert request.fields["content"] == "新品上市。"
        assert request.fields["interactiveContent"] == "请按1"
        assert all(text in result.err for text in ("marketing call", "新品上市。", "请按1", "请留言"))

    @pytest.mark.parametrize(
        ("trigger", "words"),
        [(("--on-key", "1"), "on key 1"), (("--on-connected", "10"), "after 10 seconds")],
    )
    def test_voice_sms(self, program: Program, people: Path, trigger: Sequence[str], words: str) -> None:
        """The trigger and the text message are part of the plan and of the request."""
        more = (*trigger, "--sms-content", "账单", "--yes", "--max-calls", "1")
        result = program("send", "voice-sms", "--to", people, "--content", "您好", *more)
        assert result.code == 6
        assert words in result.err
        assert "账单" in result.err
        assert "/join/send" in {request.path for request in program.sandbox.received}

    @pytest.mark.parametrize("trigger", [(), ("--on-key", "1", "--on-connected", "10")])
    def test_one_trigger(self, program: Program, people: Path, trigger: Sequence[str]) -> None:
        """Exactly one trigger must be given."""
        result = program("send", "voice-sms", "--to", people, "--content", "您好", *trigger)
        assert result.code == 2
        assert "give either --on-key or --on-connected" in result.error_line


class TestContent:
    """The text that is spoken."""

    def test_content_file_in_another_encoding(self, program: Program, tmp_path: Path) -> None:
        """A content file must be UTF-8."""
        (tmp_path / "content").write_bytes("您好".encode("gb18030"))
        result = program("send", "notice", "--to", "x", "--content-file", tmp_path / "content")
        assert "content: must be text in UTF-8" in result.error_line

    @pytest.mark.parametrize("option", ["--content", "--interactive-content", "--voicemail-content"])
    def test_undecodable_argument(self, program: Program, people: Path, option: str) -> None:
        """An argument that is no text in the locale's encoding says what to do."""
        text = "您好".encode("gb18030").decode("utf-8", "surrogateescape")
        content = () if option == "--content" else ("--content", "您好")
        result = program("send", "notice", "--to", people, *content, option, text, "--yes")
        assert result.code == 2
        assert (
            f"{option}: cannot be decoded as utf-8: run in a terminal and locale with UTF-8"
            in result.error_line
        )
        assert ("--content-file" in result.error_line) is (option == "--content")
