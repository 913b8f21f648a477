"""The program of the process that reads a workbook; ``reading_process`` starts the process and reads its lines.

The workbook is the standard input. Each line of the standard output is JSON: a word and its value.
"""

import json
import sys
from collections.abc import Iterable, Iterator
from typing import BinaryIO, Final

from emay_voice_async.errors import InvalidRequestError
from emay_voice_async.excel.reading import open_sheet

__all__ = ["END", "READY", "REFUSED", "ROWS", "SHEET", "line_of", "main", "write_rows"]

READY: Final = "ready"
"""The first line, before the workbook is read."""
SHEET: Final = "sheet"
"""The name of the sheet, and the merged cells."""
ROWS: Final = "rows"
"""Rows with their numbers."""
REFUSED: Final = "refused"
"""The arguments of an :class:`InvalidRequestError`; the last line."""
END: Final = "end"
"""The last line, after all rows."""
_AT_ONCE: Final = 500
"""Rows of one line."""
_SIZE: Final = 1 << 20
"""Characters from which on a line gets no more rows: the other process has the whole line in memory."""

_Row = tuple[int, list[str]]


def main() -> None:
    """Write the rows of the sheet that the last argument names in JSON."""
    _forbid_core_file()
    write_rows(sys.stdin.buffer, sys.stdout.buffer, json.loads(sys.argv[-1]))


def write_rows(source: BinaryIO, target: BinaryIO, sheet: str | int | None) -> None:
    """Read a workbook, and write the lines."""
    _write(target, READY)
    try:
        rows = open_sheet(source, sheet)
        _write(target, SHEET, [rows.name, rows.merged])
        for some in _parts(rows):
            _write(target, ROWS, some)
    except InvalidRequestError as error:
        _write(target, REFUSED, [error.field, error.rule, error.limit, error.actual])
    else:
        _write(target, END)


def line_of(word: str, value: object = None) -> bytes:
    """Return the line of a word and its value."""
    return json.dumps([word, value]).encode() + b"\n"


def _forbid_core_file() -> None:
    """Leave no core file behind, which would hold the numbers of the workbook."""
    try:
        import resource  # noqa: PLC0415 - not on Windows, which has no such files
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


def _parts(rows: Iterable[_Row]) -> Iterator[list[_Row]]:
    part: list[_Row] = []
    size = 0
    for row in rows:
        part.append(row)
        size += sum(map(len, row[1]))
        if len(part) == _AT_ONCE or size >= _SIZE:
            yield part
            part, size = [], 0
    if part:
        yield part


def _write(target: BinaryIO, word: str, value: object = None) -> None:
    target.write(line_of(word, value))
    target.flush()
