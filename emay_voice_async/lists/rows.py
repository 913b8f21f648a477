"""Parse lines of text into entries, in three formats.

An unusable row becomes an entry with ``problem`` set. Only a fault of the whole file, such as a
missing column, is raised.
"""

import csv
import json
import re
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any, Final

from emay_voice_async.errors import InvalidRequestError
from emay_voice_async.lists.columns import Column, index_of
from emay_voice_async.lists.entries import Entry, FieldChoice, RowColumns, bad_entry, make_entry
from emay_voice_async.model.checks import field_named
from emay_voice_async.model.numbers import plain

__all__ = ["MAX_LINE", "csv_entries", "jsonl_entries", "too_long", "txt_entries"]

MAX_LINE: Final = 65_536
"""Characters of a line, and of a CSV row with all lines of quoted fields."""

_DELIMITERS: Final = ",;\t"
# Numbers stay text: 13800000000.0 loses no digit, and no number is too long.
_JSON: Final = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=str)


def txt_entries(lines: Iterable[str]) -> Iterator[Entry]:
    """Read a number per line; blank lines and lines that begin with # are skipped."""
    for number, line in enumerate(lines, 1):
        entry = make_entry(number, line)
        if entry.problem is None or plain(line)[:1] not in ("", "#"):
            yield entry


def csv_entries(
    lines: Iterable[str],
    column: Column | None = None,
    custom_id_column: Column | None = None,
    fields: FieldChoice = False,
) -> Iterator[Entry]:
    """Read rows under a header; the delimiter is the most frequent of , ; and tab in the header.

    Without ``column``, exactly one column must have a usual name. If ``column`` is a position, the
    first row is a header only if that cell names a column and no cell is a mobile number: a mistyped
    number in the first row is an entry with a problem. Rows without any text are skipped.
    """
    rows = _csv_rows(iter(lines))
    first = next(rows, None)
    if first is None:
        return
    line, _, header = first
    if isinstance(header, InvalidRequestError):
        found = f"{header.actual}, from line {line} on"
        raise InvalidRequestError("file", "must begin with a header in CSV", None, found)
    columns, is_header = RowColumns.of_first_row(header, column, custom_id_column, fields)
    if not is_header:
        rows = chain([first], rows)
    for begun, ended, cells in rows:
        if isinstance(cells, InvalidRequestError):
            entry = bad_entry(begun, cells)
        elif any(map(str.strip, cells)):
            entry = columns.entry(begun, cells)
        else:
            continue
        yield entry if begun == ended or entry.problem is None else _spread(entry, entry.problem, ended)


def jsonl_entries(
    lines: Iterable[str],
    column: str | None = None,
    custom_id_column: str | None = None,
    fields: FieldChoice = False,
) -> Iterator[Entry]:
    """Read a JSON value per line: an object with the number in a field, or the number alone.

    The first object decides about the field: ``column``, or the field with a usual name. Chosen ``fields`` must be
    texts or numbers in every row; of all fields, null is the empty text, and other values are JSON.
    """
    names: tuple[str, str | None] | None = None
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            value = _JSON.decode(line)
        except (ValueError, RecursionError) as error:
            place = getattr(error, "pos", 0)
            yield bad_entry(
                number, InvalidRequestError("row", "must be JSON", None, f"an error in place {place}")
            )
        else:
            if isinstance(value, dict):
                names = names or _names(list(value), column, custom_id_column)
                yield _json_entry(number, value, *names, fields)
            else:
                yield _json_entry(number, {None: value}, None, custom_id_column)


def too_long(what: str, line: int) -> InvalidRequestError:
    """Make the error of a line or row beyond the limit."""
    rule = f"must have {what}s of at most {MAX_LINE} characters"
    return InvalidRequestError("file", rule, MAX_LINE, f"a longer one from line {line} on")


def _spread(entry: Entry, problem: InvalidRequestError, ended: int) -> Entry:
    """Add the lines of a bad row: a stray quote swallows the rows after the quote."""
    found = f"{problem.actual}, in lines {entry.line} to {ended}"
    spread = InvalidRequestError(problem.field, problem.rule, problem.limit, found)
    return Entry(entry.line, entry.recipient, spread)


def _csv_rows(lines: Iterator[str]) -> Iterator[tuple[int, int, list[str] | InvalidRequestError]]:
    """Yield each row with the first and the last line, from the first line that is not blank."""
    before = 0
    for first in lines:
        if first.strip():
            break
        before += 1
    else:
        return
    begun, size = before + 1, 0

    def fed() -> Iterator[str]:
        nonlocal size
        for line in chain([first], lines):
            size += len(line)
            if size > MAX_LINE:
                raise too_long("row", begun)
            yield f"{line}\n"

    # Strict, as a lenient reader swallows rows silently after a stray quote.
    reader = csv.reader(fed(), delimiter=_delimiter(first), strict=True)
    cells: list[str] | InvalidRequestError | None
    while True:
        try:
            cells = next(reader, None)
        except csv.Error as error:
            cells = InvalidRequestError("row", "must be CSV", None, str(error))
        if cells is None:
            return
        ended = before + reader.line_num
        yield begun, ended, cells
        begun, size = ended + 1, 0


def _delimiter(line: str) -> str:
    unquoted = re.sub('"[^"]*"', "", line)
    return max(_DELIMITERS, key=unquoted.count)


def _names(fields: list[str], column: str | None, custom_id_column: str | None) -> tuple[str, str | None]:
    name = fields[index_of(fields, column, "column")]
    if custom_id_column is None:
        return name, None
    return name, fields[index_of(fields, custom_id_column, "custom_id_column")]


def _json_entry(
    line: int, row: dict[Any, Any], name: str | None, id_name: str | None, fields: FieldChoice = False
) -> Entry:
    try:
        mobile = _json_text(row, name, "mobile")
        custom_id = None if id_name is None else _json_text(row, id_name, "custom_id")
        chosen = _json_fields(row, fields) if fields else None
    except InvalidRequestError as error:
        return bad_entry(line, error)
    return make_entry(line, mobile, custom_id, chosen)


def _json_fields(row: dict[Any, Any], fields: FieldChoice) -> dict[str, str]:
    if not isinstance(fields, bool):
        return {name: _json_text(row, name, field_named(name)) for name in fields}
    return {name: "" if value is None else _as_text(value) for name, value in row.items()}


def _as_text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _json_text(row: dict[Any, Any], name: str | None, what: str) -> str:
    if name not in row:
        raise InvalidRequestError(what, "must be a field of every row")
    value = row[name]
    if not isinstance(value, str):
        raise InvalidRequestError(what, "must be a text or a number", None, type(value).__name__)
    return value
