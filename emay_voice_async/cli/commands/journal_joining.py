"""The other columns of a list, joined to the calls of a journal; they wait on disk, so that the memory stays flat."""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

from attrs import frozen

from emay_voice_async.cli.terminal.exit_codes import CommandError
from emay_voice_async.cli.terminal.json_rows import CALL_FIELDS
from emay_voice_async.errors import InvalidRequestError
from emay_voice_async.journal.protocol import Line
from emay_voice_async.lists.columns import Column, index_of
from emay_voice_async.lists.reading import Entry, read_recipients

__all__ = ["JoinedList", "ListColumns"]

_PAGE = 1000


@frozen
class ListColumns:
    """How a list is read: the columns of numbers and ids, the sheet, the encoding."""

    column: Column | None = None
    custom_id_column: Column | None = None
    sheet: str | int | None = None
    encoding: str | None = None


class JoinedList:
    """The columns of a list by custom id, if the list has a column of ids, else by number.

    ``names`` are the columns without those of the number and the id; a name that an export has already gets " (list)"
    added. The first row of a number or id counts. Raises :class:`CommandError` for a list that cannot be read.
    """

    def __init__(self, path: Path, columns: ListColumns) -> None:
        self._by_id = columns.custom_id_column is not None
        # An empty name is a file of SQLite's own that is deleted when it is closed.
        self._db = sqlite3.connect("")
        self._db.execute("CREATE TABLE rows (key TEXT PRIMARY KEY, cells TEXT) WITHOUT ROWID")
        self._keys: tuple[str, ...] = ()
        try:
            self._read(path, columns)
        except (InvalidRequestError, OSError) as error:
            self.close()
            reason = error.strerror or error if isinstance(error, OSError) else error
            raise CommandError(f"{path}: {reason}") from None
        self.names: list[str] = list(map(_different, self._keys))

    def _read(self, path: Path, columns: ListColumns) -> None:
        entries = read_recipients(
            path,
            column=columns.column,
            custom_id_column=columns.custom_id_column,
            sheet=columns.sheet,
            encoding=columns.encoding,
            fields=True,
        )
        with self._db:
            self._db.executemany("INSERT OR IGNORE INTO rows VALUES (?, ?)", self._rows(entries, columns))

    def _rows(self, entries: Iterator[Entry], columns: ListColumns) -> Iterator[tuple[str, str]]:
        for entry in entries:
            recipient = entry.recipient
            if entry.problem is not None:
                continue
            if not self._keys:
                self._keys = _other_columns(list(recipient.fields), columns)
            key: str = (recipient.custom_id or "") if self._by_id else recipient.mobile
            yield key, json.dumps([recipient.fields.get(one, "") for one in self._keys])

    def cells(self, call: Line) -> Sequence[str]:
        """Return the cells of a call; empty texts if the list has no such row."""
        key = call.custom_id if self._by_id else call.mobile
        found = self._db.execute("SELECT cells FROM rows WHERE key = ?", (key,)).fetchone()
        cells: list[str] = [""] * len(self._keys) if found is None else json.loads(found[0])
        return cells

    def close(self) -> None:
        """Delete the rows."""
        self._db.close()


def _different(name: str) -> str:
    return f"{name} (list)" if name in CALL_FIELDS else name


def _other_columns(names: list[str], columns: ListColumns) -> tuple[str, ...]:
    used = {index_of(names, columns.column, "column")}
    if columns.custom_id_column is not None:
        used.add(index_of(names, columns.custom_id_column, "custom_id_column"))
    return tuple(name for place, name in enumerate(names) if place not in used)
