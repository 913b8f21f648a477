"""The outcome of calls in words."""

from emay_voice_async.cli.report.wording import reason_text
from emay_voice_async.cli.terminal.language import using


def test_reason_text() -> None:
    """A result code is shown by its meaning, another reason as it is, and no reason as that."""
    with using("en"):
        assert reason_text("ERROR_CONTENT_EMPTY") not in ("ERROR_CONTENT_EMPTY", "")
        assert reason_text("no response") == "no response"
        assert reason_text("") == "no reason recorded"
