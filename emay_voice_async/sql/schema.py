"""Creating the tables of a journal, and checking their version."""

from sqlalchemy import insert, inspect, select
from sqlalchemy.ext.asyncio import AsyncConnection

from emay_voice_async.errors import JournalError
from emay_voice_async.sql.tables import VERSION, Tables

__all__ = ["create_schema", "has_tables"]


async def create_schema(db: AsyncConnection, tables: Tables) -> None:
    """Create the tables that do not exist; the row with their version is inserted last."""
    await db.run_sync(tables.metadata.create_all)
    if await db.scalar(select(tables.version.c.number)) is None:
        await db.execute(insert(tables.version).values(number=VERSION))


async def has_tables(db: AsyncConnection, tables: Tables) -> bool:
    """Tell whether the tables exist; raise :class:`JournalError` if they have another version."""
    if not await db.run_sync(lambda sync: inspect(sync).has_table(tables.version.name)):
        return False
    found = await db.scalar(select(tables.version.c.number))
    if found not in (None, VERSION):
        raise JournalError(f"its tables have version {found}, and this package uses version {VERSION}")
    return found is not None
