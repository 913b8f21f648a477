"""How often each number came before in one input, for inputs of any length, in little memory."""

import sqlite3
import threading
from collections.abc import Iterable

from emay_voice_async.errors import JournalError

__all__ = ["Seen"]


class Seen:
    """Counts numbers, each with the caller's own id or "". It blocks: call it off the event loop.

    What does not fit into two megabytes or so goes to a temporary file, which no other program can see and
    which is gone when it is closed.
    """

    def __init__(self) -> None:
        # Without a name, SQLite's database is a temporary one.
        self._db = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._lock = threading.Lock()
        self._db.execute("PRAGMA journal_mode = OFF")
        self._db.execute("PRAGMA synchronous = OFF")
        self._db.execute(
            "CREATE TABLE seen (mobile INTEGER, custom_id TEXT, times INTEGER, PRIMARY KEY (mobile, custom_id))"
            " WITHOUT ROWID"
        )

    def count(self, pairs: Iterable[tuple[str, str]]) -> list[int]:
        """Count each pair of mobile number and custom id; return how often each came before.

        Raises :class:`JournalError` when there is no room for them.
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
        if self._db.execute("INSERT OR IGNORE INTO seen VALUES (?, ?, 1)", pair).rowcount:
            return 0
        where = "WHERE mobile = ? AND custom_id = ?"
        [times] = self._db.execute(f"SELECT times FROM seen {where}", pair).fetchone()  # noqa: S608 - no value
        self._db.execute(f"UPDATE seen SET times = times + 1 {where}", pair)  # noqa: S608
        return int(times)

    def close(self) -> None:
        """Forget everything, when a counting whose caller was cancelled is over."""
        with self._lock:
            self._db.close()
