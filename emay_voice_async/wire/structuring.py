"""JSON values to typed ones: a cattrs converter for each product and its hooks, the only user of cattrs.

Unknown fields are ignored, and single values are read as tolerantly as :mod:`emay_voice_async.wire.fields`
does. What cannot be read raises :class:`ValueError` (or :class:`TypeError`, or :class:`OverflowError`),
which the callers turn into the error of their place.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from math import isfinite
from operator import itemgetter
from typing import Any, Final

from cattrs import Converter

from emay_voice_async.model.beijing import BEIJING
from emay_voice_async.model.endpoints import (
    JOIN_REPORTS,
    JOIN_SEND,
    VOICE_REPORTS,
    VOICE_SEND,
    Endpoint,
    Product,
)
from emay_voice_async.model.recipients import Recipient
from emay_voice_async.model.results import Report, ReportDraft, Ticket, frozen_reports, make_tickets
from emay_voice_async.wire.fields import (
    STATES,
    as_money,
    as_optional_word,
    as_recording,
    as_seconds,
    as_state,
    as_text,
    as_time,
    as_word,
)
from emay_voice_async.wire.json_reader import Layout

__all__ = [
    "REPORTS",
    "TICKETS",
    "match_tickets",
    "structure_balance",
    "structure_report",
    "structure_reports",
    "structure_rows",
    "structure_tickets",
    "ticket_rows",
]

Row = tuple[Any, ...]
"""The values of an entry, in the order of its layout; None where there is none."""
ReportHook = Callable[[dict[str, Any], object], Report]
"""Reads the fields of a report; the other argument is how cattrs calls its hooks."""

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - the wire's times have no zone
_BEIJING_EPOCH = _EPOCH.replace(tzinfo=BEIJING)
_UNREADABLE: Final = (ValueError, TypeError, OverflowError)


def _report_layout(end: Endpoint, *foreign: str) -> Layout:
    ids = ("appId", end.message_id, end.custom_id, "mobile")
    rest = ("state", end.description, "callingTime", "callingDuration", "keyContent", "voiceSign")
    return Layout((*ids, *rest), end.message_id, foreign)


TICKETS: Final = {
    end.product: Layout(("mobile", end.message_id, end.custom_id), end.message_id)
    for end in (VOICE_SEND, JOIN_SEND)
}
"""How the entries of a send's answer are laid out."""
REPORTS: Final = {
    Product.VOICE: _report_layout(VOICE_REPORTS),
    # Where the ids of both products stand, those of a voice report count.
    Product.JOIN: _report_layout(JOIN_REPORTS, VOICE_REPORTS.message_id, VOICE_REPORTS.custom_id),
}
"""How status reports are laid out."""


def _read_tickets_of(product: Product) -> Callable[[object, object], Ticket]:
    names = TICKETS[product].names
    return lambda raw, _: Ticket(*map(as_text, map(_mapping(raw).get, names)))


def _read_reports_of(product: Product) -> ReportHook:
    names = REPORTS[product].names
    return lambda raw, _: frozen_reports([_draft(product, tuple(map(raw.get, names)))])[0]


def _draft(product: Product, row: Row) -> ReportDraft:
    """Fill one report, whatever kinds its values have."""
    app_id, message_id, custom_id, mobile, state, description, called_at, duration, key, recording = row
    draft = ReportDraft(
        product,
        as_text(app_id),
        as_text(message_id),
        as_text(custom_id),
        as_text(mobile),
        as_state(state),
        as_word(state),
        as_text(description),
        as_time(called_at),
        as_seconds(duration),
        as_optional_word(key),
        as_recording(recording),
    )
    if not (draft.message_id or draft.custom_id or draft.mobile):
        # Unreadable rather than blank, so that whatever it was is kept as it came.
        raise ValueError("the report does not name its call")
    return draft


def _drafts(product: Product, rows: Iterable[Row]) -> list[ReportDraft]:
    """Fill the reports of many rows, looking at once whether a value is what it nearly always is.

    It takes a third of the time of filling each one by itself, because no function is called for a value.
    """
    drafts: list[ReportDraft] = []
    add, state_of, time_of = drafts.append, STATES.get, datetime.fromisoformat
    for row in rows:
        app_id, message_id, custom_id, mobile, raw_state, description, called_at, duration, key, recording = (
            row
        )
        kinds = type(app_id) is type(message_id) is type(custom_id) is type(mobile) is type(raw_state) is str
        state = state_of(raw_state) if kinds and type(description) is str and message_id else None
        if state is None:
            add(_draft(product, row))
            continue
        try:
            draft = ReportDraft(
                product,
                app_id,
                message_id,
                custom_id,
                mobile,
                state,
                raw_state,
                description,
                # The same as replace(tzinfo=BEIJING), in a sixth of the time; a TypeError if there is a zone.
                _BEIJING_EPOCH + (time_of(called_at) - _EPOCH)
                if type(called_at) is str and called_at and not called_at.isdecimal()
                else as_time(called_at),
                duration if type(duration) is float and isfinite(duration) else as_seconds(duration),
                None if key is None else as_optional_word(key),
                None if recording is None else as_recording(recording),
            )
        except _UNREADABLE:
            draft = _draft(product, row)
        add(draft)
    return drafts


def _make_converter(product: Product) -> Converter:
    """Make the converter of one product.

    Tickets and reports have hooks of their own: those that cattrs makes call a hook for each field,
    and take four times as long.
    """
    converter = Converter(detailed_validation=False)
    converter.register_structure_hook(Ticket, _read_tickets_of(product))
    converter.register_structure_hook(Report, _read_reports_of(product))
    converter.register_structure_hook(Decimal, lambda value, _: as_money(value))
    return converter


_CONVERTERS = {product: _make_converter(product) for product in Product}
_TICKETS = {product: one.get_structure_hook(Ticket) for product, one in _CONVERTERS.items()}
_REPORTS: dict[Product, ReportHook] = {
    product: one.get_structure_hook(Report) for product, one in _CONVERTERS.items()
}
_ROWS = {layout: itemgetter(*layout.names) for layouts in (TICKETS, REPORTS) for layout in layouts.values()}
_IDS = [(end.message_id, end.custom_id, _REPORTS[end.product]) for end in (VOICE_REPORTS, JOIN_REPORTS)]


def structure_tickets(raw: Iterable[object], product: Product) -> list[Ticket]:
    """Read the entries of a send's answer; a field that is missing or null becomes ""."""
    structure = _TICKETS[product]
    return [structure(one, Ticket) for one in raw]


def ticket_rows(raw: Iterable[Any], product: Product) -> Iterable[Row]:
    """Take the values of the entries of a send's answer; iterating raises if one has not all of them."""
    return map(_ROWS[TICKETS[product]], raw)


def match_tickets(rows: Iterable[Row], recipients: Sequence[Recipient]) -> tuple[Ticket, ...] | None:
    """Make the tickets of an answer that names each recipient in its place, as nearly all do; else None.

    It takes little more than half of the time of reading each one and comparing, and the tickets share the recipients'
    texts.
    """
    mobiles = tuple([one.mobile for one in recipients])
    custom_ids = tuple([one.custom_id or "" for one in recipients])
    try:
        found_mobiles, message_ids, found_ids = zip(*rows, strict=True)
    except (LookupError, TypeError, ValueError):
        return None
    if found_mobiles != mobiles or found_ids != custom_ids or set(map(type, message_ids)) != {str}:
        return None
    return make_tickets(mobiles, message_ids, custom_ids)


def structure_report(raw: object, product: Product | None = None) -> Report:
    """Read one status report; without ``product``, its own id fields tell which product it is."""
    return _structure_report(raw, product and _REPORTS[product])


def structure_rows(rows: Iterable[Row], product: Product) -> tuple[Report, ...] | None:
    """Read many status reports by the values of their fields; None if there is one that cannot be read."""
    try:
        return frozen_reports(_drafts(product, rows))
    except _UNREADABLE:
        return None


def structure_reports(
    raw: Sequence[object], product: Product | None = None
) -> tuple[tuple[Report, ...], tuple[tuple[object, str], ...]]:
    """Read each report by itself: those that can be read, and pairs of raw value and reason."""
    common = product or _common_product(raw)
    if common is not None and (alike := _structure_alike(raw, common)) is not None:
        return alike, ()
    hook = product and _REPORTS[product]
    reports: list[Report] = []
    broken: list[tuple[object, str]] = []
    for one in raw:
        try:
            reports.append(_structure_report(one, hook))
        except _UNREADABLE as error:
            broken.append((one, str(error)))
    return tuple(reports), tuple(broken)


def _structure_alike(raw: Sequence[Any], product: Product) -> tuple[Report, ...] | None:
    """Read reports of one product together; None if there is one that cannot be read."""
    layout = REPORTS[product]
    try:
        return structure_rows(map(_ROWS[layout], raw), product)
    except LookupError:
        # Some writers leave out what is null.
        return structure_rows((tuple(map(_mapping(one).get, layout.names)) for one in raw), product)


def _common_product(raw: Sequence[Any]) -> Product | None:
    """Tell the product if each report has an id of it, and none of another that would count more."""
    for product, layout in REPORTS.items():
        with suppress(LookupError, TypeError):
            foreign = (one.get(name) for name in layout.foreign for one in raw)
            if None not in map(itemgetter(layout.key), raw) and set(foreign) <= {None}:
                return product
    return None


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
