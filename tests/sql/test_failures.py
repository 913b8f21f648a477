"""Which failures of a database are retried, and which are raised at once."""

import asyncio
import sqlite3
import ssl
import stat
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url
from sqlalchemy.exc import DBAPIError, InterfaceError, NotSupportedError, OperationalError
from support.sql_places import URLS

from emay_voice_async.errors import JournalError
from emay_voice_async.sql import connections
from emay_voice_async.sql.failures import may_pass
from emay_voice_async.sql.journal import SqlJournal
from emay_voice_async.testing.journal.values import PURPOSE


class PgError(Exception):
    """An error of PostgreSQL with its code."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.sqlstate = code


class MySqlError(Exception):
    """An error of MySQL with its number."""


MySqlError.__module__ = "pymysql.err"


def wrapped(error: Exception) -> DBAPIError:
    """Wrap an error as SQLAlchemy does."""
    return OperationalError("SELECT", {}, error)


def sqlite_error(code: int) -> sqlite3.OperationalError:
    """Make an error of SQLite with its code."""
    error = sqlite3.OperationalError("...")
    error.sqlite_errorcode = code
    return error


def caused(error: Exception, cause: Exception) -> Exception:
    """Chain two errors."""
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    "error",
    [
        PgError("28P01"),
        PgError("28000"),
        PgError("3D000"),
        PgError("25006"),
        PgError("42501"),
        wrapped(PgError("42P01")),
        wrapped(MySqlError(1045, "Access denied")),
        wrapped(MySqlError(1049, "Unknown database")),
        wrapped(MySqlError(1290, "read-only")),
        wrapped(sqlite_error(sqlite3.SQLITE_CANTOPEN)),
        wrapped(sqlite_error(sqlite3.SQLITE_READONLY)),
        wrapped(sqlite_error(sqlite3.SQLITE_NOTADB)),
        ssl.SSLCertVerificationError("self-signed certificate"),
        ssl.SSLError("wrong version number"),
        caused(wrapped(MySqlError(2003, "Can't connect")), ssl.SSLCertVerificationError("expired")),
        ConnectionError('PostgreSQL server at "h:1" rejected SSL upgrade'),
        FileNotFoundError("root.crt"),
        PermissionError("client.key"),
        NotSupportedError("SELECT", {}, ValueError()),
    ],
)
def test_permanent(error: Exception) -> None:
    """A login, a name, a certificate, a permission or a file that is wrong stays wrong."""
    assert not may_pass(error, 1)


@pytest.mark.parametrize(
    "error",
    [
        PgError("40P01"),
        PgError("40001"),
        PgError("57P01"),
        PgError("53300"),
        wrapped(PgError("23505")),
        wrapped(MySqlError(1213, "Deadlock")),
        wrapped(MySqlError(1205, "Lock wait timeout")),
        wrapped(MySqlError(2013, "Lost connection")),
        wrapped(MySqlError(2003, "Can't connect")),
        wrapped(sqlite_error(sqlite3.SQLITE_BUSY)),
        InterfaceError("SELECT", {}, Exception("connection is closed")),
        ConnectionResetError(),
        ConnectionRefusedError(),
        ssl.SSLEOFError(),
        asyncio.IncompleteReadError(b"", 1),
        TimeoutError(),
    ],
)
def test_what_may_pass(error: Exception) -> None:
    """A deadlock, a lock timeout, a restart and a lost connection may pass at any attempt."""
    assert may_pass(error, 1)
    assert may_pass(error, 4)


@pytest.mark.parametrize(
    "error", [TypeError("unexpected keyword"), AttributeError(), RuntimeError(), LookupError()]
)
def test_other_exceptions_are_tried_once_more(error: Exception) -> None:
    """An exception that is no failure of a database is tried once more."""
    assert may_pass(error, 1)
    assert not may_pass(error, 2)


@pytest.fixture
def attempts(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Count the attempts of all journals."""
    found: list[Any] = []
    attempt = connections.Connections._attempt

    async def count(self: Any, *arguments: Any) -> Any:
        found.append(self)
        return await attempt(self, *arguments)

    monkeypatch.setattr(connections.Connections, "_attempt", count)
    return found


@pytest.mark.parametrize(
    ("kind", "change", "most"),
    [
        ("postgres", {"database": "no_such_database"}, 1),
        ("postgres", {"username": "no_such_user"}, 1),
        ("postgres", {"query": {"ssl": "require"}}, 1),
        ("postgres", {"query": {"no_such_parameter": "1"}}, 2),
        ("mysql", {"database": "no_such_database"}, 1),
        ("mysql", {"password": "wr0ng-password"}, 1),
        ("mysql", {"query": {"no_such_parameter": "1"}}, 2),
    ],
)
def test_wrong_settings_are_told_at_once(
    kind: str, change: dict[str, Any], most: int, attempts: list[Any]
) -> None:
    """A wrong name, password or parameter is raised after one attempt or two, without the password."""
    journal = SqlJournal(make_url(URLS[kind]()).set(**change), "spring", create=True)
    with pytest.raises(JournalError) as caught:
        asyncio.run(journal.start(PURPOSE))
    assert len(attempts) <= most
    assert "wr0ng-password" not in f"{caught.value} {caught.value.__cause__!r}"


@pytest.mark.parametrize(
    ("mode", "reason"),
    [(0o666, "other users can write to run.db"), (None, "it is a link to a file that does not exist")],
)
def test_a_file_that_is_refused(tmp_path: Path, mode: int | None, reason: str, attempts: list[Any]) -> None:
    """An SQLite database that others could change is refused at the first attempt."""
    path = tmp_path / "run.db"
    if mode is None:
        path.symlink_to("elsewhere.db")
    else:
        path.touch()
        path.chmod(mode)
    journal = SqlJournal(f"sqlite+aiosqlite:///{path}", "spring", create=True)
    with pytest.raises(JournalError, match=reason):
        asyncio.run(journal.start(PURPOSE))
    assert len(attempts) == 1


def test_a_new_file_is_private(tmp_path: Path) -> None:
    """A new SQLite database can be read by its owner only."""
    path = tmp_path / "run.db"

    async def main() -> None:
        journal = SqlJournal(f"sqlite+aiosqlite:///{path}", "spring", create=True)
        await (await journal.start(PURPOSE)).end()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600

    asyncio.run(main())
