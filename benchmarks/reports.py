"""The cost of draining status reports, against a loop by hand that takes dicts, and by shape of the reports."""

import asyncio
from collections.abc import Callable, Mapping
from statistics import median
from typing import Any, Final

import httpx

from benchmarks import by_hand, server
from benchmarks.clients import aiohttp_client, client, httpx_client
from benchmarks.extras import FAST, having
from benchmarks.findings import Finding, Plot, Reach, Table, compared, seconds
from benchmarks.measuring import interleaved, ratio
from benchmarks.samples import LONG, SHAPES, products
from emay_voice_async import AsyncEmayVoice, CallState, Product

__all__ = ["measure"]

HAND: Final = "httpx by hand, dicts"
HAND_TYPED: Final = "httpx by hand, typed"
OURS: Final = "this client"
OURS_FAST: Final = "this client [fast]"
OURS_AIOHTTP: Final = "this client [fast], httpx-aiohttp"
_ALL_FIELDS: Final = "every field"
_FEWEST: Final = 2_000
"""A page of each product."""
_ANSWERED: Final = ("SUCCESS", "4")
_REASON: Final = (
    "By hand a report stays the dict that json.loads made; this client makes a typed object of it, and keeps it safe"
    " when the reader is cancelled. Tried: columns in place of rows, the reports of a response made in one loop."
)


async def _hand(plain: httpx.AsyncClient, url: str, number: int, shape: str) -> int:
    server.refill(url, number, shape)
    count = 0
    for product in products(shape):
        while page := await by_hand.ask_reports(plain, url, product):
            for report in page:
                count += report["state"].strip() in _ANSWERED
    return count


async def _hand_typed(plain: httpx.AsyncClient, url: str, number: int) -> int:
    server.refill(url, number, _ALL_FIELDS)
    count = 0
    while page := await by_hand.ask_reports(plain, url):
        for report in map(by_hand.typed, page):
            count += report.state is CallState.SUCCESS
    return count


async def _drains(
    url: str, number: int, rounds: int, shapes: tuple[str, ...]
) -> dict[str, dict[str, list[float]]]:
    """Measure a drain by hand and by this client, for each shape."""
    async with (
        httpx_client() as plain,
        aiohttp_client() as shared,
        client(url) as voice,
        client(url, shared) as voice_aiohttp,
    ):

        async def ours(one: AsyncEmayVoice, shape: str) -> int:
            server.refill(url, number, shape)
            count = 0
            for product in products(shape):
                async for report in one.reports(product=Product(product)):
                    count += report.succeeded
            return count

        def contestants(shape: str) -> Mapping[str, Callable[[], Any]]:
            more = {HAND_TYPED: lambda: _hand_typed(plain, url, number)} if shapes == (_ALL_FIELDS,) else {}
            return {
                HAND: lambda: _hand(plain, url, number, shape),
                **more,
                OURS: having(lambda: ours(voice, shape)),
                OURS_FAST: having(lambda: ours(voice, shape), *FAST),
                OURS_AIOHTTP: having(lambda: ours(voice_aiohttp, shape), *FAST),
            }

        return {shape: await interleaved(contestants(shape), rounds=rounds, each=number) for shape in shapes}


def measure(*, quick: bool = False) -> Finding:
    """Measure, and return what was found."""
    number = 5_000 if quick else 100_000
    with server.running() as url:
        samples = asyncio.run(_drains(url, number, 3 if quick else 7, (_ALL_FIELDS,)))[_ALL_FIELDS]
        shapes = asyncio.run(_drains(url, max(number // 10, _FEWEST), 3 if quick else 7, tuple(SHAPES)))
    rows, ratios = compared(samples, [HAND])
    usual = [found for shape, found in shapes.items() if shape not in LONG]

    def spread(kind: str) -> float:
        costs = [median(found[kind]) for found in usual]
        return max(costs) / min(costs)

    return Finding(
        name="reports",
        title="What does draining status reports cost?",
        meaning="Typed reports take less CPU than typed reports by hand; with [fast] as much as plain dicts.",
        text=(
            f"CPU time of the process for one report, when {number:,} are there to be taken, 1,000 with each request."
            " By hand: ``client.post``, ``response.json()``, a loop over the dicts; typed: a frozen dataclass of each,"
            " with a listed state and a time with its zone, as this client gives them. Each product has a getReport of"
            " its own: with mixed products one after the other is drained."
        ),
        tables=[
            Table(("client", "CPU of one report", "/ by hand"), rows),
            Table(
                ("shape", HAND, OURS, "/ by hand", OURS_FAST, "/ by hand"),
                [
                    (
                        shape,
                        seconds(median(found[HAND])),
                        seconds(median(found[OURS])),
                        str(ratio(found[OURS], found[HAND])),
                        seconds(median(found[OURS_FAST])),
                        str(ratio(found[OURS_FAST], found[HAND])),
                    )
                    for shape, found in sorted(shapes.items(), key=lambda item: -median(item[1][OURS]))
                ],
                "CPU of one report by shape, the dearest first:",
            ),
        ],
        reaches=[
            Reach("this client / by hand", 1.25, ratios[OURS, HAND].middle, _REASON),
            Reach("this client [fast] / by hand", 0.80, ratios[OURS_FAST, HAND].middle, _REASON),
            Reach("the dearest shape but the two long ones / the cheapest", 1.6, spread(OURS), _REASON),
            Reach("the same with [fast]", 1.6, spread(OURS_FAST), _REASON),
        ],
        plots=[
            Plot(
                "CPU of one report drained",
                "us",
                {"": [1e6 * median(found) for found in samples.values()]},
                list(samples),
            )
        ],
    )
