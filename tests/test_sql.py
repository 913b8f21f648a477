"""The journal in an SQL database: what every journal promises, on each database, and what only this one can."""

import asyncio
import contextlib
import logging
import random
import secrets
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import sql_servers
from attrs import define, evolve, field
from hypothesis import given
from hypothesis import strategies as st
from journal_conformance import (
    PURPOSE,
    JournalConformance,
    all_lines,
    begun,
    cancelled_after,
    claim,
    keys,
    report_of,
    settled,
    states,
)
from sql_worker import EVERY, LASTS
from sqlalchemy import event, insert, make_url, select, text, update
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from emay_voice_async.claims import JournalRun, Key, Standing, State
from emay_voice_async.errors import InvalidRequestError, JournalError
from emay_voice_async.sql import SqlJournal, _SqlRun
from emay_voice_async.sql_tables import DATABASES, VERSION, Tables, _Escaped, digest

TESTS = Path(__file__).parent
KINDS = ("sqlite", "postgres", "mysql")


@define
class SqlPlace:
    """A database, and a prefix of its own for the tables of one test."""

    url: str
    prefix: str
    engine: AsyncEngine
    opened: list[SqlJournal] = field(factory=list)

    def open(self, campaign: str = "spring", *, create: bool = True, timeout: float = 30.0) -> SqlJournal:
        """Return one more journal on the same tables."""
        journal = SqlJournal(self.url, campaign, prefix=self.prefix, create=create, timeout=timeout)
        self.opened.append(journal)
        return journal

    def given(self, engine: AsyncEngine) -> SqlJournal:
        """Return a journal on an engine of the test's own."""
        return SqlJournal(engine, "spring", prefix=self.prefix, create=True)

    @property
    def tables(self) -> Tables:
        """The tables, as the journals see them."""
        return Tables(self.prefix, DATABASES[make_url(self.url).get_backend_name()])

    async def abandon(self, run: JournalRun) -> None:
        """Let the time pass for whatever the run has claimed."""
        assert isinstance(run, _SqlRun)
        await self.age([digest(run._campaign.id, one.token) for one, _ in run._open.values()], 1e9)

    async def age(self, tokens: list[str] | None, seconds: float) -> None:
        """Make claims, or all of them, look older."""
        claims = self.tables.claims
        older = {name: claims.c[name] - int(seconds * 1e6) for name in ("begun_at", "over_at")}
        changed = update(claims).values(older)
        await self.do(changed if tokens is None else changed.where(claims.c.token.in_(tokens)))

    async def do(self, statement: Any) -> Any:
        """Execute one statement behind the journals' backs."""
        async with self.engine.begin() as connection:
            return await connection.execute(statement)

    async def drop(self) -> None:
        """Remove the tables."""
        async with self.engine.begin() as connection:
            await connection.run_sync(self.tables.metadata.drop_all)


@contextlib.asynccontextmanager
async def placed(kind: str) -> AsyncIterator[SqlPlace]:
    """Provide tables of one's own in a database of a kind."""
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
    "postgres": lambda: sql_servers.url(sql_servers.POSTGRES),
    "mysql": lambda: sql_servers.url(sql_servers.MYSQL),
}


class TestSqlite(JournalConformance):
    """The promises, in SQLite."""

    def place(self) -> contextlib.AbstractAsyncContextManager[SqlPlace]:
        """Make a file."""
        return placed("sqlite")


class TestPostgres(JournalConformance):
    """The promises, in PostgreSQL."""

    examples = 10

    def place(self) -> contextlib.AbstractAsyncContextManager[SqlPlace]:
        """Make tables."""
        return placed("postgres")


class TestMySql(JournalConformance):
    """The promises, in MySQL or MariaDB."""

    examples = 10

    def place(self) -> contextlib.AbstractAsyncContextManager[SqlPlace]:
        """Make tables."""
        return placed("mysql")
