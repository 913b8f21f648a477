"""Connections to the file of a journal: created, migrated, checked, and read where writing is impossible.

All functions block.
"""

import os
import shutil
import sqlite3
import tempfile
import time
from pathlib import Path
from typing import Final

from emay_voice_async.errors import JournalError
from emay_voice_async.journal.files import check_owners, create_private, identity, side_file
from emay_voice_async.journal.sqlite_runs import IsLive, check_whole
from emay_voice_async.journal.sqlite_schema import APPLICATION_ID, MIGRATIONS, SCHEMA, VERSION
from emay_voice_async.journal.sqlite_transaction import Transaction, pragma

__all__ = ["EmptyFileError", "connect", "connect_to_read", "file_id"]

CACHE_KIB: Final = 8192
BUSY_TIMEOUT: Final = 30.0
"""Seconds that a write waits for the write of another process."""

_RETRY_PAUSE: Final = 0.01
_CANNOT_WRITE: Final = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)


class EmptyFileError(sqlite3.DatabaseError):
    """The file holds nothing yet, as after a process that was killed while it made a journal."""


def file_id(path: Path) -> str:
    """Return a text that identifies the file at ``path`` on this machine."""
    return repr(identity(path))


def connect(path: Path, *, create: bool, is_live: IsLive) -> sqlite3.Connection:
    """Open a journal to read and write, or create it.

    Raises :class:`sqlite3.Error`, :class:`OSError` or :class:`JournalError` if that fails, if other users could change
    the file, or if the file is not whole.
    """
    if create:
        create_private(path)
    else:
        _check_exists(path)
        check_owners(path)
    end = time.monotonic() + BUSY_TIMEOUT
    while True:
        try:
            return _opened(f"{path.as_uri()}?mode=rw", path, is_live, write=True, create=create)
        except sqlite3.OperationalError as error:
            # SQLite does not wait while another process creates the same database.
            if "locked" not in str(error) or time.monotonic() >= end:
                raise
        time.sleep(_RETRY_PAUSE)


def connect_to_read(path: Path, *, is_live: IsLive) -> sqlite3.Connection:
    """Open a journal to read.

    A read-only file, folder or medium is read without writing.
    """
    _check_exists(path)
    # SQLite keeps the side files beside the file that a link leads to.
    path = Path(os.path.realpath(path))
    try:
        return _opened(path.as_uri(), path, is_live)
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF not in _CANNOT_WRITE:
            raise
        if not os.access(path, os.R_OK, effective_ids=os.access in os.supports_effective_ids):
            raise PermissionError(None, "Permission denied") from error
    wal = side_file(path, "wal")
    if identity(wal) is None or not wal.stat().st_size:
        return _opened(f"{path.as_uri()}?immutable=1", path, is_live)
    # SQLite needs another side file to read this one.
    folder = Path(tempfile.mkdtemp(prefix="emay-voice-journal-"))
    try:
        for file in (path, wal):
            shutil.copyfile(file, folder / file.name)
        return _opened((folder / path.name).as_uri(), path, is_live)
    finally:
        # An open file stays readable.
        shutil.rmtree(folder, ignore_errors=True)


def _check_exists(path: Path) -> None:
    if not path.exists():
        raise JournalError("it does not exist")


def _opened(
    uri: str, path: Path, is_live: IsLive, *, write: bool = False, create: bool = False
) -> sqlite3.Connection:
    db = sqlite3.connect(uri, timeout=BUSY_TIMEOUT, isolation_level=None, check_same_thread=False, uri=True)
    db.text_factory = _text
    try:
        if create and not pragma(db, "schema_version"):
            _create_tables(db)
        _check_version(db, write=write)
        # A claim must be on the disk before the request leaves, to survive a power failure.
        db.execute("PRAGMA synchronous = FULL")
        db.execute(f"PRAGMA cache_size = {-CACHE_KIB}")
        check_whole(db, file_id(path), is_live, write=write)
    except BaseException:
        db.close()
        raise
    return db


def _text(stored: bytes) -> str:
    return stored.decode("utf-8", "surrogatepass")


def _create_tables(db: sqlite3.Connection) -> None:
    # Readers do not wait for writers.
    db.execute("PRAGMA journal_mode = WAL")
    with Transaction(db):
        if not pragma(db, "schema_version"):
            for statement in SCHEMA.split(";"):
                db.execute(statement)
            db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            db.execute(f"PRAGMA user_version = {VERSION}")


def _check_version(db: sqlite3.Connection, *, write: bool) -> None:
    if pragma(db, "application_id") != APPLICATION_ID:
        kind = sqlite3.DatabaseError if pragma(db, "schema_version") else EmptyFileError
        raise kind("it is not a journal")
    version = pragma(db, "user_version")
    if version != VERSION and version not in MIGRATIONS:
        raise sqlite3.DatabaseError(f"it has version {version}, and this package reads version {VERSION}")
    if write and version != VERSION:
        with Transaction(db):
            # Another process may have migrated the file in the meantime.
            for number in range(pragma(db, "user_version"), VERSION):
                for statement in MIGRATIONS[number].split(";"):
                    db.execute(statement)
            db.execute(f"PRAGMA user_version = {VERSION}")
