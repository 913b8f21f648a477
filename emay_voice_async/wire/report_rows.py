"""The rows of a page of reports: for each entry, the values of the table's fields."""

from collections.abc import Iterable, Iterator, Sequence
from operator import itemgetter
from typing import Any, Final

from emay_voice_async.model.endpoints import JOIN_REPORTS, VOICE_REPORTS, Endpoint, Product
from emay_voice_async.wire.fields import REPORT_FIELDS, as_recording
from emay_voice_async.wire.json_reader import Layout

__all__ = [
    "PUSH_LAYOUTS",
    "REPORT_LAYOUTS",
    "Row",
    "any_rows",
    "is_uniform",
    "rows_of_products",
    "usual_rows",
]

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
_NAMES: Final = tuple(dict.fromkeys(name for layout in REPORT_LAYOUTS.values() for name in layout.names))
PUSH_LAYOUTS: Final[Sequence[tuple[Product | None, Layout]]] = (
    *REPORT_LAYOUTS.items(),
    (
        None,
        Layout(
            _NAMES,
            binary=REPORT_LAYOUTS[Product.VOICE].binary,
            marks=tuple([layout.key.encode() for layout in REPORT_LAYOUTS.values()]),
        ),
    ),
)
"""The layouts of the entries of a push, which can be of one product or (None) of both."""

_VOICE_ID, _CUSTOM_VOICE_ID = (_NAMES.index(name) for name in REPORT_LAYOUTS[Product.JOIN].foreign)
_VOICE_FIELDS: Final = len(REPORT_LAYOUTS[Product.VOICE].names)
"""The fields of a voice report are the first ones of a row of both products."""
_JOIN_VALUES: Final = itemgetter(*map(_NAMES.index, REPORT_LAYOUTS[Product.JOIN].names))


def is_uniform(objects: Sequence[dict[str, Any]], layout: Layout) -> bool:
    """Tell whether the first entry has fields of the layout only, and the others have as many fields.

    If the others have the fields of the first entry, they have no other field then.
    """
    first = objects[0]
    return first.keys() <= set(layout.names) and set(map(len, objects)) == {len(first)}


def usual_rows(objects: Sequence[dict[str, Any]], layout: Layout, *, uniform: bool) -> Iterable[Row]:
    """Take the values of the fields; raise :class:`KeyError`, perhaps while iterated, unless all entries are alike.

    ``uniform`` is the result of :func:`is_uniform`. Some writers leave out what is null, nearly always in each entry
    alike.
    """
    app_id, message_id, custom_id, mobile, state, description, called_at, duration, key, recording = (
        layout.names
    )
    first = objects[0]
    timed, lasted, keyed, recorded = (name in first for name in layout.names[-4:])
    if timed and lasted and keyed and recorded:
        return map(itemgetter(*layout.names), objects)
    if not uniform:
        raise KeyError
    return (
        (
            entry[app_id],
            entry[message_id],
            entry[custom_id],
            entry[mobile],
            entry[state],
            entry[description],
            entry[called_at] if timed else None,
            entry[duration] if lasted else None,
            entry[key] if keyed else None,
            entry[recording] if recorded else None,
        )
        for entry in objects
    )


def any_rows(objects: Sequence[dict[str, Any]], layout: Layout) -> Iterable[Row]:
    """Take the values of the fields, None for a missing field."""
    app_id, message_id, custom_id, mobile, state, description, called_at, duration, key, recording = (
        layout.names
    )
    return (
        (
            entry.get(app_id),
            entry.get(message_id),
            entry.get(custom_id),
            entry.get(mobile),
            entry.get(state),
            entry.get(description),
            entry.get(called_at),
            entry.get(duration),
            entry.get(key),
            entry.get(recording),
        )
        for entry in objects
    )


def rows_of_products(rows: Iterable[Row], products: list[Product]) -> Iterator[Row]:
    """Take the values of each product from rows with the fields of both products, and add the products to the list.

    Without any id it is JOIN.
    """
    for row in rows:
        if row[_VOICE_ID] is None and row[_CUSTOM_VOICE_ID] is None:
            products.append(Product.JOIN)
            yield _JOIN_VALUES(row)
        else:
            products.append(Product.VOICE)
            yield row[:_VOICE_FIELDS]
