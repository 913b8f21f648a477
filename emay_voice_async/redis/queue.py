"""The waiters of a process for slots that all processes of an account share, in order of arrival.

A single task syncs with the server for all waiters: a command tells which leases have ended and
asks for the slots that are wanted; then the task sleeps until the instant that the server named. The
task ends when no change is pending and no request waits.
"""

import asyncio
import logging
import math
import secrets
from collections import OrderedDict
from collections.abc import Iterable
from contextlib import suppress
from typing import Protocol

from emay_voice_async.errors import UsageError
from emay_voice_async.model.limits import RateLimit
from emay_voice_async.redis.backoff import LONGEST_PAUSE, Backoff, UnavailableError
from emay_voice_async.redis.fallback import Fallback
from emay_voice_async.redis.ledger import Ledger
from emay_voice_async.redis.protocol import SyncRequest, SyncResponse, Terms

__all__ = ["SharedQueue", "SyncServer"]

logger: logging.Logger = logging.getLogger(__name__)


class SyncServer(Protocol):
    """The server that holds the shared state of an account for one kind of call."""

    timeout: float
    """Seconds that a request may take; the server enforces them."""
    terms: Terms

    async def sync(self, request: SyncRequest) -> SyncResponse:
        """Execute a request.

        Raises :class:`UnavailableError` if a retry may succeed. Any other exception is permanent.
        """
        ...


class SharedQueue:
    """The waiters of a process for one kind of call, in a single event loop."""

    def __init__(self, server: SyncServer, limit: RateLimit, fallback: RateLimit | None = None) -> None:
        self.limit: RateLimit = RateLimit(limit.requests, server.terms.period / 1e6)
        self._agreed = self.limit
        self._server = server
        self._fallback = Fallback(fallback)
        self._ledger = Ledger("", server.terms)
        self._backoff = Backoff()
        self._waiters: OrderedDict[asyncio.Future[int], None] = OrderedDict()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._closing = False
        self._closed = False

    async def acquire(self, *, again: bool) -> "_SharedLease":
        """Wait for a slot; a cancelled call leaves no slot taken."""
        waiter = self._bound().create_future()
        self._waiters[waiter] = None
        if again:
            self._waiters.move_to_end(waiter, last=False)
        self._update()
        try:
            number = await waiter
        except asyncio.CancelledError:
            self._cancelled(waiter)
            raise
        return _SharedLease(self, number)

    def end(self, number: int, after: float, *, over_speed: bool) -> None:
        """End a lease; the server is told a little later, together with other leases."""
        now = asyncio.get_running_loop().time()
        self._ledger.end(number, now + after, now, over_speed=over_speed)
        if over_speed:
            self._fallback.lower(now)
        self._update()

    def give_back(self, number: int) -> None:
        """Return a slot; the server is told at once."""
        self._ledger.give_back(number, asyncio.get_running_loop().time())
        self._update()

    async def aclose(self) -> None:
        """Fail the waiters, and send the pending changes, for two timeouts at most."""
        self._closing = True
        while (waiter := self._pop_waiter()) is not None:
            waiter.set_exception(UsageError("pacer", "must not be closed while requests wait for slots"))
        self._update()
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=2 * self._server.timeout)
            self._task.cancel()
            await asyncio.wait({self._task})
        self._closed = True

    def _bound(self) -> asyncio.AbstractEventLoop:
        loop = asyncio.get_running_loop()
        if self._closing:
            raise UsageError("pacer", "is closed: make a new one")
        if self._loop is None:
            self._loop = loop
            # Made here, not in the constructor: a forked process must not share the parent's name.
            self._ledger.process = secrets.token_hex(8)
        if self._loop is not loop:
            raise UsageError("pacer", "belongs to another event loop: make one for each")
        return loop

    def _cancelled(self, waiter: "asyncio.Future[int]") -> None:
        if waiter.cancelled():
            self._waiters.pop(waiter, None)
        elif waiter.exception() is None:
            # Cancelled after the slot was granted and before the task ran again.
            self._ledger.give_back(waiter.result(), asyncio.get_running_loop().time())
        self._update()

    def _pop_waiter(self) -> "asyncio.Future[int] | None":
        """Remove and return the first waiter that still waits."""
        while self._waiters:
            waiter, _ = self._waiters.popitem(last=False)
            if not waiter.done():
                return waiter
        return None

    def _update(self) -> None:
        """React to a change of waiters or leases: serve, and start or wake the task."""
        if self._loop is None or self._closed:
            return
        self._serve_fallback(self._loop)
        idle = self._task is None or self._task.done()
        if idle and self._due(self._loop.time()) < math.inf:
            self._task = self._loop.create_task(self._run(self._loop))
        self._changed.set()

    def _due(self, now: float) -> float:
        due = self._ledger.due(now, len(self._waiters), closing=self._closing)
        # A request that arrives during a long backoff does not wait for the end of that backoff.
        awaited = self._waiters or self._closing or self._ledger.unconfirmed
        return max(due, self._backoff.retry_at(longest=self._ledger.pause if awaited else LONGEST_PAUSE))

    async def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        while (due := self._due(loop.time())) < math.inf:
            if due <= loop.time():
                await self._sync(loop)
                continue
            self._changed.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout_at(due):
                    await self._changed.wait()

    async def _sync(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._fallback.applies(loop.time() + self._server.timeout):
            # Until the response comes, slots may be taken by the fallback limit.
            self._ledger.register_all(self._server.timeout)
        request = self._ledger.next_request(loop.time(), len(self._waiters))
        try:
            response = await self._server.sync(request)
        except asyncio.CancelledError:
            self._ledger.lost(request, loop.time())
            raise
        except Exception as error:
            self._ledger.lost(request, loop.time())
            self._failed(error, loop.time())
        else:
            self._answered(request, response, loop.time())
        self._serve_fallback(loop)

    def _failed(self, error: Exception, now: float) -> None:
        if self._backoff.failed(now):
            logger.warning("the Redis server of the shared rate limit cannot be used: %s", error)
        if isinstance(error, UnavailableError):
            self._fallback.start(now)
            return
        if self._closing:
            self._ledger.discard_changes()
        while (waiter := self._pop_waiter()) is not None:
            waiter.set_exception(error)

    def _answered(self, request: SyncRequest, response: SyncResponse, now: float) -> None:
        since = self._backoff.succeeded()
        if since is not None:
            logger.warning(
                "the Redis server of the shared rate limit is back after %.1f seconds", now - since
            )
        if self._fallback.applies(now):
            self._ledger.register_all(self._server.timeout)
        self._fallback.stop()
        if request.epoch not in ("", response.epoch):
            logger.warning("the state of the shared rate limit was lost, or its clock stepped; requests wait")
        self._note_limit(response)
        self._serve(self._ledger.answered(request, response, now), now)

    def _note_limit(self, response: SyncResponse) -> None:
        agreed = RateLimit(response.requests, response.period)
        at_full_speed = self.limit.requests == self._agreed.requests
        if agreed != self._agreed:
            logger.warning(
                "the limit of the account is now %d requests in %g seconds, the strictest of its processes",
                agreed.requests,
                agreed.period,
            )
        if at_full_speed and response.slots < agreed.requests:
            logger.warning(
                "ERROR_OVER_SPEED: another program uses the account as well; continuing with %d slots",
                response.slots,
            )
        self._agreed = agreed
        self.limit = RateLimit(response.slots, response.period)

    def _serve(self, numbers: Iterable[int], now: float) -> None:
        for number in numbers:
            waiter = self._pop_waiter()
            if waiter is None:
                self._ledger.give_back(number, now)
            else:
                waiter.set_result(number)

    def _serve_fallback(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for _ in range(self._fallback.free(now, self._ledger)):
            waiter = self._pop_waiter()
            if waiter is None:
                break
            waiter.set_result(self._ledger.grant(now))
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        when = self._fallback.next_change(now, self._ledger)
        if self._waiters and when < math.inf:
            self._timer = loop.call_at(when, self._update)


class _SharedLease:
    __slots__ = ("_number", "_queue")

    def __init__(self, queue: SharedQueue, number: int) -> None:
        self._queue = queue
        self._number = number

    def end(self, *, after: float = 0.0, over_speed: bool = False) -> None:
        self._queue.end(self._number, after, over_speed=over_speed)

    def give_back(self) -> None:
        self._queue.give_back(self._number)
