"""Creating the tables of a journal, upgrading them, and checking their version.

Only ``create_schema`` upgrades tables, and no run does: senders of an older release refuse the upgraded tables.
"""

from collections.abc import Callable, Mapping
from typing import Final

from sqlalchemy import Connection, insert, inspect, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from emay_voice_async.errors import JournalError
from emay_voice_async.sql.tables import VERSION, Tables

__all__ = ["UPGRADES", "Upgrade", "create_schema", "has_tables"]

Upgrade = Callable[[Connection, Tables], None]
"""Upgrades existing tables by one version; new tables have been created before.

MySQL commits each change of a table by itself. So an upgrade inspects what was done before, and does the rest.
"""

UPGRADES: Final[Mapping[int, Upgrade]] = {}
"""By version, the upgrade to the next version. A table without an upgrade from a version is refused."""


async def create_schema(
    db: AsyncConnection, tables: Tables, *, version: int = VERSION, upgrades: Mapping[int, Upgrade] = UPGRADES
) -> None:
    """Create the tables that do not exist, and upgrade tables of an earlier version; the version is written last.

    Raises :class:`JournalError` for tables of a later version.
    """
    await db.run_sync(tables.metadata.create_all)
    # Locked until the end of the transaction: of several processes one upgrades.
    found = await db.scalar(select(tables.version.c.number).with_for_update())
    if found is None:
        await db.execute(insert(tables.version).values(number=version))
        return
    _check_not_later(found, version)
    for step in range(found, version):
        if (upgrade := upgrades.get(step)) is None:
            raise JournalError(f"its tables have version {step}, which cannot be upgraded to {version}")
        await db.run_sync(upgrade, tables)
    if found < version:
        await db.execute(update(tables.version).values(number=version))


async def has_tables(db: AsyncConnection, tables: Tables, *, version: int = VERSION) -> bool:
    """Tell whether the tables exist; raise :class:`JournalError` if they have another version."""
    if not await db.run_sync(_has_version, tables):
        return False
    found = await db.scalar(select(tables.version.c.number))
    if found is None:
        return False
    _check_not_later(found, version)
    if found < version:
        raise JournalError(
            f"its tables have version {found}, and this package uses version {version}: "
            "stop the senders of older releases, and await create_schema()"
        )
    return True


def _has_version(sync: Connection, tables: Tables) -> bool:
    return inspect(sync).has_table(tables.version.name, schema=sync.schema_for_object(tables.version))


def _check_not_later(found: int, version: int) -> None:
    if found > version:
        raise JournalError(
            f"its tables have version {found}, and this package uses version {version}: "
            "a later release upgraded them; install that release here, too"
        )
