"""The cost of one send of 500 numbers, over three HTTP clients, and by shape of the response."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from statistics import median
from typing import Any, Final

from benchmarks import by_hand, server
from benchmarks.clients import HTTP_CLIENTS, client
from benchmarks.extras import FAST, having
from benchmarks.findings import Finding, Plot, Reach, Table, compared, seconds
from benchmarks.measuring import interleaved, ratio
from benchmarks.samples import CONTENT, mobiles
from emay_voice_async import Notice, Recipient

__all__ = ["measure"]

NUMBERS: Final = 500
_REASON: Final = (
    "The request itself takes nearly half of the time by hand, the reading of the JSON a tenth. Done: a batch is"
    " kept as columns of texts, objects made when read; httpx's transport without its client; headers made once."
)


def _by_hand(library: str) -> str:
    return f"{library} by hand"


def _ours(library: str = "", *, fast: bool = False) -> str:
    return f"this client{' [fast]' if fast else ''}{f', {library} passed in' if library else ''}"


async def _clients(url: str, each: int, rounds: int) -> dict[str, list[float]]:
    """Measure a send by hand and by this client, over each HTTP client."""
    numbers, notice = mobiles(NUMBERS), Notice(CONTENT)

    def repeated(send: Callable[[], Awaitable[object]]) -> Callable[[], Awaitable[None]]:
        async def run() -> None:
            for _ in range(each):
                await send()

        return run

    contestants: dict[str, Callable[[], object]] = {}
    async with AsyncExitStack() as stack:
        own = await stack.enter_async_context(client(url))
        ours = repeated(lambda: own.send(notice, numbers))
        for library, make in HTTP_CLIENTS.items():
            plain, shared = [await stack.enter_async_context(make()) for _ in range(2)]
            voice = await stack.enter_async_context(client(url, shared))
            send = repeated(lambda voice=voice: voice.send(notice, numbers))  # type: ignore[misc]
            contestants |= {
                _by_hand(library): repeated(lambda plain=plain: by_hand.send(plain, url, numbers)),  # type: ignore[misc]
                _ours(library): having(send),
                _ours(library, fast=True): having(send, *FAST),
            }
            if library == "httpx":
                contestants |= {_ours(): having(ours), _ours(fast=True): having(ours, *FAST)}
        return await interleaved(contestants, rounds=rounds, each=each)


async def _shapes(url: str, each: int, rounds: int) -> dict[str, dict[str, list[float]]]:
    """Measure a send by this client for each shape of the response and of the input."""
    notice, numbers = Notice(CONTENT), mobiles(NUMBERS)
    recipients = [Recipient(mobile, f"order-{mobile}") for mobile in numbers]
    samples: dict[str, dict[str, list[float]]] = {}
    async with AsyncExitStack() as stack:
        plain = await stack.enter_async_context(HTTP_CLIENTS["httpx"]())
        for shape in ("recipients with ids", *server.TICKET_SHAPES):
            named = server.shaped(url, shape if shape in server.TICKET_SHAPES else "as documented")
            voice = await stack.enter_async_context(client(named))
            to: Any = recipients if shape == "recipients with ids" else numbers

            async def send(voice: Any = voice, to: Any = to) -> None:
                for _ in range(each):
                    await voice.send(notice, to)

            async def hand() -> None:
                for _ in range(each):
                    await by_hand.send(plain, url, numbers)

            samples[shape] = await interleaved(
                {"hand": hand, "plain": having(send), "fast": having(send, *FAST)}, rounds=rounds, each=each
            )
    return samples


def _shape_rows(samples: Mapping[str, Mapping[str, list[float]]]) -> list[tuple[str, ...]]:
    return [
        (
            shape,
            seconds(median(found["plain"])),
            str(ratio(found["plain"], found["hand"])),
            seconds(median(found["fast"])),
            str(ratio(found["fast"], found["hand"])),
        )
        for shape, found in sorted(samples.items(), key=lambda item: -median(item[1]["plain"]))
    ]


def measure(*, quick: bool = False) -> Finding:
    """Measure; return the tables, the goals and the plots."""
    each, rounds = (2, 3) if quick else (10, 15)
    with server.running() as url:
        samples = asyncio.run(_clients(url, each, rounds))
        shapes = asyncio.run(_shapes(url, each, 3 if quick else 7))
    hand = _by_hand("httpx")
    rows, ratios = compared(samples, [hand])
    # Ratios, because the shapes are measured one after the other, and the machine may be busy in between.
    costs = {
        kind: [ratio(found[kind], found["hand"]).middle for found in shapes.values()]
        for kind in ("plain", "fast")
    }
    spread = {kind: max(found) / min(found) for kind, found in costs.items()}
    return Finding(
        name="send",
        title=f"What does one send of {NUMBERS} numbers cost?",
        meaning=(
            "A send through this client costs two thirds of the CPU of the same send by hand, and less than half of it"
            " with [fast]."
        ),
        text=(
            f"CPU time of the process for one send of {NUMBERS} numbers over loopback, one after the other. By hand:"
            " checked numbers, new ids, ``client.post(data=...)``, ``response.json()``, and a check that the response"
            " names each number; no types, no pacing."
        ),
        tables=[
            Table(("client", "CPU", "/ httpx by hand"), rows),
            Table(
                (
                    "shape",
                    "this client",
                    "/ httpx by hand, as documented",
                    "this client [fast]",
                    "/ httpx by hand, as documented",
                ),
                _shape_rows(shapes),
                "The same send over httpx, by shape of the input and of the response, the dearest first:",
            ),
        ],
        reaches=[
            Reach("this client / httpx by hand", 0.70, ratios[_ours(), hand].middle, _REASON),
            Reach(
                "this client [fast] / httpx by hand",
                0.60,
                ratios[_ours(fast=True), hand].middle,
                _REASON,
            ),
            Reach(
                "this client [fast], httpx2 / httpx by hand",
                0.50,
                ratios[_ours("httpx2", fast=True), hand].middle,
                _REASON,
            ),
            Reach(
                "this client [fast], httpx-aiohttp / httpx by hand",
                0.42,
                ratios[_ours("httpx-aiohttp", fast=True), hand].middle,
                _REASON,
            ),
            Reach(
                "the dearest shape / the cheapest",
                1.6,
                spread["plain"],
                "Fields beyond the document make the JSON longer.",
            ),
            Reach(
                "the dearest shape / the cheapest, with [fast]",
                1.6,
                spread["fast"],
                "Fields beyond the document make the JSON longer.",
            ),
        ],
        plots=[
            Plot(
                f"CPU of one send of {NUMBERS} numbers",
                "ms",
                {"": [1e3 * median(found) for found in samples.values()]},
                list(samples),
            )
        ],
    )
