"""Counts of the numbers of an input of any length, in little memory."""

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import chain
from typing import Final, TypeVar

from emay_voice_async.errors import JournalError

__all__ = ["OccurrenceCounter"]

_Pair = tuple[int, str]
_Row = TypeVar("_Row")
_AT_ONCE: Final = 250
"""Rows of a statement; SQLite before 3.32 takes 999 values."""


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
        # A few long statements: SQLite releases the lock of the interpreter for each step, and beside a busy event loop
        # a thread can wait 5 ms for the lock.
        times: dict[_Pair, int] = {}
        for part in _parts(pairs):
            found = self._db.execute(_found(len(part)), list(chain.from_iterable(part)))
            times |= {(mobile, custom_id): count for mobile, custom_id, count in found}
        counts = []
        for pair in pairs:
            count = times.get(pair, 0)
            counts.append(count)
            times[pair] = count + 1
        self._db.execute("BEGIN")
        for rows in _parts([(*pair, count) for pair, count in times.items()]):
            self._db.execute(_kept(len(rows)), list(chain.from_iterable(rows)))
        self._db.execute("COMMIT")
        return counts

    def close(self) -> None:
        """Delete all counts, after a count that is still running in another thread."""
        with self._lock:
            self._db.close()


def _parts(rows: Sequence[_Row]) -> Iterator[Sequence[_Row]]:
    return (rows[start : start + _AT_ONCE] for start in range(0, len(rows), _AT_ONCE))


@cache
def _found(number: int) -> str:
    values = ", ".join(["(?, ?)"] * number)
    return (
        f"SELECT mobile, custom_id, times FROM (VALUES {values}) CROSS JOIN occurrences"  # noqa: S608 - no value
        " ON mobile = column1 AND custom_id = column2"
    )


@cache
def _kept(number: int) -> str:
    return f"INSERT OR REPLACE INTO occurrences VALUES {', '.join(['(?, ?, ?)'] * number)}"  # noqa: S608
