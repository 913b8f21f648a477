"""What is said, from options to a message."""

from pathlib import Path

from emay_voice_async.cli.terminal.exit_codes import CommandError
from emay_voice_async.model.messages import Marketing, Notice, OnConnected, OnKey

__all__ = ["content_of", "spoken", "trigger_of"]


def content_of(text: str | None, file: Path | None) -> str:
    """Return the content: the text itself, or that of a file without the blanks around it."""
    if (text is None) == (file is None):
        raise CommandError("one of --content and --content-file must be given")
    if text is not None:
        return text
    try:
        return Path(str(file)).read_text("utf-8-sig").strip()
    except OSError as error:
        raise CommandError(f"{file}: {error.strerror}") from None
    except UnicodeError:
        raise CommandError(f"{file}: must be text in UTF-8") from None


def spoken(kind: str, content: str, interactive: str | None, voicemail: str | None) -> Notice | Marketing:
    """Make a notice or a marketing call."""
    made: type[Notice | Marketing] = Notice if kind == "notice" else Marketing
    return made(content, interactive_content=interactive, voicemail_content=voicemail)


def trigger_of(key: str | None, connected: int | None) -> OnKey | OnConnected:
    """Return when a voice SMS sends its text message."""
    if key is not None and connected is None:
        return OnKey(key)
    if connected is not None and key is None:
        return OnConnected(connected)
    raise CommandError("one of --on-key and --on-connected must be given")
