"""Makes the message of a send from the options."""

import sys
from pathlib import Path
from typing import Any, Final

from emay_voice_async.cli.campaign.options import SendOptions, VoiceSmsOptions
from emay_voice_async.cli.terminal.exit_codes import CommandError
from emay_voice_async.cli.terminal.language import gettext
from emay_voice_async.model.messages import Marketing, Notice, OnConnected, OnKey, VoiceSms
from emay_voice_async.model.templates import Spoken, Template

__all__ = ["spoken_message", "voice_sms_message"]

_TEXTS: Final = ("content", "interactive_content", "voicemail_content", "sms_content")


def spoken_message(kind: type[Notice | Marketing], options: SendOptions) -> Spoken | Template:
    """Make a notice or a marketing call, or a template of them."""
    _check_decoded(options)
    return _message(kind, options)


def voice_sms_message(options: VoiceSmsOptions) -> Spoken | Template:
    """Make a voice SMS, or a template of voice SMS."""
    _check_decoded(options)
    return _message(
        VoiceSms,
        options,
        trigger=_trigger(options.on_key, options.on_connected),
        sms_content=options.sms_content,
    )


def _message(kind: type[Spoken], options: SendOptions, **arguments: Any) -> Spoken | Template:
    content = _content(options.content, options.content_file)
    arguments |= {
        "interactive_content": options.interactive_content,
        "voicemail_content": options.voicemail_content,
    }
    return Template(kind, content, **arguments) if options.template else kind(content, **arguments)


def _check_decoded(options: SendOptions) -> None:
    """Raise :class:`CommandError` for a text argument whose bytes are no text in the encoding of the locale."""
    for name in _TEXTS:
        text = getattr(options, name, None)
        if text is not None and any("\ud800" <= letter <= "\udfff" for letter in text):
            option = f"--{name.replace('_', '-')}"
            sentence = gettext(
                "{option}: cannot be decoded as {encoding}: run in a terminal and locale with UTF-8, such as "
                "LANG=C.UTF-8",
                option=option,
                encoding=sys.getfilesystemencoding(),
            )
            remedy = gettext("; or put the text in a file for --content-file, in UTF-8")
            raise CommandError(f"{sentence}{remedy}" if name == "content" else sentence)


def _content(text: str | None, file: Path | None) -> str:
    """Return the text, or the file's text without surrounding blanks."""
    if (text is None) == (file is None):
        raise CommandError(_either("--content", "--content-file"))
    if text is not None:
        return text
    try:
        return Path(str(file)).read_text("utf-8-sig").strip()
    except OSError as error:
        raise CommandError(f"{file}: {error.strerror}") from None
    except UnicodeError:
        raise CommandError(f"{file}: {gettext('must be text in UTF-8')}") from None


def _either(option: str, other: str) -> str:
    return gettext("give either {option} or {other}", option=option, other=other)


def _trigger(key: str | None, connected: int | None) -> OnKey | OnConnected:
    """Return the trigger of a voice SMS."""
    if key is not None and connected is None:
        return OnKey(key)
    if connected is not None and key is None:
        return OnConnected(connected)
    raise CommandError(_either("--on-key", "--on-connected"))
