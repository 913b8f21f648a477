"""Formatting for people: safe text, counts, amounts, durations, kinds of messages."""

import re
from decimal import Decimal
from typing import Final

from emay_voice_async.model.messages import Marketing, Message, Notice, VerificationCode, VoiceSms

__all__ = [
    "calls",
    "counted",
    "duration",
    "entries",
    "escaped",
    "escaped_lines",
    "json_escaped",
    "kind_of",
    "money",
    "requests",
]

# Control characters beyond ASCII's, bidirectional controls, line separators, zero-width and tag characters.
_INVISIBLE: Final = (
    r"\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    r"\U000e0000-\U000e007f"
)
_UNSAFE: Final = re.compile(rf"[\x00-\x1f{_INVISIBLE}\ud800-\udfff]")
_UNSAFE_IN_JSON: Final = re.compile(f"[{_INVISIBLE}]")

_KINDS: Final[dict[type[Message], str]] = {
    Notice: "voice notice",
    Marketing: "marketing call",
    VoiceSms: "voice SMS",
    VerificationCode: "verification code",
}


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


def kind_of(message: Message) -> str:
    """Return the name of a message's kind."""
    return _KINDS[type(message)]


def counted(number: int, singular: str, plural: str = "") -> str:
    """Format a number with its noun; without ``plural``, the plural ends in s."""
    return f"{number:,} {singular if number == 1 else plural or f'{singular}s'}"


def calls(number: int) -> str:
    """Format a number of calls."""
    return counted(number, "call")


def entries(number: int) -> str:
    """Format a number of list entries."""
    return counted(number, "entry", "entries")


def requests(number: int) -> str:
    """Format a number of requests."""
    return counted(number, "request")


def money(amount: Decimal) -> str:
    """Format an amount without trailing zeros."""
    whole, dot, rest = f"{amount:,f}".partition(".")
    rest = rest.rstrip("0")
    return f"{whole}{dot if rest else ''}{rest}"


def duration(seconds: float) -> str:
    """Format seconds: "a moment", "0.4 s", "12 s", "3:05 min", "26:03:05 h"."""
    if seconds < 0.1:
        return "a moment"
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, second = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes}:{second:02} min"
    hour, minute = divmod(minutes, 60)
    return f"{hour}:{minute:02}:{second:02} h"
