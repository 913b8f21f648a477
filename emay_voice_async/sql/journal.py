"""A journal in an SQL database, for senders on many machines: PostgreSQL, MySQL, MariaDB, or SQLite.

Needs the extra ``sql``, and an asyncio driver of the database: asyncpg, aiomysql, asyncmy or aiosqlite.
"""

import asyncio
import math
import random
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from itertools import count
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from attrs import define, evolve, field
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

import emay_voice_async.sql.statements as statements
from emay_voice_async.errors import InvalidRequestError, JournalError
from emay_voice_async.journal.protocol import Claim, Key, Line, Purpose, Standing, State, Summary
from emay_voice_async.model.results import Report
from emay_voice_async.sql.tables import DATABASES, Tables

__all__ = ["SqlJournal"]

_Result = TypeVar("_Result")
_Work = Callable[[AsyncConnection, Tables], Awaitable[_Result]]

_PREFIX: Final = re.compile("[a-z_][a-z0-9_]{0,39}")
_MAX_CAMPAIGN: Final = 200
_PAUSES: Final = (0.02, 0.1, 0.3, 1.0, 2.0)
"""Seconds before what failed is done again: a deadlock, a lock held for too long, a lost connection."""


class SqlJournal:
    """The journal of one campaign in a database of many; see :class:`~emay_voice_async.journal.protocol.Journal`.

    ::

        journal = SqlJournal("postgresql+asyncpg://user:password@host/database", "spring")
        await journal.create_schema()
        async for outcome in voice.send_batches(message, numbers, journal=journal):
            ...

    ``database``: a URL, or an ``sqlalchemy.ext.asyncio.AsyncEngine`` of yours, which is used and never
    disposed of; the connections of a URL are opened when needed, and closed with the last run, ``async with``
    block or other call. ``campaign``: up to 200 characters that name the journal; each campaign has calls of
    its own. ``prefix`` begins the names of the tables. They are made by :meth:`create_schema`, or
    (``create=True``) by the first run. ``timeout``: seconds for one call, repeats after a failure included.

    A batch is claimed by one sender, whatever the others do. Whether a sender is alive cannot be seen from
    another machine: what it claimed and did not close is under way until the claim's time is over by the
    database's clock, and unknown from then on, or from the end of its run.

    What is cancelled ends when its transaction has, so that nothing is left half done.
    """

    def __init__(
        self,
        database: str | URL | AsyncEngine,
        campaign: str,
        *,
        prefix: str = "emay_voice_",
        create: bool = False,
        timeout: float = 30.0,
    ) -> None:
        if not (isinstance(campaign, str) and 0 < len(campaign) <= _MAX_CAMPAIGN):
            raise InvalidRequestError("campaign", f"must have 1 to {_MAX_CAMPAIGN} characters", _MAX_CAMPAIGN)
        if not (isinstance(prefix, str) and _PREFIX.fullmatch(prefix)):
            raise InvalidRequestError(
                "prefix", "must be up to 40 of a-z, 0-9 and _, and not begin with a digit"
            )
        if not (isinstance(timeout, int | float) and 0 < timeout < math.inf):
            raise InvalidRequestError("timeout", "must be a number of seconds above 0")
        self._given = database if isinstance(database, AsyncEngine) else None
        url = _url(database)
        self.campaign = campaign
        self._url = url
        self._where = f"{campaign!r} in {url.set(query={}).render_as_string(hide_password=True)}"
        kind = DATABASES[url.get_backend_name()]
        self._tables = Tables(prefix, kind)
        self._isolation = {"isolation_level": kind.isolation}
        self._reading = kind.reading
        # An engine of ours has it from the start; another one may commit every statement by itself.
        self._writing = {} if self._given is None else self._isolation
        self._create = create
        self._timeout = timeout
        self._engine: AsyncEngine | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._users = 0

    def __repr__(self) -> str:
        return f"<SqlJournal {self._where}>"

    async def __aenter__(self) -> Self:
        self._users += 1
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._leave()

    async def aclose(self) -> None:
        """Close the connections that are of our own making; the journal can be used again."""
        engine, self._engine = self._engine, None
        if engine is not None:
            await engine.dispose()

    async def create_schema(self) -> None:
        """Make the tables that are not there; those that are, stay as they are."""
        await self._write(statements.create_schema)

    async def start(self, purpose: Purpose, *, dry: bool = False) -> "_SqlRun":
        """Begin a run; the first one makes the campaign, unless it is ``dry`` and writes nothing.

        Raises :class:`JournalError` if it was made for another account or message or with another
        ``allow_duplicates``, or if there are no tables.
        """

        async def enter(db: AsyncConnection, tables: Tables) -> statements.Campaign | None:
            if not await self._has_tables(db, tables, make=self._create and not dry):
                return None
            found = await statements.campaign_of(db, tables, self.campaign)
            if found is None and not dry:
                await statements.make_campaign(db, tables, self.campaign, purpose)
                found = await statements.campaign_of(db, tables, self.campaign)
            if found is not None:
                statements.check_purpose(found, purpose)
            return found

        self._users += 1
        try:
            return _SqlRun(self, await self._write(enter), dry)
        except BaseException:
            await self._leave()
            raise

    async def _has_tables(self, db: AsyncConnection, tables: Tables, *, make: bool) -> bool:
        """Tell whether the tables are there, by now if so wished; raise if they had better be made first."""
        if await statements.is_there(db, tables):
            return True
        if not self._create:
            raise JournalError("there are no tables: await create_schema(), or pass create=True")
        if make:
            await statements.create_schema(db, tables)
        return make

    async def record(self, reports: Iterable[Report]) -> int:
        """Join in status reports, and return how many belong to calls of this campaign.

        Besides its custom id or message id, the number, the account and the product of a report must agree.
        """
        reports = list(reports)
        async with self:
            campaign = await self._campaign()
            return await self._write(lambda db, tables: statements.record(db, tables, campaign, reports))

    async def summary(self) -> Summary:
        """Count the calls by state."""
        async with self:
            campaign = await self._campaign()
            return await self._read(lambda db, tables: statements.summary(db, tables, campaign))

    async def lines(self) -> AsyncIterator[Line]:
        """Iterate over every call in the order in which they were first claimed, in flat memory."""
        async with self:
            campaign = await self._campaign()
            last = -1
            while found := await self._page(campaign, last):
                for last, line in found:  # noqa: B007 - the next page begins behind it
                    yield line

    async def _page(self, campaign: statements.Campaign, last: int) -> list[tuple[int, Line]]:
        return await self._read(lambda db, tables: statements.page(db, tables, campaign, last))

    async def _campaign(self) -> statements.Campaign:
        """Find the campaign, which must be there."""

        async def find(db: AsyncConnection, tables: Tables) -> statements.Campaign | None:
            if not await self._has_tables(db, tables, make=False):
                return None
            return await statements.campaign_of(db, tables, self.campaign)

        found = await self._read(find)
        if found is None:
            raise JournalError("no run has begun in it yet", self._where)
        return found

    async def _read(self, work: _Work[_Result]) -> _Result:
        return await _to_its_end(self._use(work, self._reading))

    async def _write(self, work: _Work[_Result]) -> _Result:
        return await _to_its_end(self._use(work, self._writing))

    async def _use(self, work: _Work[_Result], options: dict[str, Any]) -> _Result:
        async with self:
            try:
                async with asyncio.timeout(self._timeout):
                    return await self._persist(work, options)
            except TimeoutError as error:
                raise JournalError(f"no answer within {self._timeout:.3g} seconds", self._where) from error
            except JournalError as error:
                raise JournalError(error.reason, self._where) from None
            except Exception as error:
                # SQLAlchemy's own text would show the statement and what is bound to it, whole numbers included.
                cause = getattr(error, "orig", None) or error
                raise JournalError(str(cause) or type(cause).__name__, self._where) from cause

    async def _persist(self, work: _Work[_Result], options: dict[str, Any]) -> _Result:
        """Do something in a transaction, again if it fails and there is time."""
        loop = asyncio.get_running_loop()
        end = loop.time() + self._timeout
        pauses = iter(_PAUSES)
        while True:
            try:
                return await self._try(work, options)
            except JournalError:
                raise
            except Exception:
                # Drivers raise what they like when they connect, or find a pooled connection to be cut.
                pause = next(pauses, math.inf)
                if loop.time() + 2 * pause > end:
                    raise
                await asyncio.sleep(random.uniform(0.5, 1.5) * pause)  # noqa: S311 - no secret

    async def _try(self, work: _Work[_Result], options: dict[str, Any]) -> _Result:
        async with self._connect().connect() as connection:
            # Not an option of the engine: that would lose a connection that turns out to be cut.
            await connection.execution_options(**options)
            async with connection.begin():
                return await work(connection, self._tables)

    def _connect(self) -> AsyncEngine:
        """Return the engine; connections cannot be used in another event loop than their own."""
        if self._given is not None:
            return self._given
        loop = asyncio.get_running_loop()
        if self._engine is None or self._loop is not loop:
            self._engine = create_async_engine(self._url, hide_parameters=True, **self._isolation)
            self._loop = loop
        return self._engine

    async def _leave(self) -> None:
        """Close the connections when the last one who uses them has left."""
        self._users -= 1
        if not self._users:
            await self.aclose()


def _url(database: object) -> URL:
    """Return where a journal is, if it can be there."""
    try:
        url = database.url if isinstance(database, AsyncEngine) else make_url(database)  # type: ignore[arg-type]
    except ArgumentError:
        raise InvalidRequestError("database", "must be a URL or an AsyncEngine of SQLAlchemy") from None
    if url.get_backend_name() not in DATABASES:
        raise InvalidRequestError(
            "database", f"must be one of {', '.join(DATABASES)}", None, url.get_backend_name()
        )
    return url


async def _to_its_end(work: Awaitable[_Result]) -> _Result:
    """Await something; should the caller be cancelled, it leaves when that has ended in its own time."""
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        # Whoever left does not care how it ended.
        task.cancelled() or task.exception()
        raise cancelled
    return task.result()


@define(eq=False)
class _SqlRun:
    """A run, and the claims that it has not closed."""

    _journal: SqlJournal
    _campaign: statements.Campaign | None
    """None: it is not there, and a dry run does not make it."""
    _dry: bool
    _open: dict[str, tuple[Claim, State]] = field(factory=dict)
    """By token; with what they are at the end of the run."""
    _ended: bool = False

    async def look(self, keys: Sequence[Key]) -> Sequence[Standing | None]:
        """Return what is known of each call; None: it was never claimed."""
        campaign = self._campaign
        if campaign is None:
            return [None] * len(keys)
        return await self._journal._read(  # noqa: SLF001 - two halves, here and below
            lambda db, tables: statements.look(db, tables, campaign, keys)
        )

    async def _write(self, statement: Callable[..., Awaitable[_Result]], *what: object) -> _Result:
        return await self._journal._write(  # noqa: SLF001
            lambda db, tables: statement(db, tables, self._campaign, *what)
        )

    async def begin(self, claim: Claim) -> bool:
        """Claim a batch durably, all of it or (False) nothing.

        If this fails or is cancelled, the batch may have been claimed all the same; as nobody sends it, it is
        not sent from the end of the run on.
        """
        if self._ended or self._dry:
            reason = "a dry run claims nothing" if self._dry else "this run has ended"
            raise JournalError(reason, self._journal._where)  # noqa: SLF001
        if claim.token in self._open:
            return False
        # Its time is counted from the moment of claiming, and this call may take so long to return.
        claim = evolve(claim, lasts=claim.lasts + self._journal._timeout)  # noqa: SLF001
        attempts = count()
        self._open[claim.token] = claim, State.NOT_SENT
        ours = await self._write(
            lambda *journal: statements.begin(*journal, claim=claim, again=next(attempts) > 0)
        )
        if ours:
            self._open[claim.token] = claim, State.UNKNOWN
        else:
            del self._open[claim.token]
        return ours

    async def close(
        self, claim: Claim, state: State, *, reason: str = "", message_ids: Sequence[str] | None = None
    ) -> None:
        """Write durably what became of a claim."""
        ids = message_ids if state is State.ACCEPTED else None
        await self._write(statements.close, claim, state, reason, ids or ())
        self._open.pop(claim.token, None)

    async def end(self) -> None:
        """Let go of the journal; what this run has not closed is unknown from now on."""
        if self._ended:
            return
        self._ended = True
        try:
            for state in {state for _, state in self._open.values()}:
                left = [claim for claim, then in self._open.values() if then is state]
                await self._write(statements.end, left, state)
        finally:
            self._open.clear()
            await self._journal._leave()  # noqa: SLF001
