"""The tables: created on request, and refused in another version."""

import asyncio
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, MetaData, inspect, select, text, update
from support.sql_places import SqlPlace, scenario

from emay_voice_async.errors import JournalError
from emay_voice_async.journal.protocol import State
from emay_voice_async.sql import metadata
from emay_voice_async.sql.schema import UPGRADES, create_schema, has_tables
from emay_voice_async.sql.tables import VERSION, Tables
from emay_voice_async.testing.journal.values import PURPOSE, all_lines, begun, keys, settled, states


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
    """Tables of a later or earlier version are refused, and both versions and the remedy are named."""
    journal = place.open()
    await journal.create_schema()
    remedies = {VERSION - 1: r"await create_schema\(\)", VERSION + 1: "install that release here"}
    for version, remedy in remedies.items():
        await place.do(update(place.tables.version).values(number=version))
        said = f"its tables have version {version}, and this package uses version {VERSION}: .*{remedy}"
        with pytest.raises(JournalError, match=said):
            await journal.start(PURPOSE)
        with pytest.raises(JournalError, match=said):
            await journal.summary()
    with pytest.raises(JournalError, match="install that release here"):
        await journal.create_schema()
    await place.do(update(place.tables.version).values(number=VERSION - 1))
    with pytest.raises(JournalError, match=f"version {VERSION - 1}, which cannot be upgraded to {VERSION}"):
        await journal.create_schema()


@scenario
async def test_tables_are_upgraded(place: SqlPlace) -> None:
    """A release with a later version upgrades the tables once, step by step, and keeps all calls."""
    journal = place.open()
    await settled(await journal.start(PURPOSE), keys(1, 2), State.ACCEPTED)
    tables, later = place.tables, VERSION + 2
    name = tables.calls.name
    steps: list[int] = []

    def add_language(db: Connection, tables: Tables) -> None:
        # A process may have been killed between the change of the table and that of the version.
        if "language" not in {column["name"] for column in inspect(db).get_columns(name)}:
            db.execute(text(f"ALTER TABLE {name} ADD COLUMN language VARCHAR(8) NOT NULL DEFAULT 'zh'"))
        steps.append(VERSION)

    def set_language(db: Connection, tables: Tables) -> None:
        db.execute(text(f"UPDATE {name} SET language = 'en'"))  # noqa: S608 - a name of the test
        steps.append(VERSION + 1)

    upgrades = {VERSION: add_language, VERSION + 1: set_language}

    async def upgrade() -> None:
        async with place.engine.begin() as db:
            await create_schema(db, tables, version=later, upgrades=upgrades)

    async with place.engine.connect() as db:
        with pytest.raises(JournalError, match=r"await create_schema\(\)"):
            await has_tables(db, tables, version=later)
    await upgrade()
    await upgrade()
    assert steps == [VERSION, VERSION + 1]
    async with place.engine.connect() as db:
        assert await has_tables(db, tables, version=later)
        found = await db.execute(text(f"SELECT language FROM {name}"))  # noqa: S608 - a name of the test
        assert [row[0] for row in found] == ["en", "en"]
    with pytest.raises(JournalError, match="a later release upgraded them"):
        await journal.start(PURPOSE)
    await place.do(update(tables.version).values(number=VERSION))
    assert await states(await journal.start(PURPOSE), keys(1, 2)) == [State.ACCEPTED, State.ACCEPTED]


def test_upgrades_have_no_gap() -> None:
    """Each version before the present one leads to the next."""
    assert list(UPGRADES) == list(range(1, VERSION))


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
