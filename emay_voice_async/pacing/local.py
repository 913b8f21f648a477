"""The pacer of a single process: waiters in order of arrival, a queue per kind of call."""

import asyncio
import logging
import math
from collections import OrderedDict
from typing import Final

from emay_voice_async.model.endpoints import Call
from emay_voice_async.model.limits import RateLimit, RateLimits
from emay_voice_async.pacing.protocol import Lease
from emay_voice_async.pacing.window import HOST_TICK, Window

__all__ = ["LocalPacer"]

logger: logging.Logger = logging.getLogger(__name__)

_SERVED_AT_ONCE: Final = 50
"""Waiters served in a turn of the event loop. Each goes on to send a request in the next turn."""


class LocalPacer:
    """The pacer of a single process and event loop.

    ``cold_start``: begin as if a process that just died had used every slot. ``tick``: seconds
    between two different readings of the event loop's clock.
    """

    def __init__(self, limits: RateLimits, *, cold_start: bool = False, tick: float = HOST_TICK) -> None:
        self._queues = {
            call: _Queue(limit, cold_start=cold_start, tick=tick)
            for call in Call
            if (limit := limits.of(call)) is not None
        }

    async def acquire(self, call: Call, *, again: bool = False) -> Lease:
        """Wait for a slot in order of arrival; a cancelled call leaves no slot taken."""
        queue = self._queues.get(call)
        if queue is None:
            return _UNLIMITED
        if not queue.take():
            await queue.wait(again=again)
        return queue

    def limit(self, call: Call) -> RateLimit | None:
        """Return the limit in force at this moment."""
        queue = self._queues.get(call)
        return None if queue is None else queue.limit()


class _Unlimited:
    def end(self, *, after: float = 0.0, over_speed: bool = False) -> None:
        """Do nothing: no slot was taken."""

    def give_back(self) -> None:
        """Do nothing: no slot was taken."""


_UNLIMITED = _Unlimited()


class _Queue:
    """A kind of call: the window, the waiters, and a single timer for all of them.

    The queue is the lease of every request as well: a lease has no state, and making an object for
    each would be most of the cost of a slot (``benchmarks -- limiter``).
    """

    def __init__(self, limit: RateLimit, *, cold_start: bool, tick: float) -> None:
        self._limit = limit
        self._tick = tick
        self._window = Window(limit, tick)
        self._cold = cold_start
        self._loop: asyncio.AbstractEventLoop | None = None
        # Ordered, with O(1) removal from the middle. (Finding the front of a dict gets slow.)
        self._waiters: OrderedDict[asyncio.Future[None], None] = OrderedDict()
        self._timer: asyncio.TimerHandle | None = None
        self._continuation: asyncio.Handle | None = None

    def limit(self) -> RateLimit:
        """Return the limit in force at this moment."""
        if self._loop is None:
            return self._limit
        return RateLimit(self._window.slots(self._loop.time()), self._limit.period)

    def take(self) -> bool:
        """Take a slot if a slot is free and no request waits for it."""
        loop = self._loop
        if loop is None or loop.is_closed():
            # Kept, as asking for the running loop each time is expensive (``benchmarks -- limiter``).
            loop = self._loop = asyncio.get_running_loop()
            self._continuation = None
        if self._cold:
            self._cold = False
            self._window.fill(loop.time())
        return not self._waiters and self._window.take(loop.time())

    async def wait(self, *, again: bool) -> None:
        """Wait for a slot; ``again``: in front of all others."""
        loop = asyncio.get_running_loop()
        waiter = loop.create_future()
        self._waiters[waiter] = None
        if again:
            self._waiters.move_to_end(waiter, last=False)
        self._set_timer(loop)
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.cancelled():
                self._waiters.pop(waiter, None)
            else:
                # Cancelled after the slot was granted and before the task ran again.
                self.give_back()
            raise

    def end(self, *, after: float = 0.0, over_speed: bool = False) -> None:
        """Free the slot when the window allows."""
        now = (self._loop or asyncio.get_running_loop()).time()
        self._window.end(now + after)
        if over_speed and self._window.lower(now):
            logger.warning(
                "ERROR_OVER_SPEED: another program uses the account as well; continuing with %d slots",
                self._window.slots(now),
            )
        if self._waiters:
            self._set_timer(asyncio.get_running_loop())

    def give_back(self) -> None:
        """Free the slot at once."""
        self._window.give_back()
        self._serve(asyncio.get_running_loop())

    def _serve(self, loop: asyncio.AbstractEventLoop) -> None:
        """Grant free slots to waiters; continue in the next turn of the loop when there are many."""
        if self._continuation is not None:
            self._continuation.cancel()
            self._continuation = None
        now = loop.time()
        for _ in range(_SERVED_AT_ONCE):
            if not self._waiters:
                break
            waiter = next(iter(self._waiters))
            if not waiter.cancelled():
                if not self._window.take(now):
                    break
                waiter.set_result(None)
            self._waiters.popitem(last=False)
        else:
            self._continuation = loop.call_soon(self._serve, loop)
        self._set_timer(loop)

    def _set_timer(self, loop: asyncio.AbstractEventLoop) -> None:
        """Have :meth:`_serve` called when the next slot can become free, if a request waits."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        when = self._window.next_change()
        if self._waiters and when < math.inf:
            # An event loop may call a tick too early, when no slot would be free yet.
            self._timer = loop.call_at(when + self._tick, self._serve, loop)
