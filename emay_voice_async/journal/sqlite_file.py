"""The file of a journal: creation, checks, connection and transactions. All functions block."""

import os
import sqlite3
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from emay_voice_async.journal.sqlite_schema import APPLICATION_ID, SCHEMA, VERSION

__all__ = ["Transaction", "connect", "identity"]

CACHE_KIB: Final = 8192
BUSY_TIMEOUT: Final = 30.0
"""Seconds that a write waits for the write of another process."""

_RETRY_PAUSE: Final = 0.01
_CREATING: Final = threading.Lock()


def connect(path: Path, *, create: bool) -> sqlite3.Connection:
    """Open a journal, or create it; raise :class:`sqlite3.Error` or :class:`OSError` if that fails."""
    if create:
        _create(os.path.realpath(path))
    elif not path.exists():
        raise sqlite3.OperationalError("it does not exist")
    end = time.monotonic() + BUSY_TIMEOUT
    while True:
        try:
            return _opened(path, create=create)
        except sqlite3.OperationalError as error:
            # SQLite does not wait while another process creates the same database.
            if "locked" not in str(error) or time.monotonic() >= end:
                raise
        time.sleep(_RETRY_PAUSE)


def _opened(path: Path, *, create: bool) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT, isolation_level=None, check_same_thread=False)
    connection.text_factory = _text
    try:
        _check_file(connection, create=create)
    except BaseException:
        connection.close()
        raise
    return connection


def _create(path: str) -> None:
    """Create the file if no file exists.

    An existing file is never opened and closed here: a process that closes a file by itself loses all of SQLite's
    locks on the file. The next process that closes the journal would then remove data that this process still writes.
    """
    # The file contains phone numbers; SQLite gives the side files the same mode.
    with _CREATING, suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))


def identity(path: Path) -> tuple[int, int] | None:
    """Return the device and inode of the file at ``path``; None: no file exists."""
    with suppress(OSError):
        found = path.stat()
        return found.st_dev, found.st_ino
    return None


def _text(stored: bytes) -> str:
    return stored.decode("utf-8", "surrogatepass")


def _check_file(db: sqlite3.Connection, *, create: bool) -> None:
    if create and not _pragma(db, "schema_version"):
        db.execute("PRAGMA journal_mode = WAL")
        with Transaction(db):
            if not _pragma(db, "schema_version"):
                for statement in SCHEMA.split(";"):
                    db.execute(statement)
                db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                db.execute(f"PRAGMA user_version = {VERSION}")
    if _pragma(db, "application_id") != APPLICATION_ID:
        raise sqlite3.DatabaseError("it is not a journal")
    if (version := _pragma(db, "user_version")) != VERSION:
        raise sqlite3.DatabaseError(f"it has version {version}, and this package reads version {VERSION}")
    # A claim must be on the disk before the request leaves, to survive a power failure.
    db.execute("PRAGMA synchronous = FULL")
    db.execute(f"PRAGMA cache_size = {-CACHE_KIB}")


def _pragma(db: sqlite3.Connection, name: str) -> int:
    [[value]] = db.execute(f"PRAGMA {name}")
    return int(value)


class Transaction:
    """A write transaction: committed whole or rolled back, with no other writer in the meantime."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def __enter__(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._db.execute("COMMIT")
        finally:
            # A commit that fails on a full disk may leave the transaction open.
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
