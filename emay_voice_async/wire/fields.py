"""The fields of tickets and reports: a table for each product, and the readers of single JSON values.

Numbers and texts stand for each other; null, "" and words such as "null" for a missing value; states have
blanks around them. An unreadable value raises one of :data:`UNREADABLE`.
"""

import re
from binascii import a2b_base64, b2a_base64
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal, InvalidOperation
from math import isfinite
from typing import Any, Final, NamedTuple

from emay_voice_async.model.codes import CallState, call_state
from emay_voice_async.model.endpoints import JOIN_REPORTS, JOIN_SEND, VOICE_REPORTS, VOICE_SEND, Endpoint
from emay_voice_async.wire.times import NULL_WORDS, finite, plain, read_seconds, read_time

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

_EXACT: Final = 2**53
_LONGEST_WORD: Final = 20
_DATA_URL: Final = re.compile(r"data:[\w.+/;=-]{0,100};base64,")
_URL_SAFE: Final = str.maketrans("-_", "+/")


def as_text(value: object) -> str:
    """Read a text, or a number as its text; null is ""."""
    kind = type(value)
    if kind is str:
        return value  # type: ignore[return-value]
    if kind is int:
        return str(value)
    if value is None:
        return ""
    if isinstance(value, float) and isfinite(value):
        # Some writers make a float of each number: state 4.0 is state 4.
        return str(int(value) if value.is_integer() and abs(value) < _EXACT else value)
    raise ValueError(f"a text was expected, not a {kind.__name__}")


def as_word(value: object) -> str:
    """Read a text without blanks around."""
    return value.strip() if type(value) is str else as_text(value).strip()


def as_optional_word(value: object) -> str | None:
    """Read a text without blanks around; None for a missing text."""
    text = value.strip() if type(value) is str else as_text(value).strip()
    return None if text.lower() in NULL_WORDS else text


def as_state(value: object) -> CallState:
    """Read a state; an unlisted state is OTHER."""
    return call_state(as_word(value))


def as_time(value: object) -> datetime | None:
    """Read a time of 2000 to 2099 as an aware datetime in Beijing's zone; None for a missing time."""
    return read_time(value)


def as_seconds(value: object) -> float | None:
    """Read a finite number of seconds, or its text; None for a missing duration."""
    if type(value) is str:
        # float() also reads "1_000", and digits of any script.
        if "_" in value or not value.isascii():
            return read_seconds(value)
        try:
            seconds = float(value)
        except ValueError:
            return read_seconds(value)
    elif type(value) is float or type(value) is int:
        seconds = float(value)
    elif value is None:
        return None
    else:
        raise ValueError(f"a number of seconds was expected, not a {type(value).__name__}")
    return seconds if isfinite(seconds) else finite(seconds)


def as_recording(value: object) -> bytes | None:
    """Read a Java byte[]: base64 text, or a list of signed numbers, as JSON writers differ; None for a missing one.

    Bytes are a text that the JSON reader has read from base64 already.
    """
    if isinstance(value, bytes):
        # "null" is base64, too.
        return (
            value if len(value) > _LONGEST_WORD else as_recording(b2a_base64(value, newline=False).decode())
        )
    if isinstance(value, list):
        # bytes() refuses a number that is not whole or does not fit into a byte.
        return bytes(number + 256 if -128 <= number < 0 else number for number in value) or None
    if not isinstance(value, str):
        if value is None:
            return None
        raise ValueError(f"base64 was expected, not a {type(value).__name__}")
    if len(value) < _LONGEST_WORD and value.strip().lower() in NULL_WORDS:
        return None
    try:
        return a2b_base64(value, strict_mode=True) or None
    except ValueError:
        return a2b_base64(_base64(value), strict_mode=True) or None


def _base64(text: str) -> str:
    """Undo line breaks, the prefix of a data URL, the alphabet for URLs, and a form without percent-encoding."""
    text = text.strip()
    if found := _DATA_URL.match(text):
        text = text[found.end() :]
    # A form that is not percent-encoded turns "+" into a blank.
    text = "".join(text.splitlines()).replace("\t", "").replace(" ", "+")
    return text.translate(_URL_SAFE) if "-" in text or "_" in text else text


def as_money(value: object) -> Decimal:
    """Read a finite amount of money exactly."""
    try:
        amount = _decimal(plain(as_word(value))) if not isinstance(value, Decimal) else value
    except InvalidOperation:
        raise ValueError("an amount of money was expected") from None
    if not amount.is_finite():
        raise ValueError("an amount of money was expected")
    return amount


def _decimal(text: str) -> Decimal:
    # Decimal() also reads "1_000", and digits of any script.
    if "_" in text or not text.isascii():
        raise InvalidOperation
    return Decimal(text)


class Field(NamedTuple):
    """A field: the attribute of the class, the name in the JSON, and the reader of the value."""

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
