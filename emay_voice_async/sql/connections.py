"""The connections of a journal: opened when needed, used in transactions, retried after a failure."""

import asyncio
import math
import random
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any, Final, TypeVar

from anyio import CancelScope
from anyio.lowlevel import checkpoint_if_cancelled
from sqlalchemy import URL, AsyncAdaptedQueuePool
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from emay_voice_async.errors import JournalError
from emay_voice_async.journal.files import create_private
from emay_voice_async.journal.lifetime import ReferenceCounted
from emay_voice_async.sql.dialects import DIALECTS
from emay_voice_async.sql.failures import may_pass
from emay_voice_async.sql.tables import Tables
from emay_voice_async.sql.urls import checked_url, database_file, shown

__all__ = ["Connections"]

_Result = TypeVar("_Result")
_Work = Callable[[AsyncConnection, Tables], Awaitable[_Result]]

_PAUSES: Final = (0.02, 0.1, 0.3, 1.0, 2.0)
"""Seconds before each retry: after a deadlock, a lock timeout, a lost connection."""


class Connections(ReferenceCounted):
    """The connections of one journal object.

    ``database``: a URL, or an engine of the caller, which is never disposed of. ``timeout``: seconds for one call of
    :meth:`read` or :meth:`write`, retries included. ``where`` names the journal in errors.
    """

    def __init__(
        self, database: str | URL | AsyncEngine, campaign: str, *, prefix: str, timeout: float
    ) -> None:
        super().__init__()
        self._given = database if isinstance(database, AsyncEngine) else None
        self._url = checked_url(database)
        dialect = DIALECTS[self._url.get_backend_name()]
        self._tables = Tables(prefix, dialect)
        self._isolation = {"isolation_level": dialect.isolation}
        self._reading = dialect.reading
        self._single_statements = dialect.single_statements
        # An engine made here has this isolation from the start; a given engine may commit each statement by itself.
        self._writing = {} if self._given is None else self._isolation
        self._engine: AsyncEngine | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._file = None if self._given is not None else database_file(self._url)
        # Connections to a file would wait for each other's locks in no order, each for as long as SQLite waits; a pool
        # of one has a queue.
        self._pool: dict[str, Any] = {}
        if self._file is not None:
            # SQLAlchemy before 2.0.38 has no pool for a file by itself.
            self._pool = {
                "poolclass": AsyncAdaptedQueuePool,
                "pool_size": 1,
                "max_overflow": 0,
                "pool_timeout": timeout,
            }
        self.where: str = f"{campaign!r} in {shown(self._url)}"
        self.timeout = timeout

    async def aclose(self) -> None:
        """Close connections made here; a given engine stays open."""
        engine, self._engine = self._engine, None
        if engine is not None:
            await engine.dispose()

    async def read(self, work: _Work[_Result]) -> _Result:
        """Call ``work`` with a connection and the tables, to read; raise :class:`JournalError` if that fails."""
        return await _uncancelled(self._use(work, self._reading))

    async def write(self, work: _Work[_Result], *, first: _Work[_Result] | None = None) -> _Result:
        """Call ``work`` in a transaction, again after a failure; raise :class:`JournalError` if that fails.

        A cancelled caller waits for the end of the transaction, so that no transaction is left half done. ``first``: a
        single statement that is tried once before, where the database has single statements; if its result is true,
        ``work`` is not called. Such a statement is a transaction by itself, without the round trips of the beginning
        and the end, but in the isolation that the server has by default: after a failure ``work`` goes on.
        """
        return await _uncancelled(self._use(work, self._writing, first if self._single_statements else None))

    async def _use(
        self, work: _Work[_Result], options: dict[str, Any], first: _Work[_Result] | None = None
    ) -> _Result:
        async with self:
            try:
                async with asyncio.timeout(self.timeout):
                    if first is not None and (result := await self._try(first)):
                        return result
                    return await self._retry(work, options)
            except TimeoutError as error:
                raise JournalError(f"no answer within {self.timeout:.3g} seconds", self.where) from error
            except JournalError as error:
                raise JournalError(error.reason, self.where) from None
            except Exception as error:
                # SQLAlchemy's own text would show the statement and the parameters, whole numbers included.
                cause = getattr(error, "orig", None) or error
                raise JournalError(str(cause) or type(cause).__name__, self.where) from cause

    async def _try(self, work: _Work[_Result]) -> _Result | None:
        """Do the work in a statement by itself; None: it failed, and the failure may pass."""
        try:
            return await self._attempt(work, self._reading)
        except Exception as error:
            if not may_pass(error, 1):
                raise
            return None

    async def _retry(self, work: _Work[_Result], options: dict[str, Any]) -> _Result:
        """Do the work in a transaction, again after a failure while time is left."""
        loop = asyncio.get_running_loop()
        end = loop.time() + self.timeout
        pauses = iter(_PAUSES)
        attempt = 0
        while True:
            attempt += 1
            try:
                return await self._attempt(work, options)
            except JournalError:
                raise
            except Exception as error:
                pause = next(pauses, math.inf)
                if loop.time() + 2 * pause > end or not may_pass(error, attempt):
                    raise
                await asyncio.sleep(random.uniform(0.5, 1.5) * pause)  # noqa: S311 - no secret

    async def _attempt(self, work: _Work[_Result], options: dict[str, Any]) -> _Result:
        async with self._current_engine().connect() as connection:
            # As an option of the engine, this would lose a pooled connection that was cut.
            await connection.execution_options(**options)
            async with connection.begin():
                return await work(connection, self._tables)

    def _current_engine(self) -> AsyncEngine:
        """Return the engine; connections work in their own event loop only."""
        if self._given is not None:
            return self._given
        loop = asyncio.get_running_loop()
        if self._engine is None or self._loop is not loop:
            if self._file is not None:
                create_private(self._file)
            self._engine = create_async_engine(
                self._url, hide_parameters=True, **self._isolation, **self._pool
            )
            self._loop = loop
        return self._engine


async def _uncancelled(work: Coroutine[Any, Any, _Result]) -> _Result:
    """Await the end of work; a caller that was cancelled meanwhile is cancelled afterwards."""
    task = asyncio.create_task(work)
    cancelled: asyncio.CancelledError | None = None
    # A cancel scope of anyio cancels in each turn of the loop, unless shielded.
    with CancelScope(shield=True):
        while not task.done():
            try:
                await asyncio.wait([task])
            except asyncio.CancelledError as error:
                cancelled = error
    if cancelled is None:
        try:
            await checkpoint_if_cancelled()
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is None:
        return task.result()
    with suppress(BaseException):
        # Marks an exception of the work as retrieved.
        task.result()
    raise cancelled
