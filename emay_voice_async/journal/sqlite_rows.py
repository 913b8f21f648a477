"""Statements over many rows, in few steps.

For each step SQLite releases the lock of the interpreter, and beside a busy event loop a thread can wait 5 ms for the
lock. Therefore many rows of values go into one statement, and many rows of a result come back as one JSON text.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Any, Final

__all__ = ["RowsStatement", "as_bytes", "rows_of"]

AT_ONCE: Final = 512
"""Rows of a statement; a power of two."""


class RowsStatement:
    """A statement over a table ``rows`` with the given columns, whose rows are passed at each execution.

    The first column of a row must not be null: ``rows`` may end with rows of nulls, so that the text of the statement
    has few sizes, and SQLite compiles few statements.
    """

    def __init__(self, columns: str, statement: str) -> None:
        self._width = columns.count(",") + 1
        self._row = f"({', '.join('?' * self._width)})"
        self._columns = columns
        self._statement = statement
        self._texts: dict[int, str] = {}

    def write(self, db: sqlite3.Connection, rows: Iterable[Sequence[object]], *values: object) -> None:
        """Execute the statement, with ``values`` for its own parameters.

        Without rows as well, so that a file that cannot be written is refused.
        """
        parts = self._parts(db, rows, len(values))
        self._execute(db, next(parts, ()), values)
        for part in parts:
            self._execute(db, part, values)

    def read(self, db: sqlite3.Connection, rows: Iterable[Sequence[object]]) -> Iterator[list[Any]]:
        """Execute a selection of a single value, a JSON array of arrays; yield these."""
        for part in self._parts(db, rows, 0):
            [[text]] = self._execute(db, part, ())
            yield from rows_of(text)

    def _parts(
        self, db: sqlite3.Connection, rows: Iterable[Sequence[object]], others: int
    ) -> Iterator[list[Sequence[object]]]:
        # SQLite before 3.32 takes 999 values.
        room = (db.getlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER) - others) // self._width
        most = min(AT_ONCE, 1 << (room.bit_length() - 1))
        left = iter(rows)
        while part := list(islice(left, most)):
            yield part

    def _execute(
        self, db: sqlite3.Connection, part: Sequence[Sequence[object]], values: Sequence[object]
    ) -> sqlite3.Cursor:
        size = 1 << max(len(part) - 1, 0).bit_length()
        nulls = [None] * (self._width * (size - len(part)))
        return db.execute(self._text(size), [*chain.from_iterable(part), *nulls, *values])

    def _text(self, size: int) -> str:
        text = self._texts.get(size)
        if text is None:
            rows = ", ".join([self._row] * size)
            text = self._texts[size] = f"WITH rows ({self._columns}) AS (VALUES {rows}) {self._statement}"
        return text


def rows_of(text: str) -> list[list[Any]]:
    """Return the rows of a result: a JSON array of arrays."""
    found: list[list[Any]] = json.loads(text)
    return found


def as_bytes(text: str) -> bytes:
    """Return the bytes of a text that may contain lone surrogates, which ``sqlite3`` refuses in a str."""
    return text.encode("utf-8", "surrogatepass")
