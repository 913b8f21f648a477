"""Formatting for people: counts, amounts, durations, kinds of messages."""

from decimal import Decimal
from typing import Final

from emay_voice_async.model.messages import Marketing, Message, Notice, VerificationCode, VoiceSms

__all__ = ["calls", "counted", "duration", "entries", "kind_of", "money", "requests"]

_KINDS: Final[dict[type[Message], str]] = {
    Notice: "voice notice",
    Marketing: "marketing call",
    VoiceSms: "voice SMS",
    VerificationCode: "verification code",
}


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
