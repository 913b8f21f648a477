"""Status reports, many at once: the fast route.

A page is a sequence of rows: the values of the table's fields, for each entry. One loop makes the reports. The
loop looks at once for the kind that a value usually has, because a function call for each value would take
longer than the rest (benchmarks: push, reports); other kinds go to the readers of the table. An entry with
an unreadable value goes through :mod:`emay_voice_async.wire.structuring`. A property test holds both routes
equal.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from itertools import repeat
from math import isfinite
from operator import itemgetter
from typing import Any, Final, cast

from emay_voice_async.model.beijing import BEIJING
from emay_voice_async.model.codes import CallState
from emay_voice_async.model.endpoints import JOIN_REPORTS, VOICE_REPORTS, Endpoint, Product
from emay_voice_async.model.results import Report, ReportDraft, frozen_reports
from emay_voice_async.wire.fields import (
    REPORT_FIELDS,
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
from emay_voice_async.wire.structuring import product_of, structure_report

__all__ = ["REPORT_LAYOUTS", "Broken", "read_report_rows", "structure_reports"]

Broken = tuple[object, str]
"""A raw value that is no report, and the reason."""
Row = tuple[Any, ...]
"""The values of one entry in the order of the layout; None where the entry lacks the field."""


def _layout(end: Endpoint, *foreign: str) -> Layout:
    fields = REPORT_FIELDS[end.product]
    binary = tuple([field.wire for field in fields if field.read is as_recording])
    return Layout(tuple(dict.fromkeys(field.wire for field in fields)), end.message_id, foreign, binary)


REPORT_LAYOUTS: Final = {
    Product.VOICE: _layout(VOICE_REPORTS),
    # An entry with the ids of both products is a voice report.
    Product.JOIN: _layout(JOIN_REPORTS, VOICE_REPORTS.message_id, VOICE_REPORTS.custom_id),
}
"""The layout of an entry, in the order of the table."""

_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - the times of the wire have no zone
_BEIJING_EPOCH: Final = _EPOCH.replace(tzinfo=BEIJING)
_TEXTS: Final = (str, bytes)
"""The types of a recording, as text or read from the text by the JSON reader."""
_USUAL_TIME: Final = len("2017-03-15 12:00:00")


def structure_reports(
    raw: Sequence[Any], product: Product | None = None
) -> tuple[tuple[Report, ...], tuple[Broken, ...]]:
    """Read entries: the reports, and the entries that are no reports, both in the order of the entries.

    Without ``product``, the id fields of each entry tell the product.
    """
    objects = [entry for entry in raw if isinstance(entry, dict)]
    common = product or _common_product(objects)
    drafts = _mixed_drafts(objects) if common is None else _drafts_of(objects, common)
    reports = frozen_reports(filter(None, drafts))
    if len(reports) == len(raw):
        return reports, ()
    return _completed(raw, drafts, product)


def read_report_rows(rows: Iterable[Row], product: Product) -> tuple[Report, ...] | None:
    """Read entries that came as rows; None if an entry must be read from its object."""
    drafts = _drafts(rows, product)
    return frozen_reports(cast("list[ReportDraft]", drafts)) if all(drafts) else None


def _common_product(objects: Sequence[dict[str, Any]]) -> Product | None:
    """Tell the product if each entry has a message id of it, and no id of a product that counts more."""
    for product, layout in REPORT_LAYOUTS.items():
        with suppress(KeyError):
            if None not in map(itemgetter(layout.key), objects) and not any(
                name in entry for name in layout.foreign for entry in objects
            ):
                return product
    return None


def _drafts_of(objects: Sequence[dict[str, Any]], product: Product) -> list[ReportDraft | None]:
    """Fill a report for each entry, as :func:`_drafts`."""
    values = itemgetter(*REPORT_LAYOUTS[product].names)
    with suppress(KeyError):
        return _drafts(map(values, objects), product)
    return _drafts(_completed_rows(objects, product), product)


def _completed_rows(objects: Sequence[dict[str, Any]], product: Product) -> Iterable[Row]:
    """Take the values of the fields from entries that lack some of the fields: some writers leave out what is null."""
    names = REPORT_LAYOUTS[product].names
    first, number = objects[0].keys(), len(objects)
    if first <= set(names) and set(map(len, objects)) == {len(first)}:
        # Nearly always each entry lacks the same fields.
        with suppress(KeyError):
            columns = [
                list(map(itemgetter(name), objects)) if name in first else repeat(None, number)
                for name in names
            ]
            return zip(*columns, strict=True)
    # To add the fields is faster than to ask for each of them.
    blank, values = dict.fromkeys(names), itemgetter(*names)
    return [values(blank | entry) for entry in objects]


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


def _drafts(rows: Iterable[Row], product: Product) -> list[ReportDraft | None]:
    """Fill a report for each row; None for a row with an unreadable value, or without a message id."""
    drafts: list[ReportDraft | None] = []
    # By texts only, because 4, 4.0 and True can be equal keys. A value that is no key raises TypeError: unreadable.
    states: dict[object, tuple[CallState, str]] = {}
    keys: dict[object, str | None] = {}
    add, time_of = drafts.append, datetime.fromisoformat
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
        try:
            if (found := states.get(raw_state)) is None:
                found = as_state(raw_state), as_word(raw_state)
                if type(raw_state) is str:
                    states[raw_state] = found
            state, word = found
            key_pressed = None
            if key is not None and (key_pressed := keys.get(key)) is None:
                key_pressed = as_optional_word(key)
                if type(key) is str:
                    keys[key] = key_pressed
            draft = ReportDraft(
                product,
                app_id if type(app_id) is str else as_text(app_id),
                message_id
                if type(message_id) is str
                else str(message_id)
                if type(message_id) is int
                else as_text(message_id),
                custom_id if type(custom_id) is str else as_text(custom_id),
                mobile if type(mobile) is str else str(mobile) if type(mobile) is int else as_text(mobile),
                state,
                word,
                description if type(description) is str else as_text(description),
                None
                if called_at is None
                # Adding is much faster than datetime.replace; a time with an offset raises TypeError.
                else _BEIJING_EPOCH + (time_of(called_at) - _EPOCH)
                if type(called_at) is str and len(called_at) == _USUAL_TIME and "2000" <= called_at < "2099"
                else as_time(called_at),
                None
                if duration is None
                else duration
                if type(duration) is float and isfinite(duration)
                else as_seconds(duration),
                key_pressed,
                None
                if recording is None or (not recording and type(recording) in _TEXTS)
                else as_recording(recording),
            )
        except UNREADABLE:
            draft = None
        add(draft if message_id else None)
    return drafts


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
