"""Formatting for people: safe text, counts, amounts, durations, kinds of messages."""

import re
from decimal import Decimal
from typing import Final

from emay_voice_async.cli.terminal.language import current_language, gettext, ngettext, noop
from emay_voice_async.model.codes import CallState, ResultCode
from emay_voice_async.model.messages import Marketing, Message, Notice, VerificationCode, VoiceSms
from emay_voice_async.model.templates import Template
from emay_voice_async.sending.hours import CallingHours

__all__ = [
    "calls",
    "duration",
    "entries",
    "escaped",
    "escaped_lines",
    "hours_of",
    "json_escaped",
    "kind_named",
    "kind_of",
    "meaning_of",
    "money",
    "reports",
    "requests",
]

# Control characters beyond ASCII's, bidirectional controls, line separators, zero-width and tag characters.
_INVISIBLE: Final = (
    r"\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    r"\U000e0000-\U000e007f"
)
_UNSAFE: Final = re.compile(rf"[\x00-\x1f{_INVISIBLE}\ud800-\udfff]")
_UNSAFE_IN_JSON: Final = re.compile(f"[{_INVISIBLE}]")

_UNLISTED: Final = noop("not in the API document")
_KINDS: Final[dict[type[Message], str]] = {
    Notice: noop("voice notice"),
    Marketing: noop("marketing call"),
    VoiceSms: noop("voice SMS"),
    VerificationCode: noop("verification code"),
}


def hours_of(hours: CallingHours) -> str:
    """Format calling hours with their time zone."""
    return gettext("{hours} (Beijing time)", hours=hours.hours)


def meaning_of(code: ResultCode | CallState) -> str:
    """Return the meaning of a result code or a call state; the document has no text for :attr:`CallState.OTHER`."""
    if current_language() == "zh":
        return code.meaning or gettext(_UNLISTED)
    return code.english


def escaped(text: str) -> str:
    """Return text with each control character replaced by a visible Python escape."""
    return _UNSAFE.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def escaped_lines(text: str) -> str:
    """Return text of several lines, each line escaped."""
    return "\n".join(map(escaped, text.split("\n")))


def json_escaped(text: str) -> str:
    """Return a JSON text with control characters as JSON escapes; the values stay the same."""
    return _UNSAFE_IN_JSON.sub(_json_escape, text)


def _json_escape(found: re.Match[str]) -> str:
    units = found[0].encode("utf-16-be")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))


def kind_of(message: Message | Template) -> str:
    """Return the name of a message's kind, or of the kind of a template."""
    return gettext(_KINDS[message.kind if isinstance(message, Template) else type(message)])


def kind_named(name: str) -> str:
    """Return the name of a message's kind, from the name of its class."""
    return gettext(next((text for kind, text in _KINDS.items() if kind.__name__ == name), name))


def calls(number: int) -> str:
    """Format a number of calls."""
    return ngettext("{number:,} call", "{number:,} calls", number)


def entries(number: int) -> str:
    """Format a number of list entries."""
    return ngettext("{number:,} entry", "{number:,} entries", number)


def requests(number: int) -> str:
    """Format a number of requests."""
    return ngettext("{number:,} request", "{number:,} requests", number)


def reports(number: int) -> str:
    """Format a number of status reports."""
    return ngettext("{number:,} report", "{number:,} reports", number)


def money(amount: Decimal) -> str:
    """Format an amount without trailing zeros."""
    whole, dot, rest = f"{amount:,f}".partition(".")
    rest = rest.rstrip("0")
    return f"{whole}{dot if rest else ''}{rest}"


def duration(seconds: float) -> str:
    """Format seconds: "a moment", "0.4 s", "12 s", "3:05 min", "26:03:05 h"."""
    if seconds < 0.1:
        return gettext("a moment")
    if seconds < 10:
        return gettext("{seconds:.1f} s", seconds=seconds)
    whole = round(seconds)
    if whole < 60:
        return gettext("{seconds} s", seconds=whole)
    minutes, second = divmod(whole, 60)
    if minutes < 60:
        return gettext("{minutes}:{seconds:02} min", minutes=minutes, seconds=second)
    hour, minute = divmod(minutes, 60)
    return gettext("{hours}:{minutes:02}:{seconds:02} h", hours=hour, minutes=minute, seconds=second)
