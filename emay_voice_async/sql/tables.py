"""The tables of a journal in an SQL database, and the selections from them, without I/O.

Foreign text is stored as ASCII, escaped as in JSON, and searched by a hash: a NUL or a lone surrogate is stored in
every database, and no collation treats two texts as equal. Instants are microseconds since 1970 by the clock of the
database.
"""

import hashlib
import json
from json.encoder import encode_basestring_ascii
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Dialect,
    FromClause,
    Index,
    Integer,
    MetaData,
    Select,
    String,
    Table,
    Text,
    TextClause,
    TypeDecorator,
    and_,
    case,
    func,
    literal_column,
    select,
)
from sqlalchemy.dialects.mysql import LONGTEXT
from sqlalchemy.types import TypeEngine

from emay_voice_async.journal.protocol import MAX_REASONS, State
from emay_voice_async.sql.dialects import DIALECTS, JournalDialect

__all__ = ["PLACES", "VERSION", "Tables", "digest", "escaped", "metadata"]

VERSION: Final = 1
"""The version of the tables: ``schema`` upgrades tables of an earlier version, and refuses tables of a later one."""
PLACES: Final = 1 << 20
"""More than the calls of a claim: the number of a claim times this, plus the place in the claim, orders all calls."""

_LONG: Final = Text().with_variant(LONGTEXT(), "mysql", "mariadb")
_ID: Final = BigInteger().with_variant(
    Integer(), "sqlite"
)  # SQLite numbers no other type of column by itself
_OPTIONS: Final = {"engine": "InnoDB", "charset": "utf8mb4", "collate": "utf8mb4_bin"}
_TABLE: Final[dict[str, Any]] = {
    f"{name}_{key}": value for name in ("mysql", "mariadb") for key, value in _OPTIONS.items()
}


def digest(*names: object) -> str:
    """Return 32 hex digits that differ for all other names."""
    return hashlib.blake2b(json.dumps(names).encode(), digest_size=16).hexdigest()


def escaped(text: str) -> str:
    """Return the inside of a JSON string: ASCII on a single line."""
    return encode_basestring_ascii(text)[1:-1]


class _Escaped(TypeDecorator[str]):
    """Any text, stored as the inside of a JSON string."""

    impl: TypeEngine[Any] = _LONG
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else escaped(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else str(json.loads(f'"{value}"'))


class _Word(_Escaped):
    """A text of at most 40 characters, which GROUP BY accepts."""

    impl: TypeEngine[Any] = String(12 * 40)
    cache_ok = True


def _literal(state: State) -> ColumnElement[str]:
    return literal_column(f"'{state.value}'", String)


class Tables:
    """The tables with names that begin with ``prefix``, in a kind of database.

    The columns that find a single call, ``key`` and ``number``, contain the campaign: a database without statistics
    on the sizes of campaigns would otherwise read a whole campaign instead of using the index.

    A row of ``calls`` belongs to the last claim of the call, and a row of ``claims`` has the outcome of the claim. A
    batch is therefore closed in one row, even when other claims have taken over some of its calls. ``tickets`` has
    the message ids of accepted claims, ``reports`` the last report of each call.
    """

    def __init__(self, prefix: str, dialect: JournalDialect) -> None:
        self.dialect = dialect
        self.now: ColumnElement[int] = dialect.now
        self.metadata: MetaData = MetaData()
        self.statements: dict[tuple[str, str | None], TextClause] = {}
        self.version: Table = self._table(f"{prefix}version", Column("number", Integer, primary_key=True))
        self.campaigns: Table = self._table(
            f"{prefix}campaigns",
            Column("id", _ID, primary_key=True),
            Column("digest", String(32), nullable=False, unique=True),
            Column("name", _Escaped, nullable=False),
            Column("app_id", _Escaped, nullable=False),
            Column("kind", String(32), nullable=False),
            Column("product", String(16), nullable=False),
            Column("allow_duplicates", Boolean, nullable=False),
            Column("salt", String(32), nullable=False),
            Column("fingerprint", String(32), nullable=False),
            Column("made_at", BigInteger, nullable=False),
            # Every transaction that claims or records increments it first: a lock until the end of the transaction.
            Column("turns", BigInteger, nullable=False),
        )
        self.claims: Table = self._table(
            f"{prefix}claims",
            Column("id", _ID, primary_key=True),
            Column("campaign", BigInteger, nullable=False),
            Column("token", String(32), nullable=False, unique=True),
            Column("state", String(16), nullable=False),
            Column("reason", _Escaped, nullable=False),
            Column("begun_at", BigInteger, nullable=False),
            Column("over_at", BigInteger, nullable=False),
        )
        self.calls: Table = self._table(
            f"{prefix}calls",
            Column("key", String(32), primary_key=True),
            Column("campaign", BigInteger, nullable=False),
            Column("mobile", BigInteger, nullable=False),
            Column("number", BigInteger, nullable=False),
            Column("custom_id", _Escaped, nullable=False),
            Column("claim", BigInteger, nullable=False),
            Column("place", Integer, nullable=False),
            Column("position", BigInteger, nullable=False),
            Index(f"{prefix}calls_in_order", "campaign", "position"),
            Index(f"{prefix}calls_by_number", "number"),
        )
        self.tickets: Table = self._table(
            f"{prefix}tickets",
            Column("token", String(32), primary_key=True),
            Column("place", Integer, primary_key=True),
            Column("message_id", _Escaped, nullable=False),
        )
        self.reports: Table = self._table(
            f"{prefix}reports",
            Column("key", String(32), primary_key=True),
            Column("campaign", BigInteger, nullable=False),
            Column("message_id", _Escaped, nullable=False),
            Column("state", _Word, nullable=False),
            Column("rest", _LONG, nullable=False),
            Index(f"{prefix}reports_by_campaign", "campaign"),
        )
        self.state: ColumnElement[str] = self._state()

    def _table(self, name: str, *parts: Column[Any] | Index) -> Table:
        return Table(name, self.metadata, *parts, **_TABLE)

    def _state(self) -> ColumnElement[str]:
        left = and_(self.claims.c.state == _literal(State.UNDER_WAY), self.claims.c.over_at <= self.now)
        return case(
            (self.reports.c.key.is_not(None), _literal(State.ACCEPTED)),
            (left, _literal(State.UNKNOWN)),
            else_=self.claims.c.state,
        ).label("standing")

    def known(self, *columns: ColumnElement[Any]) -> Select[Any]:
        """Select from calls, joined with claims, and with tickets and reports if these exist."""
        calls, claims, tickets, reports = self.calls, self.claims, self.tickets, self.reports
        ticket = and_(tickets.c.token == claims.c.token, tickets.c.place == calls.c.place)
        joined: FromClause = calls.join(claims, claims.c.id == calls.c.claim)
        joined = joined.outerjoin(tickets, ticket).outerjoin(reports, reports.c.key == calls.c.key)
        return select(*columns).select_from(joined)

    def counts(self, campaign: int) -> Select[Any]:
        """Count the calls of a campaign by state."""
        found = self.known(self.state).where(self.calls.c.campaign == campaign).subquery()
        return select(found.c.standing, func.count()).group_by(found.c.standing)

    def reasons(self, campaign: int) -> Select[Any]:
        """Count the unknown calls of a campaign by reason, the most frequent first."""
        found = (
            self.known(self.state, self.claims.c.reason).where(self.calls.c.campaign == campaign).subquery()
        )
        unknown = select(found.c.reason, func.count()).where(found.c.standing == State.UNKNOWN.value)
        return unknown.group_by(found.c.reason).order_by(func.count().desc()).limit(MAX_REASONS)

    def reported(self, campaign: int) -> Select[Any]:
        """Count the reports of a campaign by their states, the most frequent first."""
        state, number = self.reports.c.state, func.count()
        counted = select(state, number).where(self.reports.c.campaign == campaign)
        return counted.group_by(state).order_by(number.desc(), state)


def metadata(prefix: str = "emay_voice_") -> MetaData:
    """Return the tables of all journals with this prefix, for Alembic's ``target_metadata`` beside your own.

    After a migration made the tables, ``await SqlJournal(...).create_schema()`` enters their version.
    """
    return Tables(prefix, DIALECTS["postgresql"]).metadata
