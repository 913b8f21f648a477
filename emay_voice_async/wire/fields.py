"""One JSON value to one typed value, tolerant where the service is.

Numbers and texts stand for each other, null and "" for nothing, states come with blanks around them.
What cannot be read raises :class:`ValueError`, :class:`TypeError` or :class:`OverflowError`.
"""

from base64 import b64decode
from datetime import datetime
from decimal import Decimal, InvalidOperation
from math import isfinite
from typing import Final

from emay_voice_async.model.beijing import BEIJING
from emay_voice_async.model.codes import JOIN_STATES, VOICE_STATES, CallState

__all__ = [
    "STATES",
    "as_money",
    "as_optional_word",
    "as_recording",
    "as_seconds",
    "as_state",
    "as_text",
    "as_time",
    "as_word",
]

STATES: Final[dict[str, CallState]] = {**VOICE_STATES, **JOIN_STATES}
"""The states of both products, by the texts that they come as."""


def as_text(value: object) -> str:
    """Read a text, or a number for one; null is ""."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    raise ValueError(f"a text was expected, not a {type(value).__name__}")


def as_word(value: object) -> str:
    """Read a text without the blanks around it."""
    return value.strip() if type(value) is str else as_text(value).strip()


def as_optional_word(value: object) -> str | None:
    """Read a text without the blanks around it; None if nothing is left."""
    return as_word(value) or None


def as_state(value: object) -> CallState:
    """Read a state; one that is not listed is OTHER."""
    return STATES.get(as_word(value), CallState.OTHER)


def as_time(value: object) -> datetime | None:
    """Read an ISO 8601 time, of Beijing unless it says otherwise, as an aware one in Beijing's zone."""
    text = as_word(value)
    if not text:
        return None
    if text.isdecimal():
        # A count of milliseconds could pass for a compact date.
        raise ValueError("a time was expected, not a number")
    time = datetime.fromisoformat(text)
    return time.replace(tzinfo=BEIJING) if time.tzinfo is None else time.astimezone(BEIJING)


def as_seconds(value: object) -> float | None:
    """Read a finite number of seconds."""
    text = as_word(value)
    if not text:
        return None
    seconds = float(text)
    if not isfinite(seconds):
        raise ValueError("a number of seconds was expected")
    return seconds


def as_recording(value: object) -> bytes | None:
    """Read a Java byte[]: base64 text, or a list of signed numbers, as JSON writers differ."""
    if isinstance(value, list):
        # bytes() refuses whatever is not a whole number of a byte.
        return bytes(number + 256 if -128 <= number < 0 else number for number in value) or None
    text = "".join(as_text(value).split())
    return b64decode(text, validate=True) or None


def as_money(value: object) -> Decimal:
    """Read a finite amount of money exactly."""
    try:
        amount = Decimal(as_word(value)) if not isinstance(value, Decimal) else value
    except InvalidOperation:
        raise ValueError("an amount of money was expected") from None
    if not amount.is_finite():
        raise ValueError("an amount of money was expected")
    return amount
