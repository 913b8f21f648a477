"""The cost of a burst of verification codes, 1,000 requests in flight at once, over three HTTP clients."""

import asyncio
from collections.abc import Callable
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


async def _measure(url: str, burst: int, rounds: int) -> dict[str, list[float]]:
    numbers, message = mobiles(burst), VerificationCode("4711")
    limiter = AsyncLimiter(PLENTY.requests, PLENTY.period)

    async def hand(http: Any, mobile: str) -> None:
        async with limiter:
            await by_hand.send_code(http, url, mobile)

    contestants: dict[str, Callable[[], object]] = {}
    async with AsyncExitStack() as stack:
        for library, make in HTTP_CLIENTS.items():
            plain, shared = [await stack.enter_async_context(make()) for _ in range(2)]
            voice = await stack.enter_async_context(client(url, shared))

            async def by_hands(plain: Any = plain) -> None:
                await asyncio.gather(*(hand(plain, mobile) for mobile in numbers))

            async def ours(voice: Any = voice) -> None:
                await asyncio.gather(*(voice.send(message, mobile) for mobile in numbers))

            contestants |= {_by_hand(library): by_hands, f"this client, {library}": ours}
        return await interleaved(contestants, rounds=rounds, each=burst)


def measure(*, quick: bool = False) -> Finding:
    """Measure; return the table, the goals and the plots."""
    burst = 50 if quick else 1000
    with server.running() as url:
        samples = asyncio.run(_measure(url, burst, 3 if quick else 7))
    rows, ratios = compared(samples, [HAND, *map(_by_hand, list(HTTP_CLIENTS)[1:])])
    return Finding(
        name="codes",
        title="What does a burst of verification codes cost?",
        meaning=(
            "For bursts pass an httpx-aiohttp client in: a code takes a quarter of the CPU, because the pools of"
            " httpx and httpx2 are the cost."
        ),
        text=(
            f"CPU time of the process for one verification code, when {burst:,} are sent at once, each in a request of"
            " its own. By hand: an HTTP client, aiolimiter, dicts. Each client may open a connection for each request."
        ),
        tables=[
            Table(
                ("client", "CPU of one code", *(f"/ {_by_hand(library)}" for library in HTTP_CLIENTS)), rows
            )
        ],
        reaches=[
            Reach(
                "this client / httpx and aiolimiter by hand",
                1.0,
                ratios["this client, httpx", HAND].middle,
                (
                    "The difference are the tasks that keep a response from being lost, and the checks. Most of the"
                    " time is the pool of httpx, which compares all connections with each other for each request."
                ),
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
