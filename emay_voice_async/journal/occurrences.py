"""Counts of the numbers of an input of any length, in little memory."""

import sqlite3
import threading
from collections.abc import Iterable, Sequence
from typing import Final

from emay_voice_async.errors import JournalError
from emay_voice_async.journal.sqlite_rows import RowsStatement

__all__ = ["OccurrenceCounter"]

_Pair = tuple[int, str]
_FOUND: Final = RowsStatement(
    "place, mobile, custom_id",
    "SELECT json_group_array(json_array(place, times)) FROM rows CROSS JOIN occurrences USING (mobile, custom_id)",
)
_KEPT: Final = RowsStatement(
    "mobile, custom_id, times",
    "INSERT OR REPLACE INTO occurrences SELECT mobile, custom_id, times FROM rows WHERE mobile IS NOT NULL",
)


class OccurrenceCounter:
    """Counts numbers, each together with the caller's own id or "". Methods block: call them off the event loop.

    Beyond about two megabytes the numbers go to a temporary file. No other program can open the file, which is deleted
    by closing.
    """

    def __init__(self) -> None:
        # A database without a name is SQLite's temporary database.
        self._db = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._lock = threading.Lock()
        self._db.execute("PRAGMA journal_mode = OFF")
        self._db.execute("PRAGMA synchronous = OFF")
        self._db.execute(
            "CREATE TABLE occurrences (mobile INTEGER, custom_id TEXT, times INTEGER, PRIMARY KEY (mobile, custom_id))"
            " WITHOUT ROWID"
        )

    def count(self, pairs: Iterable[tuple[str, str]]) -> list[int]:
        """Count each pair of mobile number and custom id; return how often each pair came before.

        Raises :class:`JournalError` when the temporary file cannot grow.
        """
        with self._lock:
            try:
                return self._count([(int(mobile), custom_id) for mobile, custom_id in pairs])
            except sqlite3.Error as error:
                raise JournalError(f"the numbers cannot be kept in a temporary file ({error})") from error

    def _count(self, pairs: Sequence[_Pair]) -> list[int]:
        rows = ((place, *pair) for place, pair in enumerate(pairs))
        times = {pairs[place]: count for place, count in _FOUND.read(self._db, rows)}
        counts = []
        for pair in pairs:
            count = times.get(pair, 0)
            counts.append(count)
            times[pair] = count + 1
        self._db.execute("BEGIN")
        _KEPT.write(self._db, ((*pair, count) for pair, count in times.items()))
        self._db.execute("COMMIT")
        return counts

    def close(self) -> None:
        """Delete all counts, after a count that is still running in another thread."""
        with self._lock:
            self._db.close()
