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

from attrs import frozen

from emay_voice_async.errors import InvalidRequestError
from emay_voice_async.lists.columns import Column, index_of, is_header_cell, looks_like_number
from emay_voice_async.model.numbers import DIGITS, MOBILE, normalised, plain
from emay_voice_async.model.recipients import Recipient, check_recipient

__all__ = ["MAX_LINE", "Entry", "csv_entries", "jsonl_entries", "too_long", "txt_entries"]

MAX_LINE: Final = 65_536
"""Characters of a line, and of a CSV row with all lines of quoted fields."""

_DELIMITERS: Final = ",;\t"
_LONGEST_CELL: Final = 1000
_SIGNS: Final = re.compile(r"[,;:/|&\\\n\r、，；：／｜＆。或和及与]+|或者|\bor\b|\band\b", re.IGNORECASE)
_SIGNS_AND_BLANKS: Final = re.compile(rf"(?:{_SIGNS.pattern}|\s)+", re.IGNORECASE)
_GAPS: Final = re.compile(r"[\s.()-]")
_MOBILES: Final = re.compile(r"(?:1[3-9][0-9]{9}){2,}")
# Numbers stay text: 13800000000.0 loses no digit, and no number is too long.
_JSON: Final = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=str)


@frozen
class Entry:
    """A row of a list: the line, the recipient, and the problem, if any.

    ``line`` is the first line of the row, counted from 1. ``problem`` is None exactly when
    ``recipient`` can be sent to; it names the field, the rule and the length found, never the number.
    """

    line: int
    recipient: Recipient
    problem: InvalidRequestError | None = None


def txt_entries(lines: Iterable[str]) -> Iterator[Entry]:
    """Read a number per line; blank lines and lines that begin with # are skipped."""
    for number, line in enumerate(lines, 1):
        entry = _entry(number, line)
        if entry.problem is None or plain(line)[:1] not in ("", "#"):
            yield entry


def csv_entries(
    lines: Iterable[str], column: Column | None = None, custom_id_column: Column | None = None
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
    place = index_of(header, column, "column")
    id_place = None if custom_id_column is None else index_of(header, custom_id_column, "custom_id_column")
    if isinstance(column, int) and not _is_header(header, place):
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
    """Read a JSON value per line: an object with the number in a field, or the number alone.

    The first object decides about the field: ``column``, or the field with a usual name.
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
    """Make the error of a line or row beyond the limit."""
    rule = f"must have {what}s of at most {MAX_LINE} characters"
    return InvalidRequestError("file", rule, MAX_LINE, f"a longer one from line {line} on")


def _entry(line: int, mobile: str, custom_id: str | None = None) -> Entry:
    recipient = Recipient(normalised(mobile), custom_id)
    try:
        check_recipient(recipient)
    except InvalidRequestError as error:
        problem = error
        if error.field == "mobile" and (count := _count_numbers(mobile)) > 1:
            rule = "must be one number; give each number a row of its own"
            problem = InvalidRequestError("mobile", rule, None, f"{count} numbers")
        # Without the traceback, which would keep the frames alive.
        return Entry(line, recipient, problem.with_traceback(None))
    return Entry(line, recipient)


def _is_header(cells: list[str], place: int) -> bool:
    return is_header_cell(cells[place]) and not any(MOBILE.fullmatch(normalised(cell)) for cell in cells)


def _count_numbers(text: str) -> int:
    """Count the numbers in a cell, with signs, blanks or no characters between them; 0 if unknown."""
    if len(text) > _LONGEST_CELL:
        return 0
    text = plain(text)
    for separators in (_SIGNS, _SIGNS_AND_BLANKS):
        parts = [part for part in separators.split(text) if part]
        if len(parts) > 1 and all(map(looks_like_number, parts)):
            return len(parts)
    digits = _GAPS.sub("", text)
    return len(digits) // DIGITS if _MOBILES.fullmatch(digits) else 0


def _bad(line: int, problem: InvalidRequestError) -> Entry:
    """Make the entry of a row without a recipient; an empty recipient is refused by every check."""
    return Entry(line, Recipient(""), problem.with_traceback(None))


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


def _csv_entry(line: int, cells: list[str], width: int, place: int, id_place: int | None) -> Entry:
    needed = place if id_place is None else max(place, id_place)
    # A comma too many shifts the cells, and moves another number into the column.
    if len(cells) <= needed or any(map(str.strip, cells[width:])):
        rule = "must have the columns of the header"
        return _bad(line, InvalidRequestError("row", rule, width, f"{len(cells)} columns"))
    return _entry(line, cells[place], None if id_place is None else cells[id_place])


def _names(fields: list[str], column: str | None, custom_id_column: str | None) -> tuple[str, str | None]:
    name = fields[index_of(fields, column, "column")]
    if custom_id_column is None:
        return name, None
    return name, fields[index_of(fields, custom_id_column, "custom_id_column")]


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
