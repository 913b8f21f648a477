"""Which failures of a database may pass: only these are retried."""

import ssl
from collections.abc import Iterator
from typing import Final

from sqlalchemy.exc import DBAPIError, NotSupportedError, SQLAlchemyError

__all__ = ["may_pass"]

_SQLSTATES: Final = ("0A", "0P", "22", "25006", "28", "3D", "42501", "42601", "42703", "42P01")
"""Beginnings of permanent codes: unsupported, role, data, read-only, login, database, permission, syntax, table."""
_MYSQL: Final = frozenset(
    {1044, 1045, 1049, 1054, 1064, 1142, 1146, 1227, 1251, 1290, 1698, 1836, 2026, 2059}
)
"""Permanent codes: login, database, permission, syntax, table, read-only, TLS."""
_SQLITE: Final = frozenset({3, 8, 13, 14, 23, 26})
"""Permanent codes: permission, read-only, full, cannot open, authorization, no database."""
_PERMANENT: Final = (
    ssl.SSLCertVerificationError,
    FileNotFoundError,
    PermissionError,
    ImportError,
    NotSupportedError,
)


def may_pass(error: Exception, attempt: int) -> bool:
    """Tell whether to try again after the failure of an attempt, counted from 1.

    A lost connection, a deadlock, a lock timeout and a server that does not respond may pass. A wrong password, an
    unknown database, a bad certificate, a missing table and a read-only replica are permanent. Exceptions that are no
    failures of a database, such as a wrong parameter in the URL, are tried once more: some drivers raise them when a
    connection is cut.
    """
    chain = list(_chain(error))
    if any(isinstance(one, _PERMANENT) or _has_permanent_code(one) for one in chain):
        return False
    if any(_is_refused_tls(one) for one in chain):
        return False
    if any(isinstance(one, DBAPIError | OSError | EOFError) or _sqlstate(one) for one in chain):
        return not (isinstance(error, SQLAlchemyError) and "no such table" in str(error))
    return attempt == 1


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        if isinstance(error, DBAPIError) and isinstance(error.orig, BaseException):
            yield error.orig
        error = error.__cause__


def _sqlstate(error: BaseException) -> str:
    return str(getattr(error, "sqlstate", None) or getattr(error, "pgcode", None) or "")


def _has_permanent_code(error: BaseException) -> bool:
    if _sqlstate(error).startswith(_SQLSTATES):
        return True
    code = getattr(error, "sqlite_errorcode", None)
    if isinstance(code, int):
        return code & 0xFF in _SQLITE
    is_mysql = type(error).__module__.startswith(("pymysql", "asyncmy"))
    return is_mysql and bool(error.args) and error.args[0] in _MYSQL


def _is_refused_tls(error: BaseException) -> bool:
    is_bad_handshake = isinstance(error, ssl.SSLError) and not isinstance(
        error, ssl.SSLEOFError | ssl.SSLZeroReturnError
    )
    return is_bad_handshake or "rejected SSL upgrade" in str(error)
