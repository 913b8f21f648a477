"""Status reports, many at once: the fast route.

A page is a sequence of rows (:mod:`emay_voice_async.wire.report_rows`). One loop makes the reports. The
loop looks at once for the kind that a value usually has, because a function call for each value would take
longer than the rest (benchmarks: push, reports); other kinds go to the readers of the table. An entry with
an unreadable value goes through :mod:`emay_voice_async.wire.structuring`. A property test holds both routes
equal.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from itertools import repeat
from math import isfinite
from operator import contains
from typing import Any, Final, cast

from emay_voice_async.model.beijing import BEIJING
from emay_voice_async.model.codes import CallState
from emay_voice_async.model.endpoints import Product
from emay_voice_async.model.raw_fields import NO_FIELDS
from emay_voice_async.model.results import Report, ReportDraft, frozen_reports
from emay_voice_async.wire.fields import (
    UNREADABLE,
    as_optional_word,
    as_recording,
    as_seconds,
    as_state,
    as_text,
    as_time,
    as_word,
)
from emay_voice_async.wire.json_reader import Layout
from emay_voice_async.wire.report_rows import (
    REPORT_LAYOUTS,
    Row,
    any_rows,
    is_uniform,
    rows_of_products,
    usual_rows,
)
from emay_voice_async.wire.structuring import product_of, structure_report

__all__ = ["Broken", "read_report_rows", "structure_reports"]

Broken = tuple[object, str]
"""A raw value that is no report, and the reason."""
_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - the times of the wire have no zone
_BEIJING_EPOCH: Final = _EPOCH.replace(tzinfo=BEIJING)
_USUAL_TIME: Final = len("2017-03-15 12:00:00")


def structure_reports(
    raw: Sequence[Any], product: Product | None = None
) -> tuple[tuple[Report, ...], tuple[Broken, ...]]:
    """Read entries: the reports, and the entries that are no reports, both in the order of the entries.

    Without ``product``, the id fields of each entry tell the product.
    """
    objects = raw if set(map(type, raw)) == {dict} else [entry for entry in raw if isinstance(entry, dict)]
    drafts = _drafts_alike(objects) if product is None else _drafts_of(objects, product)
    if drafts is None:
        drafts = _mixed_drafts(objects)
    reports = frozen_reports(filter(None, drafts))
    if len(reports) == len(raw):
        return reports, ()
    return _completed(raw, drafts, product)


def read_report_rows(rows: Iterable[Row], product: Product | None) -> tuple[Report, ...] | None:
    """Read entries that came as rows, of both products for None; None if an entry must be read from its object."""
    drafts = _mixed_row_drafts(rows) if product is None else _drafts(rows, product)
    return frozen_reports(cast("list[ReportDraft]", drafts)) if all(drafts) else None


def _drafts_alike(objects: Sequence[dict[str, Any]]) -> list[ReportDraft | None] | None:
    """Fill a report for each entry, if each has a message id of the same product and no id that counts more."""
    if not objects:
        return []
    product = product_of(objects[0])
    layout = REPORT_LAYOUTS[product]
    uniform = is_uniform(objects, layout)
    if not uniform and _has_foreign(objects, layout):
        return None
    with suppress(KeyError):
        return _drafts(usual_rows(objects, layout, uniform=uniform), product)
    # An entry lacks a field of the first entry, and can have any other field in its place.
    if uniform and _has_foreign(objects, layout):
        return None
    return _drafts(any_rows(objects, layout), product) if all(layout.key in one for one in objects) else None


def _has_foreign(objects: Sequence[dict[str, Any]], layout: Layout) -> bool:
    return any(True in map(contains, objects, repeat(name)) for name in layout.foreign)


def _drafts_of(objects: Sequence[dict[str, Any]], product: Product) -> list[ReportDraft | None]:
    """Fill a report for each entry, as :func:`_drafts`."""
    if not objects:
        return []
    layout = REPORT_LAYOUTS[product]
    with suppress(KeyError):
        return _drafts(usual_rows(objects, layout, uniform=is_uniform(objects, layout)), product)
    return _drafts(any_rows(objects, layout), product)


def _mixed_drafts(objects: Sequence[dict[str, Any]]) -> list[ReportDraft | None]:
    """Fill the reports of each product together, and put them in the order of the entries."""
    drafts: list[ReportDraft | None] = [None] * len(objects)
    products = list(map(product_of, objects))
    for product in Product:
        places = [place for place, found in enumerate(products) if found is product]
        entries = [objects[place] for place in places]
        for place, draft in zip(places, _drafts_of(entries, product), strict=True):
            drafts[place] = draft
    return drafts


def _mixed_row_drafts(rows: Iterable[Row]) -> list[ReportDraft | None]:
    products: list[Product] = []
    drafts = _drafts(rows_of_products(rows, products), Product.VOICE)
    for draft, product in zip(drafts, products, strict=True):
        if draft is not None:
            draft.product = product
    return drafts


def _drafts(rows: Iterable[Row], product: Product) -> list[ReportDraft | None]:
    """Fill a report for each row; None for a row with an unreadable value, or without a message id."""
    drafts: list[ReportDraft | None] = []
    states, keys = _Memory(_state_and_word), _Memory(as_optional_word)
    # Calls that began in the same second often stand together.
    last_text: object = None
    last_time: datetime | None = None
    add, make, time_of = drafts.append, object.__new__, datetime.fromisoformat
    for (
        app_id,
        message_id,
        custom_id,
        mobile,
        raw_state,
        description,
        called_at,
        duration,
        key,
        recording,
    ) in rows:
        # Each field is set, because a call with so many arguments takes a third longer.
        draft = make(ReportDraft)
        try:
            draft.state, draft.raw_state = states[raw_state]
            draft.product = product
            draft.app_id = app_id if type(app_id) is str else as_text(app_id)
            draft.message_id = (
                message_id
                if type(message_id) is str
                else str(message_id)
                if type(message_id) is int
                else as_text(message_id)
            )
            draft.custom_id = custom_id if type(custom_id) is str else as_text(custom_id)
            draft.mobile = (
                mobile if type(mobile) is str else str(mobile) if type(mobile) is int else as_text(mobile)
            )
            draft.description = description if type(description) is str else as_text(description)
            if type(called_at) is not str or called_at != last_text:
                last_time = (
                    None
                    if called_at is None
                    # Adding is much faster than datetime.replace; a time with an offset raises TypeError.
                    else _BEIJING_EPOCH + (time_of(called_at) - _EPOCH)
                    if type(called_at) is str
                    and len(called_at) == _USUAL_TIME
                    and "2000" <= called_at < "2099"
                    # Else the text may be a number, which fromisoformat reads as a time, too.
                    and called_at[4] == "-"
                    else as_time(called_at)
                )
                last_text = called_at
            draft.called_at = last_time
            draft.duration = (
                duration
                if duration is None or (type(duration) is float and isfinite(duration))
                else as_seconds(duration)
            )
            draft.key_pressed = None if key is None else str(key) if type(key) is int else keys[key]
            draft.recording = (
                None
                if recording is None
                # An empty text, as such or read from base64 by the JSON reader.
                or (not recording and (type(recording) is str or type(recording) is bytes))
                else as_recording(recording)
            )
            draft.unreadable = NO_FIELDS
        except UNREADABLE:
            add(None)
        else:
            add(draft if message_id else None)
    return drafts


class _Memory(dict[Any, Any]):
    """The values of texts that were read before.

    Of texts only, because 4, 4.0 and True can be equal keys. A value that is no key raises TypeError: unreadable.
    """

    __slots__ = ("_read",)

    def __init__(self, read: Callable[[object], object]) -> None:
        self._read = read

    def __missing__(self, raw: object) -> object:
        value = self._read(raw)
        if type(raw) is str:
            self[raw] = value
        return value


def _state_and_word(raw: object) -> tuple[CallState, str]:
    return as_state(raw), as_word(raw)


def _completed(
    raw: Sequence[Any], drafts: Sequence[ReportDraft | None], product: Product | None
) -> tuple[tuple[Report, ...], tuple[Broken, ...]]:
    """Read by itself each entry that has no report yet."""
    reports: list[Report] = []
    broken: list[Broken] = []
    following = iter(drafts)
    for entry in raw:
        report = next(following) if isinstance(entry, dict) else None
        try:
            reports.append(report if isinstance(report, Report) else structure_report(entry, product))
        except UNREADABLE as error:
            broken.append((entry, str(error)))
    return tuple(reports), tuple(broken)
