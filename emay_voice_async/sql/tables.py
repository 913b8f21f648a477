"""The tables of a journal in an SQL database, and the statements on them; nothing here does I/O.

Text from outside is stored in ASCII, escaped as in JSON, and what is searched for is a hash of it: so a NUL or
half a character troubles no database, and no collation takes two texts for one. Instants are microseconds since
1970 by the database's own clock.
"""

import hashlib
import json
from typing import Any, Final

from attrs import frozen
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
    TypeDecorator,
    and_,
    case,
    func,
    literal_column,
    select,
)
from sqlalchemy.dialects.mysql import LONGTEXT
from sqlalchemy.types import TypeEngine

from emay_voice_async.journal.protocol import State

__all__ = ["DATABASES", "PLACES", "VERSION", "Database", "Tables", "digest"]

VERSION: Final = 1
"""Of the tables; those of another version are not touched."""
PLACES: Final = 1 << 20
"""More than a claim has calls: its number times this, plus a place in it, puts all calls in order."""

_LONG: Final = Text().with_variant(LONGTEXT(), "mysql", "mariadb")
_ID: Final = BigInteger().with_variant(Integer(), "sqlite")  # SQLite counts up nothing else by itself
_OPTIONS: Final = {"engine": "InnoDB", "charset": "utf8mb4", "collate": "utf8mb4_bin"}
_TABLE: Final[dict[str, Any]] = {
    f"{name}_{key}": value for name in ("mysql", "mariadb") for key, value in _OPTIONS.items()
}


def digest(*names: object) -> str:
    """Return 32 hex digits that no other names have."""
    return hashlib.blake2b(json.dumps(names).encode(), digest_size=16).hexdigest()


class _Escaped(TypeDecorator[str]):
    """Any text, as the inside of a JSON string."""

    impl: TypeEngine[Any] = _LONG
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else json.dumps(value)[1:-1]

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else str(json.loads(f'"{value}"'))


class _Word(_Escaped):
    """A text of 40 characters at most, which can be grouped by."""

    impl: TypeEngine[Any] = String(12 * 40)
    cache_ok = True


@frozen
class Database:
    """What differs between databases.

    ``clock``: the time of the statement; that of the transaction is from before it waited for its turn.
    ``isolation``: of transactions that write; whoever has waited must see what the others did meanwhile.
    ``reading``: options of the connection for a read, which is one statement, or need not be consistent.
    """

    clock: str
    isolation: str
    reading: dict[str, Any]


_MYSQL: Final = Database("TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6))", "READ COMMITTED", {})
DATABASES: Final = {
    "postgresql": Database(
        "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)",
        "READ COMMITTED",
        {"isolation_level": "AUTOCOMMIT"},  # saves its BEGIN and ROLLBACK
    ),
    "mysql": _MYSQL,
    "mariadb": _MYSQL,
    "sqlite": Database("CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)", "SERIALIZABLE", {}),
}
"""The databases that a journal can be in, by SQLAlchemy's names."""


def _said(state: State) -> ColumnElement[str]:
    return literal_column(f"'{state.value}'", String)


class Tables:
    """The tables whose names begin with ``prefix``, in one kind of database.

    What a single call is looked up by, its ``key`` and its ``number``, has the campaign in it: a database that
    knows nothing yet of how many calls a campaign has, would rather read all of them than look each one up.

    A row of ``calls`` belongs to the last claim of its call, and each row of ``claims`` says what became of
    it: so a batch is closed in one row, whoever has claimed its calls anew. ``tickets`` has the message ids
    of accepted claims, ``reports`` the last report of each call.
    """

    def __init__(self, prefix: str, database: Database) -> None:
        self.now: ColumnElement[int] = literal_column(database.clock, BigInteger)
        self.metadata = MetaData()
        self.version = self._table(f"{prefix}version", Column("number", Integer, primary_key=True))
        self.campaigns = self._table(
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
            # Counted up first in every transaction that claims: that is the lock, held until its end.
            Column("turns", BigInteger, nullable=False),
        )
        self.claims = self._table(
            f"{prefix}claims",
            Column("id", _ID, primary_key=True),
            Column("campaign", BigInteger, nullable=False),
            Column("token", String(32), nullable=False, unique=True),
            Column("state", String(16), nullable=False),
            Column("reason", _Escaped, nullable=False),
            Column("begun_at", BigInteger, nullable=False),
            Column("over_at", BigInteger, nullable=False),
        )
        self.calls = self._table(
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
        self.tickets = self._table(
            f"{prefix}tickets",
            Column("token", String(32), primary_key=True),
            Column("place", Integer, primary_key=True),
            Column("message_id", _Escaped, nullable=False),
        )
        self.reports = self._table(
            f"{prefix}reports",
            Column("key", String(32), primary_key=True),
            Column("campaign", BigInteger, nullable=False),
            Column("message_id", _Escaped, nullable=False),
            Column("state", _Word, nullable=False),
            Column("rest", _LONG, nullable=False),
            Index(f"{prefix}reports_by_campaign", "campaign"),
        )
        self.state = self._state()

    def _table(self, name: str, *parts: Column[Any] | Index) -> Table:
        return Table(name, self.metadata, *parts, **_TABLE)

    def _state(self) -> ColumnElement[str]:
        left = and_(self.claims.c.state == _said(State.UNDER_WAY), self.claims.c.over_at <= self.now)
        return case(
            (self.reports.c.key.is_not(None), _said(State.ACCEPTED)),
            (left, _said(State.UNKNOWN)),
            else_=self.claims.c.state,
        ).label("standing")

    def known(self, *columns: ColumnElement[Any]) -> Select[Any]:
        """Select of calls: of each one, its claim, its ticket and its report if it has them."""
        calls, claims, tickets, reports = self.calls, self.claims, self.tickets, self.reports
        ticket = and_(tickets.c.token == claims.c.token, tickets.c.place == calls.c.place)
        joined: FromClause = calls.join(claims, claims.c.id == calls.c.claim)
        joined = joined.outerjoin(tickets, ticket).outerjoin(reports, reports.c.key == calls.c.key)
        return select(*columns).select_from(joined)

    def counts(self, campaign: int) -> Select[Any]:
        """Count the calls of a campaign by state."""
        found = self.known(self.state).where(self.calls.c.campaign == campaign).subquery()
        return select(found.c.standing, func.count()).group_by(found.c.standing)

    def reported(self, campaign: int) -> Select[Any]:
        """Count the reports of a campaign by their states, the most frequent first."""
        state, number = self.reports.c.state, func.count()
        counted = select(state, number).where(self.reports.c.campaign == campaign)
        return counted.group_by(state).order_by(number.desc(), state)
