"""JSON values to typed ones: a cattrs converter for each product and its hooks, the only user of cattrs.

Tolerant where the service is: numbers and texts stand for each other, null and "" for nothing,
unknown fields are ignored, states come with blanks around them. What cannot be read raises
:class:`ValueError` (or :class:`TypeError`, or :class:`OverflowError`), which the callers turn into
the error of their place.
"""

from base64 import b64decode
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from math import isfinite
from operator import itemgetter
from typing import Any

from cattrs import Converter

from emay_voice_async.codes import JOIN_STATES, VOICE_STATES, CallState
from emay_voice_async.endpoints import JOIN_REPORTS, JOIN_SEND, VOICE_REPORTS, VOICE_SEND, Endpoint, Product
from emay_voice_async.recipients import Recipient
from emay_voice_async.results import Report, ReportDraft, Ticket, frozen_report, make_ticket
from emay_voice_async.signing import BEIJING

__all__ = ["match_tickets", "structure_balance", "structure_report", "structure_reports", "structure_tickets"]

ReportHook = Callable[[dict[str, Any], object], Report]
"""Reads the fields of a report; the other argument is how cattrs calls its hooks."""

_STATES = {**VOICE_STATES, **JOIN_STATES}
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - the wire's times have no zone
_BEIJING_EPOCH = _EPOCH.replace(tzinfo=BEIJING)


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    raise ValueError(f"a text was expected, not a {type(value).__name__}")


def _word(value: object) -> str:
    return value.strip() if type(value) is str else _text(value).strip()


def _optional_word(value: object) -> str | None:
    return _word(value) or None


def _state(value: object) -> CallState:
    return _STATES.get(_word(value), CallState.OTHER)


def _beijing_time(value: object) -> datetime | None:
    text = _word(value)
    if not text:
        return None
    if text.isdecimal():
        # A count of milliseconds could pass for a compact date.
        raise ValueError("a time was expected, not a number")
    time = datetime.fromisoformat(text)
    if time.tzinfo is not None:
        return time.astimezone(BEIJING)
    # The same as time.replace(tzinfo=BEIJING), in a sixth of the time.
    return _BEIJING_EPOCH + (time - _EPOCH)


def _seconds(value: object) -> float | None:
    text = _word(value)
    if not text:
        return None
    seconds = float(text)
    if not isfinite(seconds):
        raise ValueError("a number of seconds was expected")
    return seconds


def _recording(value: object) -> bytes | None:
    """Read a Java byte[]: base64 text, or a list of signed numbers, as JSON writers differ."""
    if isinstance(value, list):
        # bytes() refuses whatever is not a whole number of a byte.
        return bytes(number + 256 if -128 <= number < 0 else number for number in value) or None
    text = "".join(_text(value).split())
    return b64decode(text, validate=True) or None


def _money(value: object) -> Decimal:
    try:
        amount = Decimal(_word(value)) if not isinstance(value, Decimal) else value
    except InvalidOperation:
        raise ValueError("an amount of money was expected") from None
    if not amount.is_finite():
        raise ValueError("an amount of money was expected")
    return amount


def _read_tickets_of(endpoint: Endpoint) -> Callable[[object, object], Ticket]:
    def structure(raw: object, _: object) -> Ticket:
        get = _mapping(raw).get
        mobile, message_id, custom_id = get("mobile"), get(endpoint.message_id), get(endpoint.custom_id)
        return Ticket(_text(mobile), _text(message_id), _text(custom_id))

    return structure


def _read_reports_of(endpoint: Endpoint) -> ReportHook:
    product = endpoint.product
    names = (
        *("appId", endpoint.message_id, endpoint.custom_id, "mobile", "state", endpoint.description),
        *("callingTime", "callingDuration", "keyContent", "voiceSign"),
    )
    # All at once, where nothing is missing: a third off the whole.
    values_of = itemgetter(*names)

    def structure(raw: dict[str, Any], _: object) -> Report:
        try:
            values = values_of(raw)
        except KeyError:
            values = map(raw.get, names)
        (
            app_id,
            message_id,
            custom_id,
            mobile,
            raw_state,
            description,
            called_at,
            duration,
            key_pressed,
            recording,
        ) = values
        state = _STATES.get(raw_state) if type(raw_state) is str else None
        draft = ReportDraft(
            product,
            app_id if type(app_id) is str else _text(app_id),
            message_id if type(message_id) is str else _text(message_id),
            custom_id if type(custom_id) is str else _text(custom_id),
            mobile if type(mobile) is str else _text(mobile),
            _state(raw_state) if state is None else state,
            _word(raw_state) if state is None else raw_state,
            description if type(description) is str else _text(description),
            None if called_at is None else _beijing_time(called_at),
            duration if type(duration) is float and isfinite(duration) else _seconds(duration),
            None if key_pressed is None else _optional_word(key_pressed),
            None if recording is None else _recording(recording),
        )
        if not (draft.message_id or draft.custom_id or draft.mobile):
            # Unreadable rather than blank, so that whatever it was is kept as it came.
            raise ValueError("the report does not name its call")
        return frozen_report(draft)

    return structure


def _make_converter(send: Endpoint, reports: Endpoint) -> Converter:
    """Make the converter of one product.

    Tickets and reports have hooks of their own: those that cattrs makes call a hook for each field,
    and take four times as long. Most fields are what they should be, and that is seen at once.
    """
    converter = Converter(detailed_validation=False)
    converter.register_structure_hook(Ticket, _read_tickets_of(send))
    converter.register_structure_hook(Report, _read_reports_of(reports))
    converter.register_structure_hook(Decimal, lambda value, _: _money(value))
    return converter


_CONVERTERS = {
    Product.VOICE: _make_converter(VOICE_SEND, VOICE_REPORTS),
    Product.JOIN: _make_converter(JOIN_SEND, JOIN_REPORTS),
}
_TICKETS = {product: one.get_structure_hook(Ticket) for product, one in _CONVERTERS.items()}
_REPORTS: dict[Product, ReportHook] = {
    product: one.get_structure_hook(Report) for product, one in _CONVERTERS.items()
}


_TICKET_NAMES = {end.product: ("mobile", end.message_id, end.custom_id) for end in (VOICE_SEND, JOIN_SEND)}
_IDS = [(end.message_id, end.custom_id, _REPORTS[end.product]) for end in (VOICE_REPORTS, JOIN_REPORTS)]


def structure_tickets(raw: Iterable[object], product: Product) -> list[Ticket]:
    """Read the entries of a send's answer; a field that is missing or null becomes ""."""
    structure = _TICKETS[product]
    return [structure(one, Ticket) for one in raw]


def match_tickets(
    raw: list[Any], recipients: Sequence[Recipient], product: Product
) -> tuple[Ticket, ...] | None:
    """Read the entries of an answer that names each recipient in its place, as nearly all do; else None.

    It takes little more than half of the time of reading each one and comparing, and the tickets share the recipients'
    texts.
    """
    names = _TICKET_NAMES[product]
    mobiles = [one.mobile for one in recipients]
    custom_ids = [one.custom_id or "" for one in recipients]
    try:
        found_mobiles, message_ids, found_ids = [[one[name] for one in raw] for name in names]
    except (LookupError, TypeError):
        return None
    if found_mobiles != mobiles or found_ids != custom_ids or set(map(type, message_ids)) != {str}:
        return None
    return tuple(map(make_ticket, mobiles, message_ids, custom_ids))


def structure_report(raw: object, product: Product | None = None) -> Report:
    """Read one status report; without ``product``, its own id fields tell which product it is."""
    return _structure_report(raw, product and _REPORTS[product])


def structure_reports(
    raw: Iterable[object], product: Product | None = None
) -> tuple[tuple[Report, ...], tuple[tuple[object, str], ...]]:
    """Read each report by itself: those that can be read, and pairs of raw value and reason."""
    hook = product and _REPORTS[product]
    reports: list[Report] = []
    broken: list[tuple[object, str]] = []
    for one in raw:
        try:
            reports.append(_structure_report(one, hook))
        except (ValueError, TypeError, OverflowError) as error:
            broken.append((one, str(error)))
    return tuple(reports), tuple(broken)


def _structure_report(raw: object, hook: ReportHook | None) -> Report:
    values = _mapping(raw)
    return (hook or _hook_for(values))(values, Report)


def structure_balance(raw: object) -> Decimal:
    """Read an amount of money exactly; JSON numbers must come parsed as Decimal."""
    return _CONVERTERS[Product.VOICE].structure(raw, Decimal)


def _hook_for(values: dict[str, Any]) -> ReportHook:
    """Tell the product by the id fields that say something, or else by those that are there at all."""
    for message_id, custom_id, hook in _IDS:
        if values.get(message_id) is not None or values.get(custom_id) is not None:
            return hook
    for message_id, custom_id, hook in _IDS:
        if message_id in values or custom_id in values:
            return hook
    return _REPORTS[Product.VOICE]


def _mapping(raw: object) -> dict[str, Any]:
    if not isinstance(raw, dict):
        raise ValueError(f"an object was expected, not a {type(raw).__name__}")
    return raw
