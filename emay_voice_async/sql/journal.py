"""A journal in an SQL database, for senders on many machines: PostgreSQL, MySQL, MariaDB, or SQLite.

Needs the extra ``sql``, and an asyncio driver of the database: asyncpg, aiomysql, asyncmy or aiosqlite.
"""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from typing import Final, TypeVar

from attrs import define, evolve, field
from sqlalchemy import URL
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

import emay_voice_async.sql.reading as reading
import emay_voice_async.sql.single_statements as single_statements
import emay_voice_async.sql.statements as statements
from emay_voice_async.errors import InvalidRequestError, JournalError
from emay_voice_async.journal.lifetime import ResourceUser
from emay_voice_async.journal.pages import pages_of
from emay_voice_async.journal.protocol import Claim, Key, Line, Standing, State, Summary
from emay_voice_async.journal.purpose import Purpose
from emay_voice_async.model.checks import check_seconds
from emay_voice_async.model.results import Report
from emay_voice_async.sql.campaigns import Campaign, create_campaign, find_campaign
from emay_voice_async.sql.connections import Connections
from emay_voice_async.sql.recording import record
from emay_voice_async.sql.schema import create_schema, has_tables
from emay_voice_async.sql.tables import Tables

__all__ = ["SqlJournal"]

_Result = TypeVar("_Result")

_PREFIX: Final = re.compile("[a-z_][a-z0-9_]{0,39}")
_MAX_CAMPAIGN: Final = 200


class SqlJournal(ResourceUser[Connections]):
    """The journal of one campaign, in a database that holds many campaigns.

    It is a :class:`~emay_voice_async.journal.Journal`.

    ::

        journal = SqlJournal("postgresql+asyncpg://user:password@host/database", "spring")
        await journal.create_schema()
        async for outcome in voice.send_batches(message, numbers, journal=journal):
            ...

    ``database``: a URL, or an ``sqlalchemy.ext.asyncio.AsyncEngine`` of yours, which is never disposed of. The
    connections of a URL are opened when needed, and closed with the last run, ``async with`` block or other call.
    ``campaign``: up to 200 characters that name the journal; each campaign has calls of its own. ``prefix`` begins
    the names of the tables. :meth:`create_schema` creates the tables, or (``create=True``) the first run does.
    ``timeout``: seconds for one call, retries after a failure included.

    A batch is claimed by one sender only. Whether a sender on another machine is still running cannot be checked: its
    open claims are under way until the time of the claim is over by the database's clock, and unknown from then on,
    or from the end of the run.

    A cancelled call ends after its transaction, so that no transaction is left half done. Only failures that may pass
    are retried, such as a lost connection; a wrong password, an unknown database or a bad certificate raises at once.

    In a URL, percent-encode the characters ``: / @ ? # %`` of the password (``urllib.parse.quote_plus``). Behind
    PgBouncer in transaction mode, add ``?prepared_statement_cache_size=0`` to the URL, and pass an engine with
    ``connect_args={"statement_cache_size": 0}``. For Alembic, put :func:`emay_voice_async.sql.metadata` into
    ``target_metadata``::

        target_metadata = [my_metadata, emay_voice_async.sql.metadata()]
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
        check_seconds("timeout", timeout)
        super().__init__(Connections(database, campaign, prefix=prefix, timeout=timeout))
        self.campaign = campaign
        self._create = create

    def __repr__(self) -> str:
        return f"<SqlJournal {self._resource.where}>"

    async def create_schema(self) -> None:
        """Create the tables that do not exist, and upgrade tables of an earlier release.

        Before an upgrade, stop the senders of older releases: they refuse the upgraded tables.
        """
        await self._resource.write(create_schema)

    async def start(self, purpose: Purpose, *, dry: bool = False) -> "_SqlRun":
        """Begin a run; the first run creates the campaign, unless the run is ``dry``.

        Raises :class:`JournalError` if the campaign was made for another account or message or with another
        ``allow_duplicates``, or if the tables do not exist.
        """

        async def enter(db: AsyncConnection, tables: Tables) -> Campaign | None:
            if not await self._has_tables(db, tables, make=self._create and not dry):
                return None
            found = await find_campaign(db, tables, self.campaign)
            if found is None and not dry:
                await create_campaign(db, tables, self.campaign, purpose)
                found = await find_campaign(db, tables, self.campaign)
            if found is not None:
                found.purpose.check(purpose)
            return found

        self._resource.acquire()
        try:
            return _SqlRun(self._resource, await self._resource.write(enter), dry)
        except BaseException:
            await self._resource.release()
            raise

    async def _has_tables(self, db: AsyncConnection, tables: Tables, *, make: bool) -> bool:
        """Tell whether the tables exist, after creating them (``make``); raise if the caller must create them."""
        if await has_tables(db, tables):
            return True
        if not self._create:
            raise JournalError("there are no tables: await create_schema(), or pass create=True")
        if make:
            await create_schema(db, tables)
        return make

    async def record(self, reports: Iterable[Report]) -> int:
        """Add status reports to their calls; return how many belong to calls of this campaign.

        Besides the custom id or message id, the number, account and product of a report must agree.
        """
        async with self:
            campaign = await self._campaign()
            count = 0
            for page in pages_of(reports):
                count += await self._record(campaign, page)
            return count

    async def _record(self, campaign: Campaign, page: list[Report]) -> int:
        return await self._resource.write(lambda db, tables: record(db, tables, campaign, page))

    async def summary(self) -> Summary:
        """Count the calls by state."""
        async with self:
            campaign = await self._campaign()
            return await self._resource.read(lambda db, tables: reading.summary(db, tables, campaign))

    async def lines(self) -> AsyncIterator[Line]:
        """Iterate over all calls in the order of their first claims, in flat memory."""
        async with self:
            campaign = await self._campaign()
            last = -1
            while found := await self._page(campaign, last):
                for last, line in found:  # noqa: B007 - the next page begins after it
                    yield line

    async def _page(self, campaign: Campaign, last: int) -> list[tuple[int, Line]]:
        return await self._resource.read(lambda db, tables: reading.page(db, tables, campaign, last))

    async def _campaign(self) -> Campaign:
        """Find the campaign, which must exist."""

        async def find(db: AsyncConnection, tables: Tables) -> Campaign | None:
            if not await self._has_tables(db, tables, make=False):
                return None
            return await find_campaign(db, tables, self.campaign)

        found = await self._resource.read(find)
        if found is None:
            raise JournalError("no run has begun in it yet", self._resource.where)
        return found


@define(eq=False)
class _SqlRun:
    """A run, and the open claims of the run."""

    _connections: Connections
    _campaign: Campaign | None
    """None: the campaign does not exist, and a dry run creates no campaign."""
    _dry: bool
    _open: dict[str, tuple[Claim, State]] = field(factory=dict)
    """By token; each with the state at the end of the run."""
    _ended: bool = False

    async def look(self, keys: Sequence[Key]) -> Sequence[Standing | None]:
        """Return the standing of each call; None: the call was never claimed."""
        campaign = self._campaign
        if campaign is None:
            return [None] * len(keys)
        return await self._connections.read(lambda db, tables: statements.look(db, tables, campaign, keys))

    async def begin(self, claim: Claim) -> bool:
        """Claim a batch durably: whole (True) or not at all (False).

        If this fails or is cancelled, the batch may have been claimed nevertheless; as the request does not leave, the
        batch is free from the end of the run on.
        """
        campaign = self._campaign
        if self._ended or self._dry or campaign is None:
            reason = "this run has ended" if self._ended else "a dry run claims nothing"
            raise JournalError(reason, self._connections.where)
        if claim.token in self._open:
            return False
        # The time counts from the moment of claiming, and this call may take up to the timeout to return.
        claim = evolve(claim, lasts=claim.lasts + self._connections.timeout)
        unanswered = 0
        self._open[claim.token] = claim, State.NOT_SENT

        async def begin_new(db: AsyncConnection, tables: Tables) -> bool:
            nonlocal unanswered
            unanswered += 1
            begun = await single_statements.begin_new(db, tables, campaign, claim)
            unanswered -= 1
            return begun

        async def begin(db: AsyncConnection, tables: Tables) -> bool:
            nonlocal unanswered
            unanswered += 1
            return await statements.begin(db, tables, campaign, claim=claim, again=unanswered > 1)

        begun = await self._connections.write(begin, first=begin_new)
        if begun:
            self._open[claim.token] = claim, State.UNKNOWN
        else:
            del self._open[claim.token]
        return begun

    async def close(
        self, claim: Claim, state: State, *, reason: str = "", message_ids: Sequence[str] | None = None
    ) -> None:
        """Write the outcome of a claim durably."""
        ids = message_ids if state is State.ACCEPTED else None
        write = self._of_campaign(statements.close, claim, state, reason, ids or ())

        async def write_once(db: AsyncConnection, tables: Tables) -> bool:
            await write(db, tables)
            return True

        await self._connections.write(write, first=write_once)
        self._open.pop(claim.token, None)

    async def end(self) -> None:
        """Release the journal; claims of this run that are still open are unknown from now on."""
        if self._ended:
            return
        self._ended = True
        try:
            for state in {state for _, state in self._open.values()}:
                claims = [claim for claim, then in self._open.values() if then is state]
                await self._connections.write(self._of_campaign(statements.end, claims, state))
        finally:
            self._open.clear()
            await self._connections.release()

    def _of_campaign(
        self, statement: Callable[..., Awaitable[_Result]], *arguments: object
    ) -> Callable[[AsyncConnection, Tables], Awaitable[_Result]]:
        return lambda db, tables: statement(db, tables, self._campaign, *arguments)
