"""Entries of a workbook's sheet: rows under a header, as in CSV."""

from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import Final, Protocol

from emay_voice_async.errors import InvalidRequestError
from emay_voice_async.lists.columns import Column, has_usual_name
from emay_voice_async.lists.entries import Entry, FieldChoice, RowColumns
from emay_voice_async.model.numbers import MOBILE, normalised

__all__ = ["NumberedRows", "sheet_entries"]

_MAX_HEADER: Final = 10
"""Rows in which a header is looked for, to name its place."""
_Row = tuple[int, list[str]]


class NumberedRows(Protocol):
    """Rows of texts with their numbers, from 1, and the merged cells as first and last (row, column), from 0."""

    @property
    def merged(self) -> Sequence[tuple[tuple[int, int], tuple[int, int]]]:
        """The merged cells."""
        ...

    def __iter__(self) -> Iterator[_Row]: ...


def sheet_entries(
    sheet: NumberedRows,
    column: Column | None = None,
    custom_id_column: Column | None = None,
    fields: FieldChoice = False,
) -> Iterator[Entry]:
    """Read the rows of a sheet under a header, which is the first row with a text; rows without text are skipped.

    ``column`` as in :func:`~emay_voice_async.lists.rows.csv_entries`. Text to the right of the header is no part of
    the list. Raises :class:`InvalidRequestError` for a title above the header, and for a header of two rows.
    """
    rows = ((line, cells) for line, cells in sheet if any(map(str.strip, cells)))
    head = list(islice(rows, _MAX_HEADER))
    if not head:
        return
    _check_header(sheet, head, column)
    width = max(len(cells) for _, cells in head)
    header = _padded(head[0][1], width)
    columns, is_header = RowColumns.of_first_row(header, column, custom_id_column, fields)
    for line, cells in chain(head[1:] if is_header else head, rows):
        yield columns.entry(line, _padded(cells, width))


def _padded(cells: list[str], width: int) -> list[str]:
    return [*cells[:width], *[""] * (width - len(cells))]


def _check_header(sheet: NumberedRows, head: Sequence[_Row], column: Column | None) -> None:
    line, header = head[0]
    for (top, _), (bottom, _) in sheet.merged:
        if top == line - 1 and bottom > top:
            raise _not_one_row(f"cells that are merged over rows {top + 1} to {bottom + 1}")
    if isinstance(column, int) or _names_column(header, column):
        if len(head) > 1 and _is_header(head[1][1]):
            raise _not_one_row(f"headers in row {line} and in row {head[1][0]}")
        return
    for below, cells in head[1:]:
        if _names_column(cells, column):
            raise _not_one_row(f"a title in row {line}, and a header in row {below}")


def _names_column(cells: Sequence[str], column: Column | None) -> bool:
    return column in cells if isinstance(column, str) else any(map(has_usual_name, cells))


def _is_header(cells: Sequence[str]) -> bool:
    """Tell whether a row names columns: a usual name, and no number."""
    return any(map(has_usual_name, cells)) and not any(MOBILE.fullmatch(normalised(cell)) for cell in cells)


def _not_one_row(found: str) -> InvalidRequestError:
    rule = "must have its header in one row, the first one: delete the rows above it, and unmerge its cells"
    return InvalidRequestError("file", rule, None, found)
