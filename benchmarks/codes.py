"""The cost of a burst of verification codes, 1,000 requests in flight at once, over three HTTP clients."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from statistics import median
from typing import Any

from aiolimiter import AsyncLimiter

from benchmarks import by_hand, server
from benchmarks.clients import HTTP_CLIENTS, PLENTY, client
from benchmarks.findings import Finding, Plot, Reach, Table, compared
from benchmarks.measuring import interleaved
from benchmarks.samples import mobiles
from emay_voice_async import VerificationCode

__all__ = ["measure"]

HAND = "httpx and aiolimiter by hand"


def _by_hand(library: str) -> str:
    return f"{library} and aiolimiter by hand"


async def _measure(url: str, libraries: Sequence[str], burst: int, rounds: int) -> dict[str, list[float]]:
    numbers, message = mobiles(burst), VerificationCode("4711")
    limiter = AsyncLimiter(PLENTY.requests, PLENTY.period)

    async def hand(http: Any, mobile: str) -> None:
        async with limiter:
            await by_hand.send_code(http, url, mobile)

    contestants: dict[str, Callable[[], object]] = {}
    async with AsyncExitStack() as stack:
        for library in libraries:
            make = HTTP_CLIENTS[library]
            plain, shared = [await stack.enter_async_context(make()) for _ in range(2)]
            voice = await stack.enter_async_context(client(url, shared))

            async def by_hands(plain: Any = plain) -> None:
                await asyncio.gather(*(hand(plain, mobile) for mobile in numbers))

            async def ours(voice: Any = voice) -> None:
                await asyncio.gather(*(voice.send(message, mobile) for mobile in numbers))

            contestants |= {_by_hand(library): by_hands, f"this client, {library}": ours}
        return await interleaved(contestants, rounds=rounds, each=burst)


def measure(*, quick: bool = False) -> Finding:
    """Measure; return the tables, the goals and the plots."""
    burst, rounds = (50, 3) if quick else (1000, 7)
    with server.running() as url:
        samples = asyncio.run(_measure(server.slow(url), list(HTTP_CLIENTS), burst, rounds))
        at_once = asyncio.run(_measure(url, ["httpx"], burst, rounds))
    rows, ratios = compared(samples, [HAND, *map(_by_hand, list(HTTP_CLIENTS)[1:])])
    rows_at_once, _ = compared(at_once, [HAND])
    return Finding(
        name="codes",
        title="What does a burst of verification codes cost?",
        meaning=(
            "No more than by hand. For bursts pass an httpx-aiohttp client in: a code takes a fraction of the CPU,"
            " because the pools of httpx and httpx2 are the cost."
        ),
        text=(
            f"CPU time of the process for one verification code, when {burst:,} are sent at once, each in a request of"
            f" its own, to a service that responds after {1e3 * server.DELAY:.0f} ms. By hand: an HTTP client,"
            " aiolimiter, dicts. Each client may open a connection for each request."
        ),
        tables=[
            Table(
                ("client", "CPU of one code", *(f"/ {_by_hand(library)}" for library in HTTP_CLIENTS)), rows
            ),
            Table(
                ("client", "CPU of one code", f"/ {HAND}"),
                rows_at_once,
                (
                    "The same with a service that responds at once. By hand all requests then wait for the few"
                    " connections of the burst before; this client opens more connections:"
                ),
            ),
        ],
        reaches=[
            Reach(
                "this client / httpx and aiolimiter by hand",
                1.0,
                ratios["this client, httpx", HAND].middle,
                "Most of the time is the pool of httpx, which compares all connections for each request.",
            )
        ],
        plots=[
            Plot(
                f"CPU of one verification code, {burst:,} in flight",
                "us",
                {"": [1e6 * median(found) for found in samples.values()]},
                list(samples),
            )
        ],
    )
