"""Transactions on a journal in an SQLite file, and their transfer from the side file into the file itself."""

import sqlite3
import time
from typing import Final

__all__ = ["Transaction", "flush", "pragma"]

_PAUSE: Final = 0.005
"""Seconds between two attempts to copy commits."""


def pragma(db: sqlite3.Connection, name: str) -> int:
    """Return the value of a pragma that is a whole number."""
    [[value]] = db.execute(f"PRAGMA {name}")
    return int(value)


class Transaction:
    """A write transaction: committed whole or rolled back, with no other writer in the meantime.

    With ``write=False`` a read transaction: all reads see the same commits.
    """

    def __init__(self, db: sqlite3.Connection, *, write: bool = True) -> None:
        self._db = db
        self._begin = "BEGIN IMMEDIATE" if write else "BEGIN"

    def __enter__(self) -> None:
        self._db.execute(self._begin)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._db.execute("COMMIT")
        finally:
            # A commit that fails on a full disk may leave the transaction open.
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")


def flush(db: sqlite3.Connection, *, wait: bool = False) -> None:
    """Copy all commits from the side file into the file, so that the file alone has all data.

    The file is copied, backed up and mounted without its side files. The benchmark ``sqlite_modes`` compares the cost
    with the other ways.

    ``wait``: wait for programs that read or write, and raise :class:`sqlite3.OperationalError` if they do not end. Else
    the copy may be incomplete, and a later flush completes it.
    """
    end = time.monotonic() + pragma(db, "busy_timeout") / 1000
    while True:
        [(busy, _, _)] = db.execute(f"PRAGMA wal_checkpoint({'FULL' if wait else 'PASSIVE'})")
        if not (wait and busy):
            return
        if time.monotonic() >= end:
            raise sqlite3.OperationalError("database is locked")
        # SQLite does not wait while another process copies commits at the same time.
        time.sleep(_PAUSE)
