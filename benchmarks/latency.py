"""The delay of one verification code, alone and beside a running campaign, against httpx by hand."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from itertools import chain, count
from statistics import quantiles
from typing import Final

from benchmarks import by_hand, server
from benchmarks.clients import client, httpx_client
from benchmarks.findings import Finding, Plot, Reach, Table
from benchmarks.samples import CONTENT, mobiles
from emay_voice_async import AsyncEmayVoice, Notice, VerificationCode

__all__ = ["measure"]

HAND: Final = "httpx by hand"
OURS: Final = "this client"
SHARED: Final = "this client, an httpx client passed in"
IN_FLIGHT: Final = 16
_REASON: Final = (
    "What this client adds are checks, a lease, and two tasks, so that a cancelled caller loses no response. The own"
    " client saves as much: it is the transport of httpx without httpx's client."
)

Send = Callable[[str], Awaitable[object]]


async def _times(send: Send, number: int) -> list[float]:
    """Send codes one after the other, and return the seconds of each."""
    found = []
    for mobile in mobiles(number):
        began = time.perf_counter()
        await send(mobile)
        found.append(time.perf_counter() - began)
        await asyncio.sleep(0.001)
    return found


async def _times_in_turn(sends: Mapping[str, Send], number: int) -> dict[str, list[float]]:
    """Send codes one after the other, by each sender in turn, so that the load of the machine is the same for all."""
    found: dict[str, list[float]] = {name: [] for name in sends}
    for mobile in mobiles(number):
        for name, send in sends.items():
            began = time.perf_counter()
            await send(mobile)
            found[name].append(time.perf_counter() - began)
            await asyncio.sleep(0.001)
    return found


@asynccontextmanager
async def _campaign(run: Callable[[], Awaitable[object]]) -> AsyncIterator[None]:
    """Have a campaign run in the background."""
    task = asyncio.ensure_future(run())
    await asyncio.sleep(0.1)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _measure(url: str, number: int, rounds: int) -> dict[tuple[str, str], list[list[float]]]:
    found: dict[tuple[str, str], list[list[float]]] = {}
    message, batch = VerificationCode("4711"), mobiles(500)
    async with (
        httpx_client() as plain,
        httpx_client() as shared,
        client(url) as own,
        client(url, shared) as voice,
    ):

        async def campaign_by_hand() -> None:
            async def work() -> None:
                while True:
                    await by_hand.send(plain, url, batch)

            await asyncio.gather(*(work() for _ in range(IN_FLIGHT)))

        async def campaign(voice: AsyncEmayVoice) -> None:
            numbers = (f"1{3_000_000_000 + place}" for place in count())
            async for _ in voice.send_batches(Notice(CONTENT), numbers, allow_duplicates=True):
                pass

        contestants: dict[str, tuple[Send, Callable[[], Awaitable[None]]]] = {
            HAND: (lambda mobile: by_hand.send_code(plain, url, mobile), campaign_by_hand),
            OURS: (lambda mobile: own.send(message, mobile), lambda: campaign(own)),
            SHARED: (lambda mobile: voice.send(message, mobile), lambda: campaign(voice)),
        }
        for place in range(rounds + 1):
            first = place % len(contestants)
            order = list(contestants.items())
            alone = await _times_in_turn({name: send for name, (send, _) in order}, number)
            for name, (send, run) in order[first:] + order[:first]:
                async with _campaign(run):
                    beside = await _times(send, number // 5)
                if place:
                    found.setdefault((name, "alone"), []).append(alone[name])
                    found.setdefault((name, "beside a campaign"), []).append(beside)
    return found


def _percentiles(rounds: list[list[float]]) -> tuple[float, float]:
    """Return the p50 and the p99 of all rounds, in milliseconds."""
    cuts = quantiles(chain.from_iterable(rounds), n=100, method="inclusive")
    return 1e3 * cuts[49], 1e3 * cuts[98]


def measure(*, quick: bool = False) -> Finding:
    """Measure, and return the findings."""
    number, rounds = (40, 2) if quick else (200, 4)
    with server.running() as url:
        found = asyncio.run(_measure(url, number, rounds))
    shown = {key: _percentiles(samples) for key, samples in found.items()}
    reaches = [
        Reach(
            f"{name} of a code {where}, this client / httpx by hand",
            bound,
            shown[OURS, where][place] / shown[HAND, where][place],
            _REASON,
        )
        for where in ("alone", "beside a campaign")
        for place, (name, bound) in enumerate((("p50", 1.10), ("p99", 1.25)))
    ]
    return Finding(
        name="latency",
        title="How much later does a verification code leave?",
        meaning="Alone a code takes about as long as by hand; beside a campaign it takes half as long.",
        text=(
            "Wall time of one verification code over loopback, from the call to the typed ticket, one after the other:"
            f" alone, and beside a campaign of the same client with {IN_FLIGHT} requests of 500 numbers in flight. By"
            " hand: the same over httpx, without pacing."
        ),
        tables=[
            Table(
                ("client", "where", "p50", "p99"),
                [
                    (name, where, f"{p50:.2f} ms", f"{p99:.2f} ms")
                    for (name, where), (p50, p99) in shown.items()
                ],
            )
        ],
        reaches=reaches,
        plots=[
            Plot(
                "Wall time of one verification code",
                "ms",
                {
                    name: [
                        shown[name, where][cut] for where in ("alone", "beside a campaign") for cut in (0, 1)
                    ]
                    for name in (HAND, OURS, SHARED)
                },
                ["alone, p50", "alone, p99", "beside a campaign, p50", "beside a campaign, p99"],
            )
        ],
    )
