"""The service's window behind a network, in virtual time: exact, and the same in every run.

The service keeps a log of counted requests. A request that arrives when the log has as many requests
as the limit within the period, both ends included, is refused and not counted.
"""

import asyncio
import random
import sys
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from math import log
from pathlib import Path
from typing import Final
from unittest import mock

from attrs import field, frozen

# The event loop in virtual time belongs to the tests.
sys.path.append(str(Path(__file__).parent.parent / "tests"))
from support.virtual_time import VirtualLoop

__all__ = ["NETWORKS", "PERIOD", "REQUESTS", "Acquire", "Outcome", "play", "virtually"]

REQUESTS: Final = 10
PERIOD: Final = 1.0
_IN_FLIGHT: Final = 64
_SEED: Final = 20260302

Acquire = Callable[[], Awaitable[Callable[[], object]]]
"""Waits until a request may be sent; returns the function to call after the response."""


def _uniform(chance: random.Random) -> Iterator[tuple[float, float]]:
    while True:
        yield chance.uniform(0.005, 0.060), chance.uniform(0.005, 0.060)


def _heavy(chance: random.Random) -> Iterator[tuple[float, float]]:
    # Log-normal: half of the trips take more than 20 ms, one percent more than 400 ms.
    middle, spread = log(0.020), log(20) / 2.3263
    while True:
        yield chance.lognormvariate(middle, spread), chance.lognormvariate(middle, spread)


def _blocks(_: random.Random) -> Iterator[tuple[float, float]]:
    # Delayed and undelayed requests arrive together.
    while True:
        yield from [(0.3, 0.0)] * REQUESTS
        yield from [(0.0, 0.0)] * REQUESTS


NETWORKS: Final[dict[str, Callable[[random.Random], Iterator[tuple[float, float]]]]] = {
    "uniform 5-60 ms": _uniform,
    "heavy tail": _heavy,
    "0 and 300 ms in turn": _blocks,
}
"""Seconds to the service and back of each request, by the name of the network."""


@frozen
class Outcome:
    """The result of a run: the share of refusals, and the accepted share of the safe maximum."""

    refused: float
    throughput: float


@frozen
class _Service:
    counted: deque[float] = field(factory=deque)

    def accepts(self, now: float) -> bool:
        """Count a request that arrives ``now``, or refuse it."""
        while self.counted and now - self.counted[0] > PERIOD:
            self.counted.popleft()
        if len(self.counted) >= REQUESTS:
            return False
        self.counted.append(now)
        return True


async def _flood(acquire: Acquire, trips: list[tuple[float, float]]) -> Outcome:
    loop = asyncio.get_running_loop()
    service = _Service()
    left = list(reversed(trips))
    accepted = 0

    async def worker() -> None:
        nonlocal accepted
        while left:
            there, back = left.pop()
            answered = await acquire()
            await asyncio.sleep(there)
            accepted += service.accepts(loop.time())
            await asyncio.sleep(back)
            answered()

    began = loop.time()
    await asyncio.gather(*(worker() for _ in range(_IN_FLIGHT)))
    took = loop.time() - began
    # The maximum for a limiter that knows only the times of sending and of the response.
    safe = REQUESTS / (PERIOD + sum(map(sum, trips)) / len(trips))
    return Outcome(1 - accepted / len(trips), accepted / took / safe)


class _Loop(VirtualLoop):
    """Each turn of the loop takes a microsecond, as a clock that stands still hides rounding errors."""

    def _run_once(self) -> None:
        self.now += 1e-6
        super()._run_once()  # type: ignore[misc]


def virtually(main: Callable[[], Awaitable[object]]) -> object:
    """Run in virtual time, with all clocks of the limiters replaced."""
    with asyncio.Runner(loop_factory=_Loop) as runner, ExitStack() as patches:
        loop = runner.get_loop()
        clocks: dict[str, Callable[[], float]] = {
            "time.time": loop.time,
            "time.monotonic": loop.time,
            "pyrate_limiter.clocks.monotonic_ns": lambda: int(loop.time() * 1e9),
        }
        for name, clock in clocks.items():
            patches.enter_context(mock.patch(name, clock))

        async def begin() -> object:
            return await main()

        return runner.run(begin())


def play(network: str, make: Callable[[int, float], Acquire], number: int) -> Outcome:
    """Send ``number`` requests through a network, as fast as the limiter allows."""
    trips = NETWORKS[network](random.Random(_SEED))  # noqa: S311 - no secret
    some = [next(trips) for _ in range(number)]

    async def main() -> Outcome:
        return await _flood(make(REQUESTS, PERIOD), some)

    outcome = virtually(main)
    assert isinstance(outcome, Outcome)  # noqa: S101
    return outcome
