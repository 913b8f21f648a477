"""JSON values to typed ones: one cattrs converter and its hooks, the only user of cattrs.

Tolerant where the service is: numbers and texts stand for each other, null and "" for nothing,
unknown fields are ignored, states come with blanks around them. What cannot be read raises
:class:`ValueError` (or :class:`TypeError`, or :class:`OverflowError`), which the callers turn into
the error of their place.
"""

import math
from base64 import b64decode
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from attrs import fields
from cattrs import Converter
from cattrs.gen import make_dict_structure_fn, override

from emay_voice_async.codes import JOIN_STATES, VOICE_STATES, CallState
from emay_voice_async.endpoints import JOIN_REPORTS, JOIN_SEND, VOICE_REPORTS, VOICE_SEND, Endpoint, Product
from emay_voice_async.results import Report, Ticket
from emay_voice_async.signing import BEIJING

__all__ = ["structure_balance", "structure_report", "structure_reports", "structure_ticket"]

_STATES = {**VOICE_STATES, **JOIN_STATES}


def _text(value: object, _: object = None) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    raise ValueError(f"a text was expected, not a {type(value).__name__}")


def _word(value: object, _: object = None) -> str:
    return _text(value).strip()


def _optional_word(value: object, _: object = None) -> str | None:
    return _word(value) or None


def _state(value: object, _: object = None) -> CallState:
    return _STATES.get(_word(value), CallState.OTHER)


def _beijing_time(value: object, _: object = None) -> datetime | None:
    text = _word(value)
    if not text:
        return None
    if text.isdecimal():
        # A count of milliseconds could pass for a compact date.
        raise ValueError("a time was expected, not a number")
    time = datetime.fromisoformat(text)
    return time.replace(tzinfo=BEIJING) if time.tzinfo is None else time.astimezone(BEIJING)


def _seconds(value: object, _: object = None) -> float | None:
    text = _word(value)
    if not text:
        return None
    seconds = float(text)
    if not math.isfinite(seconds):
        raise ValueError("a number of seconds was expected")
    return seconds


def _recording(value: object, _: object = None) -> bytes | None:
    """Read a Java byte[]: base64 text, or a list of signed numbers, as JSON writers differ."""
    if isinstance(value, list):
        # bytes() refuses whatever is not a whole number of a byte.
        return bytes(number + 256 if -128 <= number < 0 else number for number in value) or None
    text = "".join(_text(value).split())
    return b64decode(text, validate=True) or None


def _money(value: object, _: object = None) -> Decimal:
    try:
        amount = Decimal(_word(value)) if not isinstance(value, Decimal) else value
    except InvalidOperation:
        raise ValueError("an amount of money was expected") from None
    if not amount.is_finite():
        raise ValueError("an amount of money was expected")
    return amount


def _make_converter() -> Converter:
    converter = Converter(detailed_validation=False)
    converter.register_structure_hook(str, _text)
    converter.register_structure_hook(Decimal, _money)
    converter.register_structure_hook(CallState, _state)
    converter.register_structure_hook(Product, lambda value, _: value)
    report = fields(Report)
    for attribute, hook in (
        (report.called_at, _beijing_time),
        (report.duration, _seconds),
        (report.key_pressed, _optional_word),
        (report.recording, _recording),
    ):
        converter.register_structure_hook(attribute.type, hook)
    return converter


_converter = _make_converter()


def _structure_ticket_as(endpoint: Endpoint) -> Callable[[Mapping[str, Any], Any], Ticket]:
    return make_dict_structure_fn(
        Ticket,
        _converter,
        _cattrs_detailed_validation=False,
        message_id=override(rename=endpoint.message_id),
        custom_id=override(rename=endpoint.custom_id),
    )


def _structure_report_as(endpoint: Endpoint) -> Callable[[Mapping[str, Any], Any], Report]:
    return make_dict_structure_fn(
        Report,
        _converter,
        _cattrs_detailed_validation=False,
        app_id=override(rename="appId"),
        message_id=override(rename=endpoint.message_id),
        custom_id=override(rename=endpoint.custom_id),
        raw_state=override(rename="state", struct_hook=_word),
        description=override(rename=endpoint.description),
        called_at=override(rename="callingTime"),
        duration=override(rename="callingDuration"),
        key_pressed=override(rename="keyContent"),
        recording=override(rename="voiceSign"),
    )


_TICKETS = {end.product: _structure_ticket_as(end) for end in (VOICE_SEND, JOIN_SEND)}
_REPORTS = {end.product: _structure_report_as(end) for end in (VOICE_REPORTS, JOIN_REPORTS)}
_BLANK_TICKET = {"mobile": None, **dict.fromkeys(("voiceId", "joinId", "customVoiceId", "customJoinId"))}


def structure_ticket(raw: object, product: Product) -> Ticket:
    """Read one entry of a send's answer; a field that is missing or null becomes ""."""
    return _TICKETS[product](_BLANK_TICKET | _mapping(raw), Ticket)


def structure_report(raw: object, product: Product | None = None) -> Report:
    """Read one status report; without ``product``, its own id fields tell which product it is."""
    values = _mapping(raw)
    product = product or _product_of(values)
    report = _REPORTS[product](values | {"product": product}, Report)
    if not (report.message_id or report.custom_id or report.mobile):
        # Unreadable rather than blank, so that whatever it was is kept as it came.
        raise ValueError("the report does not name its call")
    return report


def structure_reports(
    raw: Iterable[object], product: Product | None = None
) -> tuple[tuple[Report, ...], tuple[tuple[object, str], ...]]:
    """Read each report by itself: those that can be read, and pairs of raw value and reason."""
    reports: list[Report] = []
    broken: list[tuple[object, str]] = []
    for one in raw:
        try:
            reports.append(structure_report(one, product))
        except (ValueError, TypeError, OverflowError) as error:
            broken.append((one, str(error)))
    return tuple(reports), tuple(broken)


def structure_balance(raw: object) -> Decimal:
    """Read an amount of money exactly; JSON numbers must come parsed as Decimal."""
    return _converter.structure(raw, Decimal)


def _product_of(values: Mapping[str, Any]) -> Product:
    """Tell the product by the id fields that say something, or else by those that are there at all."""
    named = {name for name in values if values[name] is not None}
    for names in (named, values.keys()):
        for end in (VOICE_REPORTS, JOIN_REPORTS):
            if end.message_id in names or end.custom_id in names:
                return end.product
    return Product.VOICE


def _mapping(raw: object) -> dict[str, Any]:
    if not isinstance(raw, dict):
        raise ValueError(f"an object was expected, not a {type(raw).__name__}")
    return raw
