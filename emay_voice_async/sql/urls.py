"""The URL of a journal's database: checked at once, and shown without the password."""

import re
from pathlib import Path
from typing import Final

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError
from sqlalchemy.exc import InvalidRequestError as SynchronousDriverError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from emay_voice_async.errors import InvalidRequestError
from emay_voice_async.sql.dialects import DIALECTS

__all__ = ["checked_url", "database_file", "shown"]

_HOST: Final = re.compile(r"[A-Za-z0-9._:%-]*")
_DRIVERS: Final = {
    "postgresql": "postgresql+asyncpg",
    "mysql": "mysql+aiomysql",
    "mariadb": "mariadb+aiomysql",
    "sqlite": "sqlite+aiosqlite",
}
_ENCODE: Final = (
    "must be a URL or an AsyncEngine of SQLAlchemy; in a user name or password, percent-encode the characters"
    " : / @ ? # % (urllib.parse.quote_plus)"
)


def checked_url(database: object) -> URL:
    """Return the URL of a database that a journal can be in.

    Raises :class:`InvalidRequestError`, without any part of the password, for text that is no URL, another kind of
    database, or a driver that is missing or synchronous.
    """
    if isinstance(database, AsyncEngine):
        url = database.url
    else:
        url = _parsed(database)
        _check_driver(url)
    if url.get_backend_name() not in DIALECTS:
        raise InvalidRequestError(
            "database", f"must be one of {', '.join(DIALECTS)}", None, url.get_backend_name()
        )
    return url


def _parsed(database: object) -> URL:
    if not isinstance(database, str | URL):
        raise InvalidRequestError(
            "database", "must be a URL or an AsyncEngine of SQLAlchemy", None, type(database).__name__
        )
    try:
        url = make_url(database)
    except (ArgumentError, ValueError):
        raise InvalidRequestError("database", _ENCODE) from None
    has_more = isinstance(database, str) and url.username is not None and database.count("@") > 1
    if has_more or not _HOST.fullmatch(url.host or ""):
        # A password that contains an @ would end there; host or database would be the rest of the password.
        raise InvalidRequestError("database", _ENCODE)
    return url


def _check_driver(url: URL) -> None:
    kind = url.get_backend_name()
    if kind not in DIALECTS:
        return
    if "sslmode" in url.query and url.get_driver_name() == "asyncpg":
        raise InvalidRequestError(
            "database", "asyncpg has no sslmode: write ?ssl=require or ?ssl=verify-full"
        )
    try:
        # Loads the driver, and connects to no server.
        create_async_engine(url)
    except ModuleNotFoundError as error:
        raise InvalidRequestError(
            "database", f"the driver is not installed: pip install {error.name}"
        ) from None
    except (NoSuchModuleError, SynchronousDriverError):
        raise InvalidRequestError(
            "database", f"needs an asyncio driver, such as {_DRIVERS[kind]}", None, url.drivername
        ) from None


def shown(url: URL) -> str:
    """Return a URL without the password and without parameters, which may contain passwords."""
    return url.set(query={}).render_as_string(hide_password=True)


def database_file(url: URL) -> Path | None:
    """Return the file of an SQLite database; None: another database, in memory, or a path with parameters."""
    name = url.database
    if url.get_backend_name() != "sqlite" or not name or name == ":memory:" or name.startswith("file:"):
        return None
    return Path(name).absolute()
