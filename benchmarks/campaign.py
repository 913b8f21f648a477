"""The memory and CPU time of campaigns of up to a million numbers, with a journal and without."""

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Final

from benchmarks import server
from benchmarks.clients import client
from benchmarks.findings import Finding, Plot, Reach, Table
from benchmarks.samples import CONTENT
from emay_voice_async import Accepted, AsyncEmayVoice, Notice
from emay_voice_async.journal.sqlite import SqliteJournal

__all__ = ["measure"]

SIZES = (10_000, 100_000, 1_000_000)
QUICK_SIZES = (1_000, 5_000)
_REASON: Final = (
    "Numbers up to 250,000 are compared in memory, which costs less than the temporary file of the others; short"
    " campaigns do not fill the connection pool."
)
_JOURNAL: Final = (
    "Each number is looked up, claimed and closed in SQLite, in transactions that are on the disk before a request"
    " leaves. Tried: one statement for a batch in place of one for each number, keys as integers."
)
WARM = 10_000
"""Numbers that are sent first, so that costs of the first use are not part of the result."""


def _numbers(number: int) -> Iterator[str]:
    return (f"1{3_000_000_000 + place}" for place in range(number))


async def _send(voice: AsyncEmayVoice, number: int, journal: SqliteJournal | None) -> None:
    async for outcome in voice.send_batches(Notice(CONTENT), _numbers(number), journal=journal):
        if not isinstance(outcome, Accepted):
            raise TypeError(outcome)


def send_once(url: str, number: int, *, journalled: bool) -> None:
    """Send to ``number`` numbers; print the CPU time of a number, and the peak memory of this process in bytes."""

    async def run() -> float:
        with tempfile.TemporaryDirectory() as folder:
            async with client(url) as voice:
                began = 0.0
                for name, count in (("warm", WARM), ("run", number)):
                    began = time.process_time()
                    await _send(voice, count, SqliteJournal(Path(folder) / name) if journalled else None)
                return (time.process_time() - began) / number

    cpu = asyncio.run(run())
    status = Path("/proc/self/status").read_text("ascii")
    print(json.dumps([cpu, 1024 * int(status.partition("VmHWM:")[2].split()[0])]))


def _measured(url: str, number: int, *, journalled: bool) -> tuple[float, int]:
    """Send in a new process; return the CPU time of a number, and the peak memory in bytes."""
    code = f"import benchmarks.campaign as c; c.send_once({url!r}, {number}, journalled={journalled})"
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    cpu, peak = json.loads(done.stdout)
    return cpu, peak


def measure(*, quick: bool = False) -> Finding:
    """Measure, and return the findings."""
    sizes = QUICK_SIZES if quick else SIZES
    found: dict[tuple[bool, int], list[tuple[float, int]]] = {}
    with server.running() as url:
        for _ in range(1 if quick else 2):
            for size in sizes:
                for journalled in (False, True):
                    one = _measured(url, size, journalled=journalled)
                    found.setdefault((journalled, size), []).append(one)
    cpu = {key: 1e6 * median(one for one, _ in runs) for key, runs in found.items()}
    peak = {key: max(most for _, most in runs) / 2**20 for key, runs in found.items()}
    growth = {kind: peak[kind, sizes[-1]] - peak[kind, sizes[0]] for kind in (False, True)}
    flat = {
        kind: max(cpu[kind, size] for size in sizes) / min(cpu[kind, size] for size in sizes)
        for kind in (False, True)
    }
    return Finding(
        name="campaign",
        title=f"What does a campaign of {sizes[-1]:,} numbers take?",
        meaning="A number takes microseconds of CPU, and the memory does not grow with the list.",
        text=(
            "CPU time for each number of a generator, and the most memory that the process ever held, in a fresh"
            " process for each run, with the default of 16 requests in flight. With a journal every number is looked"
            " up, claimed and closed on disk."
        ),
        tables=[
            Table(
                ("numbers", "CPU", "peak memory", "CPU with a journal", "peak memory with a journal"),
                [
                    (
                        f"{size:,}",
                        f"{cpu[False, size]:.1f} us",
                        f"{peak[False, size]:.1f} MiB",
                        f"{cpu[True, size]:.1f} us",
                        f"{peak[True, size]:.1f} MiB",
                    )
                    for size in sizes
                ],
            )
        ],
        reaches=[
            Reach("growth of the memory, MiB", 25, growth[False]),
            Reach("growth of the memory with a journal, MiB", 60, growth[True]),
            Reach("dearest / cheapest time for a number", 1.15, flat[False], _REASON),
            Reach("dearest / cheapest time for a number with a journal", 1.15, flat[True], _REASON),
            Reach(
                "CPU that the journal adds to a number, us",
                20,
                cpu[True, sizes[-1]] - cpu[False, sizes[-1]],
                _JOURNAL,
            ),
        ],
        plots=[
            Plot(
                "Peak memory of a campaign with a journal",
                "MiB",
                {"this client": [peak[True, size] for size in sizes]},
                [f"{size:,}" for size in sizes],
                x=[float(size) for size in sizes],
            )
        ],
    )
