"""Pacers under test, which the user of the suite makes, and how the rules use them."""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import ClassVar, Final

from emay_voice_async.model.endpoints import Call
from emay_voice_async.model.limits import RateLimit, RateLimits
from emay_voice_async.pacing.protocol import Lease, Pacer
from emay_voice_async.testing.rules import ConformanceSuite, same, true

__all__ = ["CountingService", "PacerRules", "acquired_after", "cancelled", "not_granted", "waiting"]

_MILLISECONDS: Final = 1000


class PacerRules(ConformanceSuite):
    """Rules that are checked on new pacers each."""

    period: ClassVar[float] = 0.2
    """The period of the limits in seconds: long enough for the pacer's own traffic, and short, since the rules wait."""

    def pacers(self, limits: RateLimits) -> AbstractAsyncContextManager[Callable[[], Pacer]]:
        """Provide a function that makes a pacer of an account that was never used, with these limits.

        Called again, the function makes a pacer as another process of the account would have it. Of a pacer for one
        process the function returns the same pacer again.
        """
        raise NotImplementedError("return a context manager of a function that makes a pacer")

    @contextlib.asynccontextmanager
    async def pacer(self, requests: int | None) -> AsyncIterator[Pacer]:
        """Provide a pacer with this limit for sends, and the same limit for each other kind of call."""
        limit = None if requests is None else RateLimit(requests, self.period)
        async with self.pacers(RateLimits(limit, limit, limit)) as make:
            yield make()


class CountingService:
    """The window of the service: an exact log of arrivals on a millisecond clock."""

    def __init__(self, requests: int, period: float) -> None:
        self.refused: int = 0
        self.counted: int = 0
        self._requests = requests
        self._period = round(period * _MILLISECONDS)
        self._log: deque[int] = deque()

    def arrive(self) -> bool:
        """Count a request at this moment, or refuse it."""
        moment = int(asyncio.get_running_loop().time() * _MILLISECONDS)
        while self._log and moment - self._log[0] > self._period:
            self._log.popleft()
        if len(self._log) >= self._requests:
            self.refused += 1
            return False
        self._log.append(moment)
        self.counted += 1
        return True


async def acquired_after(pacer: Pacer, call: Call = Call.SEND) -> tuple[Lease, float]:
    """Acquire a slot; return the lease and the seconds until it was granted."""
    loop = asyncio.get_running_loop()
    start = loop.time()
    return await pacer.acquire(call), loop.time() - start


@contextlib.asynccontextmanager
async def waiting(pacer: Pacer, *, again: bool = False) -> AsyncIterator["asyncio.Task[Lease]"]:
    """Have a request wait for a slot, which is not free; a grant that was not used is given back at the end."""
    task = asyncio.ensure_future(pacer.acquire(Call.SEND, again=again))
    try:
        await asyncio.sleep(0)
        yield task
    finally:
        if await cancelled(task):
            task.result().give_back()


async def cancelled(task: "asyncio.Task[Lease]") -> bool:
    """Cancel a request that waits; tell whether a slot was granted before."""
    task.cancel()
    await asyncio.wait({task})
    return not task.cancelled() and task.exception() is None


async def not_granted(task: "asyncio.Task[Lease]", seconds: float, reason: str) -> None:
    """Check that no slot is granted within these seconds."""
    await asyncio.wait({task}, timeout=seconds)
    if task.done():
        same(task.exception(), None, "waiting for a slot")
    true(not task.done(), reason)
