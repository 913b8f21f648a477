"""The fields of tickets and reports: a table for each product, and the readers of single JSON values.

Numbers and texts stand for each other, null and "" for a missing value, states have blanks around them.
A value that cannot be read raises :class:`ValueError`, :class:`TypeError` or :class:`OverflowError`.
"""

from binascii import a2b_base64
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal, InvalidOperation
from math import isfinite
from typing import Any, Final

from attrs import frozen

from emay_voice_async.model.beijing import BEIJING
from emay_voice_async.model.codes import JOIN_STATES, VOICE_STATES, CallState
from emay_voice_async.model.endpoints import JOIN_REPORTS, JOIN_SEND, VOICE_REPORTS, VOICE_SEND, Endpoint

__all__ = [
    "REPORT_FIELDS",
    "TICKET_FIELDS",
    "UNREADABLE",
    "Field",
    "as_money",
    "as_optional_word",
    "as_recording",
    "as_seconds",
    "as_state",
    "as_text",
    "as_time",
    "as_word",
]

UNREADABLE: Final = (ValueError, TypeError, OverflowError)
"""The errors of a value that cannot be read."""

_STATES: Final = {**VOICE_STATES, **JOIN_STATES}
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - the times of the wire have no zone
_BEIJING_EPOCH = _EPOCH.replace(tzinfo=BEIJING)


def as_text(value: object) -> str:
    """Read a text, or a number as its text; null is ""."""
    kind = type(value)
    if kind is str:
        return value  # type: ignore[return-value]
    if kind is int or kind is float:
        return str(value)
    if value is None:
        return ""
    raise ValueError(f"a text was expected, not a {type(value).__name__}")


def as_word(value: object) -> str:
    """Read a text without the blanks around it."""
    return value.strip() if type(value) is str else as_text(value).strip()


def as_optional_word(value: object) -> str | None:
    """Read a text without the blanks around it; None for an empty text."""
    return (value.strip() if type(value) is str else as_text(value).strip()) or None


def as_state(value: object) -> CallState:
    """Read a state; an unlisted state is OTHER."""
    return _STATES.get(as_word(value), CallState.OTHER)


def as_time(value: object) -> datetime | None:
    """Read an ISO 8601 time as an aware one of Beijing's zone; without an offset it is Beijing time."""
    text = as_word(value)
    if not text:
        return None
    if text.isdecimal():
        # A count of milliseconds could pass for a compact date.
        raise ValueError("a time was expected, not a number")
    time = datetime.fromisoformat(text)
    # Adding is much faster than datetime.replace (benchmark: push).
    return _BEIJING_EPOCH + (time - _EPOCH) if time.tzinfo is None else time.astimezone(BEIJING)


def as_seconds(value: object) -> float | None:
    """Read a finite number of seconds, or the text of one."""
    # float() passes over the blanks around a text by itself.
    number = value if type(value) is float or type(value) is str else as_text(value)
    if number == "" or (type(number) is str and number.isspace()):
        return None
    seconds = float(number)
    if not isfinite(seconds):
        raise ValueError("a number of seconds was expected")
    return seconds


def as_recording(value: object) -> bytes | None:
    """Read a Java byte[]: base64 text, or a list of signed numbers, as JSON writers differ."""
    if isinstance(value, list):
        # bytes() refuses a number that is not whole or does not fit into a byte.
        return bytes(number + 256 if -128 <= number < 0 else number for number in value) or None
    text = as_text(value)
    try:
        return a2b_base64(text, strict_mode=True) or None
    except ValueError:
        # Line breaks are part of some base64.
        return a2b_base64("".join(text.split()), strict_mode=True) or None


def as_money(value: object) -> Decimal:
    """Read a finite amount of money exactly."""
    try:
        amount = Decimal(as_word(value)) if not isinstance(value, Decimal) else value
    except InvalidOperation:
        raise ValueError("an amount of money was expected") from None
    if not amount.is_finite():
        raise ValueError("an amount of money was expected")
    return amount


@frozen
class Field:
    """One field: its attribute in the class, its name in the JSON, and the reader of its value."""

    name: str
    wire: str
    read: Callable[[Any], Any]


def _ticket_fields(end: Endpoint) -> tuple[Field, ...]:
    return (
        Field("mobile", "mobile", as_text),
        Field("message_id", end.message_id, as_text),
        Field("custom_id", end.custom_id, as_text),
    )


def _report_fields(end: Endpoint) -> tuple[Field, ...]:
    return (
        Field("app_id", "appId", as_text),
        Field("message_id", end.message_id, as_text),
        Field("custom_id", end.custom_id, as_text),
        Field("mobile", "mobile", as_text),
        Field("state", "state", as_state),
        Field("raw_state", "state", as_word),
        Field("description", end.description, as_text),
        Field("called_at", "callingTime", as_time),
        Field("duration", "callingDuration", as_seconds),
        Field("key_pressed", "keyContent", as_optional_word),
        Field("recording", "voiceSign", as_recording),
    )


TICKET_FIELDS: Final = {end.product: _ticket_fields(end) for end in (VOICE_SEND, JOIN_SEND)}
"""The fields of a ticket (sections 2.1.1.2 and 2.4.1.2), in the order of the class."""
REPORT_FIELDS: Final = {end.product: _report_fields(end) for end in (VOICE_REPORTS, JOIN_REPORTS)}
"""The fields of a report (sections 2.1.2.2 and 2.4.2.2), in the order of the class, after the product."""
