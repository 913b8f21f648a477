"""The differences between databases: clocks, transactions, and statements.

To change a statement for a database, subclass :class:`JournalDialect`, replace the method, and enter the dialect in
:data:`DIALECTS`. The two methods are the statements with a cost that grows with the size of a batch; all other
statements of a journal are the same in each database.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any, Final

from attrs import field, frozen
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Dialect,
    Table,
    any_,
    cast,
    func,
    insert,
    literal,
    literal_column,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import TypeEngine

__all__ = ["DIALECTS", "JournalDialect"]


@frozen
class JournalDialect:
    """A kind of database.

    ``clock``: an expression for the microseconds since 1970 at the time of the statement. The time of the transaction
    would be from before the transaction waited for a lock. ``isolation``: of transactions that write; after
    waiting for a lock they must see the commits of other transactions. ``reading``: options of a connection
    that reads. A read is one statement, or need not be consistent. ``single_statements``: a statement can write to
    several tables, and a connection with these options commits each statement.
    """

    clock: str
    isolation: str
    reading: dict[str, Any] = field(factory=dict)
    single_statements: bool = False

    @property
    def now(self) -> ColumnElement[int]:
        """The clock, as an expression."""
        return literal_column(self.clock, BigInteger)

    def is_among(self, column: ColumnElement[Any], values: Iterable[str | int]) -> ColumnElement[bool]:
        """Return the condition that a column has one of many values."""
        return column.in_(list(values))

    async def insert_rows(self, db: AsyncConnection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
        """Insert rows that all have the same columns."""
        await db.execute(insert(table), rows)


@frozen
class _Postgres(JournalDialect):
    """PostgreSQL, with many values in one parameter; see the benchmark ``sql_journal``."""

    def is_among(self, column: ColumnElement[Any], values: Iterable[str | int]) -> ColumnElement[bool]:
        """Return the condition that a column has a value of a text with a line for each: no value has line breaks."""
        # Faster than an array, whose values the driver encodes one by one.
        lines = func.string_to_array("\n".join(map(str, values)), "\n")
        return column == any_(cast(lines, ARRAY(column.type)))

    async def insert_rows(self, db: AsyncConnection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
        """Insert rows from an array for each column."""
        names = list(rows[0])
        columns = [func.unnest(_array([row[name] for row in rows], table.c[name])) for name in names]
        await db.execute(insert(table).from_select(names, select(*columns), include_defaults=False))


def _array(values: list[Any], column: ColumnElement[Any]) -> ColumnElement[Any]:
    return literal(values, ARRAY(column.type))


@frozen
class _Sqlite(JournalDialect):
    """SQLite, with many values in one JSON text.

    For each row of values ``sqlite3`` would release the lock of the interpreter, and beside a busy event loop a thread
    can wait 5 ms for the lock, in a transaction that keeps all other writers waiting.
    """

    def is_among(self, column: ColumnElement[Any], values: Iterable[str | int]) -> ColumnElement[bool]:
        """Return the condition that a column has a value of a JSON array."""
        return column.in_(select(_elements(list(values))))

    async def insert_rows(self, db: AsyncConnection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
        """Insert rows from a JSON array of arrays."""
        names = list(rows[0])
        stored = [_stored(table.c[name].type, [row[name] for row in rows], db.dialect) for name in names]
        row = _elements(list(zip(*stored, strict=True)))
        columns = [func.json_extract(row, f"$[{place}]") for place in range(len(names))]
        await db.execute(insert(table).from_select(names, select(*columns), include_defaults=False))


def _elements(values: list[Any]) -> ColumnElement[Any]:
    return func.json_each(json.dumps(values)).table_valued("value").c.value


def _stored(kind: TypeEngine[Any], values: list[Any], dialect: Dialect) -> list[Any]:
    processor = kind.bind_processor(dialect)
    return values if processor is None else list(map(processor, values))


_MYSQL: Final = JournalDialect("TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6))", "READ COMMITTED")

DIALECTS: Final[dict[str, JournalDialect]] = {
    "postgresql": _Postgres(
        "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)",
        "READ COMMITTED",
        {"isolation_level": "AUTOCOMMIT"},  # saves a BEGIN and a ROLLBACK
        single_statements=True,
    ),
    "mysql": _MYSQL,
    "mariadb": _MYSQL,
    "sqlite": _Sqlite("CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)", "SERIALIZABLE"),
}
"""The databases that a journal can be in, by SQLAlchemy's names."""
