"""The cost and the throughput of pacing, compared with published limiters."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from statistics import median
from typing import Final

import aiolimiter
import limits
import limits.aio.storage
import limits.aio.strategies
import pyrate_limiter
import throttled.asyncio as throttled

from benchmarks.findings import Finding, Plot, Reach, Table, compared, seconds
from benchmarks.measuring import interleaved
from benchmarks.networks import NETWORKS, Acquire, play, virtually
from emay_voice_async.model.endpoints import Call
from emay_voice_async.model.limits import RateLimit, RateLimits
from emay_voice_async.pacing.local import LocalPacer

__all__ = ["measure"]

OURS: Final = "this client"
RELEASED: Final = "this client, with the release"
AIOLIMITER: Final = "aiolimiter"
_LONG: Final = 1e9

Wait = Callable[[], Awaitable[object]]


def _pacer(requests: int, period: float) -> LocalPacer:
    return LocalPacer(RateLimits(send=RateLimit(requests, period)))


def _aiolimiter(requests: int, period: float) -> Wait:
    acquire: Wait = aiolimiter.AsyncLimiter(requests, period).acquire
    return acquire


def _pyrate(requests: int, period: float) -> Wait:
    bucket = pyrate_limiter.InMemoryBucket([pyrate_limiter.Rate(requests, int(1000 * period))])
    # Without the clean-up thread, which runs in real time.
    factory = pyrate_limiter.SingleBucketFactory(bucket, schedule_leak=False)
    acquire: Wait = pyrate_limiter.Limiter(factory).try_acquire_async
    return acquire


def _throttled(requests: int, period: float) -> Wait:
    quota = throttled.per_duration(timedelta(seconds=period), requests)
    limiter = throttled.Throttled(key="send", using="sliding_window", quota=quota, timeout=_LONG)
    acquire: Wait = limiter.limit
    return acquire


def _limits(requests: int, period: float) -> Wait:
    limiter = limits.aio.strategies.MovingWindowRateLimiter(limits.aio.storage.MemoryStorage())
    item = limits.RateLimitItemPerSecond(requests, int(period))

    async def acquire() -> None:
        # The library does not wait: users wait as written here.
        while not await limiter.hit(item):
            stats = await limiter.get_window_stats(item)
            await asyncio.sleep(max(0.001, stats.reset_time - time.time()))

    return acquire


PEERS: Final[dict[str, Callable[[int, float], Wait]]] = {
    AIOLIMITER: _aiolimiter,
    "pyrate-limiter": _pyrate,
    "throttled-py (sliding window)": _throttled,
    "limits (moving window)": _limits,
}


def _leased(requests: int, period: float) -> Acquire:
    pacer = _pacer(requests, period)

    async def acquire() -> Callable[[], object]:
        return (await pacer.acquire(Call.SEND)).end

    return acquire


def _unleased(make: Callable[[int, float], Wait], requests: int, period: float) -> Acquire:
    """Make an ``Acquire`` of a limiter that ignores responses."""
    wait = make(requests, period)

    async def acquire() -> Callable[[], object]:
        await wait()
        return bool

    return acquire


async def _uncontended(*, quick: bool) -> dict[str, list[float]]:
    """Take a slot where slots are always free; for our pacer also with the release."""
    plenty = 1_000_000, 1.0
    each = 100 if quick else 1000
    pacer, another = _pacer(*plenty), _pacer(*plenty)

    async def ours() -> None:
        for _ in range(each):
            await pacer.acquire(Call.SEND)

    async def released() -> None:
        for _ in range(each):
            (await another.acquire(Call.SEND)).end()

    async def theirs(wait: Wait) -> None:
        for _ in range(each):
            await wait()

    peers = {name: partial(theirs, make(*plenty)) for name, make in PEERS.items()}
    return await interleaved({OURS: ours, RELEASED: released, **peers}, rounds=3 if quick else 41, each=each)


def _crowd(make: Callable[[int, float], Acquire], number: int) -> float:
    """Let ``number`` tasks wait at once in virtual time until all had a slot; return the CPU per task."""
    per_second = 10_000

    async def main() -> None:
        acquire = make(per_second, 1.0)

        async def one() -> None:
            (await acquire())()

        await asyncio.gather(*(one() for _ in range(number)))

    started = time.process_time()
    virtually(main)
    return (time.process_time() - started) / number


def _crowds(number: int, rounds: int) -> dict[str, list[float]]:
    contestants: dict[str, Callable[[int, float], Acquire]] = {
        OURS: _leased,
        AIOLIMITER: partial(_unleased, _aiolimiter),
    }
    return {name: [_crowd(make, number) for _ in range(rounds)] for name, make in contestants.items()}


def measure(*, quick: bool = False) -> Finding:
    """Measure, and return the findings."""
    uncontended = asyncio.run(_uncontended(quick=quick))
    rows, ratios = compared(uncontended, [AIOLIMITER])
    crowd = 1_000 if quick else 100_000
    crowds = {name: median(found) for name, found in _crowds(crowd, 1 if quick else 3).items()}
    makers: dict[str, Callable[[int, float], Acquire]] = {
        OURS: _leased,
        **{name: partial(_unleased, make) for name, make in PEERS.items()},
    }
    number = 100 if quick else 2000
    played = {name: [play(network, make, number) for network in NETWORKS] for name, make in makers.items()}
    ours = played[OURS]
    return Finding(
        name="limiter",
        title="Is the speed limit kept, and what does keeping it cost?",
        meaning="No request is refused for speed, whatever the network does, for a microsecond of CPU each.",
        text=(
            "Left: CPU time to take a free slot, and CPU time of each of"
            f" {crowd:,} tasks that wait at once under a limit of 10,000 per second. Right, in virtual time and"
            f" therefore exact: {number:,} requests, 10 per second, through three networks to a service that"
            " counts as Emay's does. First the share that is refused with ERROR_OVER_SPEED, then the accepted"
            " requests per second, in per cent of the maximum that is safe without knowing when each request"
            " arrives. A limiter with refusals may show more than 100 %, because it takes risks."
        ),
        tables=[
            Table(
                ("limiter", "uncontended", "/ aiolimiter", "crowd", *NETWORKS),
                [
                    (
                        *row,
                        seconds(crowds[row[0]]) if row[0] in crowds else "-",
                        *(f"{one.refused:.1%} / {one.throughput:.1%}" for one in played.get(row[0], ())),
                        *([""] * len(NETWORKS) if row[0] not in played else []),
                    )
                    for row in rows
                ],
            )
        ],
        reaches=[
            Reach("refused of ours, any network", 0.0, max(one.refused for one in ours)),
            Reach(
                "accepted / the safe maximum, any network",
                0.97,
                min(one.throughput for one in ours),
                at_least=True,
            ),
            Reach("uncontended acquire, the SDK / aiolimiter", 1.0, ratios[OURS, AIOLIMITER].middle),
        ],
        plots=[
            Plot(
                "Refused by the service",
                "%",
                {name: [100 * one.refused for one in found] for name, found in played.items()},
                list(NETWORKS),
            ),
            Plot(
                "Taking a slot, uncontended",
                "us",
                {"": [1e6 * median(found) for found in uncontended.values()]},
                list(uncontended),
            ),
        ],
    )
