"""The tables: created on request, and refused in another version."""

import asyncio
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, MetaData, select, update
from support.sql_places import SqlPlace, scenario

from emay_voice_async.errors import JournalError
from emay_voice_async.sql import metadata
from emay_voice_async.sql.tables import VERSION
from emay_voice_async.testing.journal.values import PURPOSE, all_lines, begun, keys


@scenario
async def test_tables_are_made_on_request(place: SqlPlace) -> None:
    """Without tables a run does not begin, and the error says how to create them; creating them twice is safe."""
    journal = place.open(create=False)
    for doing in (journal.start(PURPOSE), journal.start(PURPOSE, dry=True), journal.summary()):
        with pytest.raises(JournalError, match=r"there are no tables: await create_schema\(\)"):
            await doing
    others = [place.open(create=False) for _ in range(3)]
    await asyncio.gather(*(journal.create_schema() for journal in (journal, *others)))
    await begun(await journal.start(PURPOSE), keys(1))
    await journal.create_schema()
    assert len(await all_lines(journal)) == 1
    assert [row[0] for row in await place.do(select(place.tables.version))] == [VERSION]


@scenario
async def test_tables_of_another_version_are_not_touched(place: SqlPlace) -> None:
    """Tables of a later or earlier version are refused, and both versions are named."""
    journal = place.open()
    await journal.create_schema()
    for version in (VERSION - 1, VERSION + 1):
        await place.do(update(place.tables.version).values(number=version))
        said = f"its tables have version {version}, and this package uses version {VERSION}"
        with pytest.raises(JournalError, match=said):
            await journal.start(PURPOSE)
        with pytest.raises(JournalError, match=said):
            await journal.summary()


@scenario
async def test_alembic_finds_no_difference(place: SqlPlace) -> None:
    """Alembic finds the tables as the public metadata describes them; without the metadata it would drop them."""
    await place.open().create_schema()

    def compare(connection: Connection, target: MetaData) -> list[Any]:
        options = {"include_name": lambda name, kind, _: kind != "table" or name.startswith(place.prefix)}
        context = MigrationContext.configure(connection, opts=options)
        return list(compare_metadata(context, target))

    async with place.engine.connect() as connection:
        assert await connection.run_sync(compare, metadata(place.prefix)) == []
        assert len(await connection.run_sync(compare, MetaData())) >= 6


@scenario
async def test_tables_that_alembic_made(place: SqlPlace) -> None:
    """Tables that were made from the metadata lack their version, which create_schema adds."""
    async with place.engine.begin() as connection:
        await connection.run_sync(metadata(place.prefix).create_all)
    journal = place.open(create=False)
    with pytest.raises(JournalError, match="create_schema"):
        await journal.start(PURPOSE)
    await journal.create_schema()
    await (await journal.start(PURPOSE)).end()
