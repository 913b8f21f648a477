"""CPU time and memory of streams from 1,000 to 1,000,000 numbers: flat for each number."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, aclosing
from functools import partial
from pathlib import Path
from statistics import median

from benchmarks import server
from benchmarks.clients import client
from benchmarks.findings import Finding, Plot, Reach, Table
from benchmarks.measuring import interleaved, ratio
from benchmarks.samples import CONTENT
from emay_voice_async import Accepted, AsyncEmayVoice, Notice

__all__ = ["measure"]

SIZES = (1_000, 10_000, 100_000, 1_000_000)
QUICK_SIZES = (1_000, 5_000)
PART = 50_000
"""Numbers in one turn of a size: many short streams, or the next part of a long stream."""
IN_FLIGHT = 2
"""Requests in flight: as many as the shortest stream has batches, so that only the length differs."""

_DUPLICATES = (
    "To call each number once, the first 250,000 numbers are kept in memory, at 70 bytes each, and further numbers in a"
    " temporary file. With allow_duplicates the memory is flat."
)
_IN_FLIGHT = (
    "With the default of 16 requests in flight, the connection pool of httpx costs more, but only in streams of"
    " more than two batches: 7.1, 9.5 and 11.1 us for each of 1,000, 10,000 and 100,000 numbers; with an"
    " httpx-aiohttp client 5.6, 5.3 and 6.2 us (measured by hand)."
)


async def _numbers(number: int) -> AsyncIterator[str]:
    for place in range(number):
        yield f"1{3_000_000_000 + place}"


async def _outcomes(voice: AsyncEmayVoice, number: int) -> AsyncIterator[Accepted]:
    async for outcome in voice.send_batches(Notice(CONTENT), _numbers(number)):
        if not isinstance(outcome, Accepted):
            raise TypeError(outcome)
        yield outcome


async def _again_and_again(voice: AsyncEmayVoice, number: int) -> AsyncGenerator[Accepted]:
    while True:
        async for outcome in _outcomes(voice, number):
            yield outcome


async def _times(url: str, sizes: tuple[int, ...], rounds: int) -> dict[int, list[float]]:
    """Stream the sizes in turn, the same number of numbers of each size in a turn."""
    async with AsyncExitStack() as stack:
        contestants = {}
        for size in sizes:
            voice = await stack.enter_async_context(client(url, max_concurrency=IN_FLIGHT))
            stream = await stack.enter_async_context(aclosing(_again_and_again(voice, size)))
            contestants[str(size)] = partial(_take, stream)
        samples = await interleaved(contestants, rounds=rounds, each=PART)
    return {size: samples[str(size)] for size in sizes}


async def _take(stream: AsyncIterator[Accepted]) -> None:
    taken = 0
    async for outcome in stream:
        taken += len(outcome.recipients)
        if taken >= PART:
            return


def _peak_memory(url: str, number: int) -> int:
    """Stream once in a fresh process; return the peak memory in bytes."""
    code = f"import benchmarks.stream as s; s.stream_once({url!r}, {number})"
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    return int(done.stdout)


def stream_once(url: str, number: int) -> None:
    """Stream the numbers, and print the peak memory of this process in bytes."""

    async def run() -> None:
        async with client(url, max_concurrency=IN_FLIGHT) as voice:
            async for _ in _outcomes(voice, number):
                pass

    asyncio.run(run())
    status = Path("/proc/self/status").read_text("ascii")
    print(1024 * int(status.partition("VmHWM:")[2].split()[0]))


def measure(*, quick: bool = False) -> Finding:
    """Measure; return the table, the goals and the plots."""
    sizes = QUICK_SIZES if quick else SIZES
    with server.running() as url:
        samples = asyncio.run(_times(url, sizes, 2 if quick else 21))
        memory = [_peak_memory(url, size) for size in sizes]
    times = [1e6 * median(samples[size]) for size in sizes]
    against_shortest = [ratio(samples[size], samples[sizes[0]]) for size in sizes]
    middles = [one.middle for one in against_shortest]
    return Finding(
        name="stream",
        title="Does a longer stream cost more for each number?",
        meaning="No: each of a million numbers takes the time of each of a thousand, and the memory has a bound.",
        text=(
            "CPU time of the client's process for each number of a stream (an async generator), and the peak"
            " memory of a fresh process that sends one stream. Batches of 500, two requests in flight: as many as"
            " the shortest stream has."
        ),
        tables=[
            Table(
                ("numbers", "CPU of one number", "/ of the shortest", "peak memory of the process"),
                [
                    (f"{size:,}", f"{one:.2f} us", str(against), f"{most / 2**20:.1f} MiB")
                    for size, one, against, most in zip(sizes, times, against_shortest, memory, strict=True)
                ],
            )
        ],
        reaches=[
            Reach("dearest / cheapest time for a number", 1.15, max(middles) / min(middles), _IN_FLIGHT),
            Reach(
                "peak memory of the longest / of the shortest stream",
                1.15,
                memory[-1] / memory[0],
                _DUPLICATES,
            ),
        ],
        plots=[
            Plot(
                "CPU of one number of a stream",
                "us",
                {"this client": times},
                [f"{size:,}" for size in sizes],
                x=[float(size) for size in sizes],
            ),
            Plot(
                "Peak memory of a process that sends a stream",
                "MiB",
                {"this client": [most / 2**20 for most in memory]},
                [f"{size:,}" for size in sizes],
                x=[float(size) for size in sizes],
            ),
        ],
    )
