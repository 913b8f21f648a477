"""Statements of one database: a replaced method is used by every journal in that database."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

import pytest
from attrs import asdict, frozen
from sqlalchemy import ColumnElement, Table, event, or_
from sqlalchemy.ext.asyncio import AsyncConnection
from support.sql_places import placed

from emay_voice_async.journal.protocol import Standing, State
from emay_voice_async.sql.dialects import DIALECTS, JournalDialect
from emay_voice_async.testing.journal.values import PURPOSE, all_lines, claim, keys, report_of, settled

USED: list[str] = []


@frozen
class OwnStatements(JournalDialect):
    """SQLite with other statements."""

    def is_among(self, column: ColumnElement[Any], values: Iterable[str | int]) -> ColumnElement[bool]:
        """Compare with each value."""
        USED.append("is_among")
        return or_(*(column == value for value in values))

    async def insert_rows(self, db: AsyncConnection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
        """Insert the rows one by one."""
        USED.append(f"insert into {table.name.rpartition('_')[2]}")
        for row in rows:
            await db.execute(table.insert().values(**row))


def test_a_dialect_with_other_statements(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looking, claiming, closing and recording use the statements of the dialect, with the same results."""
    monkeypatch.setitem(DIALECTS, "sqlite", OwnStatements(**asdict(DIALECTS["sqlite"])))
    USED.clear()

    async def main() -> None:
        async with placed("sqlite") as place, place.open() as journal:
            run = await journal.start(PURPOSE)
            batch = await settled(run, keys(1, 2), State.ACCEPTED)
            assert await journal.record([report_of(keys(2)[0], custom_id=batch.custom_ids[1])]) == 1
            assert [line.report_state for line in await all_lines(journal)] == ["", "SUCCESS"]

    asyncio.run(main())
    assert set(USED) == {
        "is_among",
        "insert into calls",
        "insert into tickets",
        "insert into reports",
    }


def test_many_rows_in_sqlite() -> None:
    """In SQLite every statement for a batch of 500 is executed once, with few parameters."""
    parameters: list[int] = []

    def execute(_: object, __: object, ___: object, values: Sequence[Any], ____: object, many: bool) -> None:
        assert not many
        parameters.append(len(values))

    async def main() -> None:
        async with placed("sqlite") as place, place.given(place.engine) as journal:
            await journal.create_schema()
            event.listen(place.engine.sync_engine, "before_cursor_execute", execute)
            run = await journal.start(PURPOSE)
            of = keys(*range(500))
            await settled(run, of, State.NOT_SENT)
            batch = await settled(run, of, State.ACCEPTED)
            assert None not in await run.look(of)
            calls = zip(of, batch.custom_ids, strict=True)
            assert await journal.record([report_of(key, custom_id=own) for key, own in calls]) == 500
            await run.end()

    asyncio.run(main())
    assert max(parameters) < 30


def test_any_text_in_sqlite() -> None:
    """A text comes back unchanged, with lone surrogates, zeros, quotes and control characters."""
    word = 'odd \ud800 \0 \\ " \n 📞'

    async def main() -> None:
        async with placed("sqlite") as place, place.open() as journal:
            run = await journal.start(PURPOSE)
            batch = claim(keys(1, 2), custom_ids=[word, "b"])
            assert await run.begin(batch)
            await run.close(batch, State.ACCEPTED, message_ids=["a", word])
            assert await run.look(keys(2, 1)) == [
                Standing(State.ACCEPTED, "b", word),
                Standing(State.ACCEPTED, word, "a"),
            ]

    asyncio.run(main())
