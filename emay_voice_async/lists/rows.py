"""What people's files say: lines of text to entries, from three formats.

A row that nobody can be called by is an entry with a problem. Only what spoils the whole file, such
as a column that is not there, is raised.
"""

import csv
import json
import re
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any, Final

from attrs import frozen

from emay_voice_async.errors import InvalidRequestError
from emay_voice_async.lists.columns import Column, place_of
from emay_voice_async.model.numbers import normalised, plain
from emay_voice_async.model.recipients import Recipient, check_recipient

__all__ = ["MAX_LINE", "Entry", "csv_entries", "jsonl_entries", "too_long", "txt_entries"]

MAX_LINE: Final = 65_536
"""Characters of a line, and of a CSV row with all the lines that its quoted fields go over."""

_DELIMITERS: Final = ",;\t"
# Numbers stay the text that they are: 13800000000.0 loses nothing, and none is too long to read.
_JSON: Final = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=str)


@frozen
class Entry:
    """One row of a list: where it stands, whom it names, and what is wrong with it.

    ``line`` is the row's first line, counted from 1. ``problem`` is None exactly when ``recipient``
    can be sent to; it names the field, the rule and the length found, and shows no number.
    """

    line: int
    recipient: Recipient
    problem: InvalidRequestError | None = None


def txt_entries(lines: Iterable[str]) -> Iterator[Entry]:
    """Read one number a line; blank lines and those that begin with # are passed over."""
    for number, line in enumerate(lines, 1):
        entry = _entry(number, line)
        if entry.problem is None or plain(line)[:1] not in ("", "#"):
            yield entry


def csv_entries(
    lines: Iterable[str], column: Column | None = None, custom_id_column: Column | None = None
) -> Iterator[Entry]:
    """Read rows under a header; the delimiter is the one of , ; and tab that the header has most.

    Without ``column``, one column must have a usual name. A first row with a mobile number in the
    column that is asked for by its place is no header. Rows without any text are passed over.
    """
    rows = _csv_rows(iter(lines))
    first = next(rows, None)
    if first is None:
        return
    line, _, header = first
    if isinstance(header, InvalidRequestError):
        found = f"{header.actual}, from line {line} on"
        raise InvalidRequestError("file", "must begin with a header in CSV", None, found)
    place = place_of(header, column, "column")
    id_place = None if custom_id_column is None else place_of(header, custom_id_column, "custom_id_column")
    if isinstance(column, int) and _entry(line, header[place]).problem is None:
        rows = chain([first], rows)
    for begun, ended, cells in rows:
        if isinstance(cells, InvalidRequestError):
            entry = _bad(begun, cells)
        elif any(map(str.strip, cells)):
            entry = _csv_entry(begun, cells, len(header), place, id_place)
        else:
            continue
        yield entry if begun == ended or entry.problem is None else _spread(entry, entry.problem, ended)


def jsonl_entries(
    lines: Iterable[str], column: str | None = None, custom_id_column: str | None = None
) -> Iterator[Entry]:
    """Read one JSON value a line: an object with the number in a field, or the number by itself.

    The first object decides which field that is: ``column``, or the one that has a usual name.
    """
    names: tuple[str, str | None] | None = None
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            value = _JSON.decode(line)
        except (ValueError, RecursionError) as error:
            place = getattr(error, "pos", 0)
            yield _bad(number, InvalidRequestError("row", "must be JSON", None, f"an error in place {place}"))
        else:
            if isinstance(value, dict):
                names = names or _names(list(value), column, custom_id_column)
                yield _json_entry(number, value, *names)
            else:
                yield _json_entry(number, {None: value}, None, custom_id_column)


def too_long(what: str, line: int) -> InvalidRequestError:
    """Make the error of a line or row that does not end within reason."""
    rule = f"must have {what}s of at most {MAX_LINE} characters"
    return InvalidRequestError("file", rule, MAX_LINE, f"a longer one from line {line} on")


def _entry(line: int, mobile: str, custom_id: str | None = None) -> Entry:
    one = Recipient(normalised(mobile), custom_id)
    try:
        check_recipient(one)
    except InvalidRequestError as error:
        # Whoever keeps the problem should not keep the frames that it came through.
        return Entry(line, one, error.with_traceback(None))
    return Entry(line, one)


def _bad(line: int, problem: InvalidRequestError) -> Entry:
    """Make the entry of a row that names nobody; its recipient is refused wherever it goes."""
    return Entry(line, Recipient(""), problem.with_traceback(None))


def _spread(entry: Entry, problem: InvalidRequestError, ended: int) -> Entry:
    """Tell how far a bad row goes: a stray quote takes the rows behind it with it."""
    found = f"{problem.actual}, in lines {entry.line} to {ended}"
    spread = InvalidRequestError(problem.field, problem.rule, problem.limit, found)
    return Entry(entry.line, entry.recipient, spread)


def _csv_rows(lines: Iterator[str]) -> Iterator[tuple[int, int, list[str] | InvalidRequestError]]:
    """Yield each row with its first and its last line, from the first line on that is not blank."""
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

    # Strict, as a reader that forgives stray quotes swallows rows without a word.
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


def _csv_entry(line: int, cells: list[str], width: int, place: int, id_place: int | None) -> Entry:
    needed = place if id_place is None else max(place, id_place)
    # A comma too many moves the cells behind it, and another number into the column.
    if len(cells) <= needed or any(map(str.strip, cells[width:])):
        rule = "must have the columns of the header"
        return _bad(line, InvalidRequestError("row", rule, width, f"{len(cells)} columns"))
    return _entry(line, cells[place], None if id_place is None else cells[id_place])


def _names(fields: list[str], column: str | None, custom_id_column: str | None) -> tuple[str, str | None]:
    name = fields[place_of(fields, column, "column")]
    if custom_id_column is None:
        return name, None
    return name, fields[place_of(fields, custom_id_column, "custom_id_column")]


def _json_entry(line: int, row: dict[Any, Any], name: str | None, id_name: str | None) -> Entry:
    try:
        mobile = _json_text(row, name, "mobile")
        custom_id = None if id_name is None else _json_text(row, id_name, "custom_id")
    except InvalidRequestError as error:
        return _bad(line, error)
    return _entry(line, mobile, custom_id)


def _json_text(row: dict[Any, Any], name: str | None, what: str) -> str:
    if name not in row:
        raise InvalidRequestError(what, "must be a field of every row")
    value = row[name]
    if not isinstance(value, str):
        raise InvalidRequestError(what, "must be a text or a number", None, type(value).__name__)
    return value
