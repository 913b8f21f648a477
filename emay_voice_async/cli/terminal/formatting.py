"""How things are said: counts, durations, kinds."""

from decimal import Decimal

from emay_voice_async.model.messages import Marketing, Message, Notice, VerificationCode, VoiceSms

__all__ = ["calls", "duration", "entries", "kind_of", "money", "requests"]

_KINDS = {
    Notice: "voice notice",
    Marketing: "marketing call",
    VoiceSms: "voice SMS",
    VerificationCode: "verification code",
}


def kind_of(message: Message) -> str:
    """Name the kind of a message."""
    return _KINDS[type(message)]


def calls(number: int) -> str:
    """Say how many calls."""
    return f"{number:,} call" if number == 1 else f"{number:,} calls"


def entries(number: int) -> str:
    """Say how many entries of a list."""
    return f"{number:,} entry" if number == 1 else f"{number:,} entries"


def requests(number: int) -> str:
    """Say how many requests."""
    return f"{number:,} request" if number == 1 else f"{number:,} requests"


def money(amount: Decimal) -> str:
    """Say an amount without the zeros behind it."""
    whole, dot, rest = f"{amount:,f}".partition(".")
    rest = rest.rstrip("0")
    return f"{whole}{dot if rest else ''}{rest}"


def duration(seconds: float) -> str:
    """Say how long: "a moment", "0.4 s", "12 s", "3:05 min", "26:03:05 h"."""
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
