"""The cost of a burst of verification codes, 1,000 requests in flight at once."""

import asyncio

from aiolimiter import AsyncLimiter

from benchmarks import by_hand, server
from benchmarks.clients import PLENTY, aiohttp_client, client, httpx_client
from benchmarks.findings import Finding, Plot, Reach, compared
from benchmarks.measuring import interleaved
from benchmarks.samples import mobiles
from emay_voice_async import VerificationCode

__all__ = ["measure"]

HAND = "httpx and aiolimiter by hand"
OURS = "this client"
HAND_AIOHTTP = "httpx-aiohttp and aiolimiter by hand"
OURS_AIOHTTP = "this client, httpx-aiohttp"
_POOL = (
    "With 1,000 connections, httpx spends most of the time in its connection pool, which searches all connections"
    " for each request; the pool of aiohttp does not."
)


async def _measure(url: str, *, quick: bool) -> Finding:
    burst = 50 if quick else 1000
    numbers = mobiles(burst)
    message = VerificationCode("4711")
    limiter = AsyncLimiter(PLENTY.requests, PLENTY.period)
    async with (
        httpx_client() as plain,
        aiohttp_client() as plain_aiohttp,
        aiohttp_client() as shared_aiohttp,
        client(url) as voice,
        client(url, shared_aiohttp) as voice_aiohttp,
    ):

        async def hand(http: object, mobile: str) -> None:
            async with limiter:
                await by_hand.send_code(http, url, mobile, f"order-{mobile}")  # type: ignore[arg-type]

        contestants = {
            HAND: lambda: asyncio.gather(*(hand(plain, one) for one in numbers)),
            OURS: lambda: asyncio.gather(*(voice.send(message, one) for one in numbers)),
            HAND_AIOHTTP: lambda: asyncio.gather(*(hand(plain_aiohttp, one) for one in numbers)),
            OURS_AIOHTTP: lambda: asyncio.gather(*(voice_aiohttp.send(message, one) for one in numbers)),
        }
        samples = await interleaved(contestants, rounds=3 if quick else 7, each=burst)
    rows, ratios = compared(samples, [HAND, HAND_AIOHTTP])
    return Finding(
        name="codes",
        title="A burst of verification codes",
        text=(
            f"CPU time of the client's process for one verification code, when {burst:,} are sent at once, each"
            " in a request of its own. By hand: an httpx client, aiolimiter, dicts. Each client may open a"
            " connection for each request."
        ),
        header=("client", "CPU of one code", "/ by hand", "/ by hand on httpx-aiohttp"),
        rows=rows,
        reaches=[Reach("the SDK / by hand", 1.15, ratios[OURS, HAND].middle)],
        plots=[
            Plot(
                f"CPU of one verification code, {burst:,} in flight",
                "us",
                {"": [1e6 * sorted(found)[len(found) // 2] for found in samples.values()]},
                list(samples),
            )
        ],
        notes=[_POOL],
    )


def measure(*, quick: bool = False) -> Finding:
    """Measure; return the table, the goals and the plots."""
    with server.running() as url:
        return asyncio.run(_measure(url, quick=quick))
