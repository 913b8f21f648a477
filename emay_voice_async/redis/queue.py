"""Those of one process who wait for slots that all processes share, in order of arrival.

One task speaks for all of them: it tells the server what has ended and asks for as many slots as
are wanted, in one command, then sleeps until the moment that the server named. It lives for as long
as there is something to say.
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
from emay_voice_async.redis.backoff import LONGEST_PAUSE, Outage, OutageError
from emay_voice_async.redis.fallback import Shelter
from emay_voice_async.redis.ledger import Ledger
from emay_voice_async.redis.protocol import Answer, Ask, Terms

__all__ = ["Desk", "Line"]

logger = logging.getLogger(__name__)


class Desk(Protocol):
    """Where a line has its turns. It bounds the time that one takes."""

    timeout: float
    terms: Terms

    async def turn(self, ask: Ask) -> Answer:
        """Have a turn. Raises :class:`OutageError`; anything else will not pass by itself."""
        ...


class Line:
    """The waiters of one process for one kind of call, for one event loop."""

    def __init__(self, desk: Desk, limit: RateLimit, share: RateLimit | None = None) -> None:
        self.limit = self._agreed = RateLimit(limit.requests, desk.terms.period / 1e6)
        self._desk = desk
        self._shelter = Shelter(share)
        self._ledger = Ledger("", desk.terms)
        self._outage = Outage()
        self._waiters: OrderedDict[asyncio.Future[int], None] = OrderedDict()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._poked = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._closing = False
        self._closed = False

    async def acquire(self, *, again: bool) -> "_LineLease":
        """Wait for a slot; cancelling leaves no trace."""
        waiter = self._bound().create_future()
        self._waiters[waiter] = None
        if again:
            self._waiters.move_to_end(waiter, last=False)
        self._moved()
        try:
            number = await waiter
        except asyncio.CancelledError:
            self._left(waiter)
            raise
        return _LineLease(self, number)

    def end(self, number: int, after: float, *, over_speed: bool) -> None:
        """End a lease, and have that told."""
        now = asyncio.get_running_loop().time()
        self._ledger.end(number, now + after, now, over_speed=over_speed)
        if over_speed:
            self._shelter.lower(now)
        self._moved()

    def give_back(self, number: int) -> None:
        """Give a slot back, and have that told at once."""
        self._ledger.give_back(number, asyncio.get_running_loop().time())
        self._moved()

    async def aclose(self) -> None:
        """Turn away those who wait, and tell what is left to tell, for two timeouts at most."""
        self._closing = True
        while (waiter := self._first()) is not None:
            waiter.set_exception(UsageError("pacer", "must not be closed while requests wait for slots"))
        self._moved()
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=2 * self._desk.timeout)
            self._task.cancel()
            await asyncio.wait({self._task})
        self._closed = True

    def _bound(self) -> asyncio.AbstractEventLoop:
        loop = asyncio.get_running_loop()
        if self._closing:
            raise UsageError("pacer", "is closed: make a new one")
        if self._loop is None:
            self._loop = loop
            # Not before: a process that was forked off must not have its parent's name.
            self._ledger.process = secrets.token_hex(8)
        if self._loop is not loop:
            raise UsageError("pacer", "belongs to another event loop: make one for each")
        return loop

    def _left(self, waiter: "asyncio.Future[int]") -> None:
        if waiter.cancelled():
            self._waiters.pop(waiter, None)
        elif waiter.exception() is None:
            # Cancelled in the moment between being given the slot and running on.
            self._ledger.give_back(waiter.result(), asyncio.get_running_loop().time())
        self._moved()

    def _first(self) -> "asyncio.Future[int] | None":
        """Take the first waiter that is still waiting out of the queue."""
        while self._waiters:
            waiter, _ = self._waiters.popitem(last=False)
            if not waiter.done():
                return waiter
        return None

    def _moved(self) -> None:
        """Look at everything anew: something has changed."""
        if self._loop is None or self._closed:
            return
        self._serve_locally(self._loop)
        idle = self._task is None or self._task.done()
        if idle and self._due(self._loop.time()) < math.inf:
            self._task = self._loop.create_task(self._run(self._loop))
        self._poked.set()

    def _due(self, now: float) -> float:
        due = self._ledger.due(now, len(self._waiters), closing=self._closing)
        # Somebody who comes while the attempts are rare need not wait for the next one.
        awaited = self._waiters or self._closing or self._ledger.watched
        return max(due, self._outage.retry_at(longest=self._ledger.pause if awaited else LONGEST_PAUSE))

    async def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        while (due := self._due(loop.time())) < math.inf:
            if due <= loop.time():
                await self._turn(loop)
                continue
            self._poked.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout_at(due):
                    await self._poked.wait()

    async def _turn(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._shelter.is_open(loop.time() + self._desk.timeout):
            # Should it be answered, slots will have been taken without the server until then.
            self._ledger.return_with(self._desk.timeout)
        ask = self._ledger.ask(loop.time(), len(self._waiters))
        try:
            answer = await self._desk.turn(ask)
        except asyncio.CancelledError:
            self._ledger.lost(ask, loop.time())
            raise
        except Exception as error:
            self._ledger.lost(ask, loop.time())
            self._failed(error, loop.time())
        else:
            self._answered(ask, answer, loop.time())
        self._serve_locally(loop)

    def _failed(self, error: Exception, now: float) -> None:
        if self._outage.failed(now):
            logger.warning("the server of the shared rate limit cannot be used: %s", error)
        if isinstance(error, OutageError):
            self._shelter.begin(now)
            return
        if self._closing:
            self._ledger.drop_news()
        while (waiter := self._first()) is not None:
            waiter.set_exception(error)

    def _answered(self, ask: Ask, answer: Answer, now: float) -> None:
        since = self._outage.over()
        if since is not None:
            logger.warning("the server of the shared rate limit is back after %.1f seconds", now - since)
        if self._shelter.is_open(now):
            self._ledger.return_with(self._desk.timeout)
        self._shelter.end()
        if ask.epoch not in ("", answer.epoch):
            logger.warning("the state of the shared rate limit was lost; one period is waited")
        self._note(answer)
        self._serve(self._ledger.answered(ask, answer, now), now)

    def _note(self, answer: Answer) -> None:
        agreed = RateLimit(answer.requests, answer.period)
        at_full_speed = self.limit.requests == self._agreed.requests
        if agreed != self._agreed:
            logger.warning(
                "the account's processes keep to %d requests in %g seconds, the strictest limit of theirs",
                agreed.requests,
                agreed.period,
            )
        if at_full_speed and answer.slots < agreed.requests:
            logger.warning(
                "ERROR_OVER_SPEED: the account is used elsewhere too; going on with %d slots", answer.slots
            )
        self._agreed = agreed
        self.limit = RateLimit(answer.slots, answer.period)

    def _serve(self, numbers: Iterable[int], now: float) -> None:
        for number in numbers:
            waiter = self._first()
            if waiter is None:
                self._ledger.give_back(number, now)
            else:
                waiter.set_result(number)

    def _serve_locally(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for _ in range(self._shelter.free(now, self._ledger)):
            waiter = self._first()
            if waiter is None:
                break
            waiter.set_result(self._ledger.grant(now))
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        when = self._shelter.next_change(now, self._ledger)
        if self._waiters and when < math.inf:
            self._timer = loop.call_at(when, self._moved)


class _LineLease:
    __slots__ = ("_line", "_number")

    def __init__(self, line: Line, number: int) -> None:
        self._line = line
        self._number = number

    def end(self, *, after: float = 0.0, over_speed: bool = False) -> None:
        self._line.end(self._number, after, over_speed=over_speed)

    def give_back(self) -> None:
        self._line.give_back(self._number)
