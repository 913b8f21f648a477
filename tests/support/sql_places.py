"""Databases for tests of the SQL journal: tables under a new prefix for each test."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from attrs import define, field
from sqlalchemy import make_url, update
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from emay_voice_async.journal.protocol import JournalRun
from emay_voice_async.sql.dialects import DIALECTS
from emay_voice_async.sql.journal import SqlJournal, _SqlRun
from emay_voice_async.sql.tables import Tables, digest
from support import servers

KINDS = ("sqlite", "postgres", "mysql")


@define
class SqlPlace:
    """A database, and the prefix of the tables of one test."""

    url: str
    prefix: str
    engine: AsyncEngine
    opened: list[SqlJournal] = field(factory=list)

    def open(self, campaign: str = "spring", *, create: bool = True) -> SqlJournal:
        """Return another journal on the same tables."""
        journal = SqlJournal(self.url, campaign, prefix=self.prefix, create=create)
        self.opened.append(journal)
        return journal

    def given(self, engine: AsyncEngine) -> SqlJournal:
        """Return a journal on an engine of the test."""
        return SqlJournal(engine, "spring", prefix=self.prefix, create=True)

    @property
    def tables(self) -> Tables:
        """The tables, as the journals see them."""
        return Tables(self.prefix, DIALECTS[make_url(self.url).get_backend_name()])

    async def abandon(self, run: JournalRun) -> None:
        """Let the time of the open claims of a run pass."""
        assert isinstance(run, _SqlRun)
        assert run._campaign is not None
        campaign = run._campaign.id
        await self.age([digest(campaign, claim.token) for claim, _ in run._open.values()], 1e9)

    async def age(self, tokens: list[str] | None, seconds: float) -> None:
        """Make claims look older; None: all claims."""
        claims = self.tables.claims
        older = {name: claims.c[name] - int(seconds * 1e6) for name in ("begun_at", "over_at")}
        changed = update(claims).values(older)
        await self.do(changed if tokens is None else changed.where(claims.c.token.in_(tokens)))

    async def do(self, statement: Any) -> Any:
        """Execute one statement on another connection than the journals'."""
        async with self.engine.begin() as connection:
            return await connection.execute(statement)

    async def drop(self) -> None:
        """Remove the tables."""
        async with self.engine.begin() as connection:
            await connection.run_sync(self.tables.metadata.drop_all)


@contextlib.asynccontextmanager
async def placed(kind: str) -> AsyncIterator[SqlPlace]:
    """Provide new tables in a kind of database."""
    prefix = f"t_{secrets.token_hex(4)}_"
    with TemporaryDirectory() as folder:
        url = URLS[kind]() or f"sqlite+aiosqlite:///{folder}/journal.db"
        place = SqlPlace(url, prefix, create_async_engine(url, poolclass=NullPool))
        try:
            yield place
        finally:
            for journal in place.opened:
                await journal.aclose()
            await place.drop()
            await place.engine.dispose()


URLS: dict[str, Callable[[], str]] = {
    "sqlite": str,
    "postgres": lambda: servers.url(servers.POSTGRES),
    "mysql": lambda: servers.url(servers.MYSQL),
}


def scenario(test: Callable[[SqlPlace], Awaitable[None]]) -> Callable[[str], None]:
    """Run a test on each kind of database, on new tables."""

    @pytest.mark.parametrize("kind", KINDS)
    def play(kind: str) -> None:
        async def main() -> None:
            async with placed(kind) as place:
                await test(place)

        asyncio.run(main())

    play.__name__, play.__doc__ = test.__name__, test.__doc__
    return play
