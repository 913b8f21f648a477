"""Counts of the numbers of an input of any length, in little memory."""

import sqlite3
import threading
from collections.abc import Iterable

from emay_voice_async.errors import JournalError

__all__ = ["OccurrenceCounter"]


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
                self._db.execute("BEGIN")
                counts = [self._count(int(mobile), custom_id) for mobile, custom_id in pairs]
                self._db.execute("COMMIT")
            except sqlite3.Error as error:
                raise JournalError(f"the numbers cannot be kept in a temporary file ({error})") from error
        return counts

    def _count(self, mobile: int, custom_id: str) -> int:
        pair = mobile, custom_id
        if self._db.execute("INSERT OR IGNORE INTO occurrences VALUES (?, ?, 1)", pair).rowcount:
            return 0
        where = "WHERE mobile = ? AND custom_id = ?"
        [times] = self._db.execute(f"SELECT times FROM occurrences {where}", pair).fetchone()  # noqa: S608 - no value
        self._db.execute(f"UPDATE occurrences SET times = times + 1 {where}", pair)  # noqa: S608
        return int(times)

    def close(self) -> None:
        """Delete all counts, after a count that is still running in another thread."""
        with self._lock:
            self._db.close()
