"""The time that a journal adds to a batch of 500 numbers: in a file, and in a database."""

import asyncio
import os
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Final

from benchmarks.findings import Finding, Plot, Reach, Table
from benchmarks.sql_journal import BATCHES, PURPOSE, SIZE, STEPS, own_tables, steps
from emay_voice_async.journal import Claim, Journal, Key, SqliteJournal, State
from emay_voice_async.sql import SqlJournal

__all__ = ["measure"]

AT_ONCE: Final = (1, 16, 64)
"""Calls of one number at the same time."""
POSTGRES: Final = "EMAY_VOICE_TEST_POSTGRES_URL"
_REASON: Final = (
    "Each step is a transaction of its own, and begin and close wait for the disk of the database. Done: on PostgreSQL"
    " each step is a single statement, with one text for each column of the rows of a batch."
)

Times = dict[str, tuple[float, float]]
"""For each step, the wall time and the CPU time of this process, in seconds."""


async def _times(journal: Journal, batches: int) -> Times:
    """Look up, claim and close batches of new numbers."""
    found: dict[str, list[tuple[float, float]]] = {step: [] for step in STEPS}
    async with journal:
        run = await journal.start(PURPOSE)
        for batch in range(batches):
            for step, doing in (await steps(run, batch)).items():
                wall, cpu = time.perf_counter(), time.process_time()
                await doing()
                found[step].append((time.perf_counter() - wall, time.process_time() - cpu))
        await run.end()
    # The first batches make the statements and fill the caches.
    measured = {step: samples[batches // 4 :] for step, samples in found.items()}
    return {
        step: (min(wall for wall, _ in samples), median(cpu for _, cpu in samples))
        for step, samples in measured.items()
    }


async def _measure(batches: int) -> dict[str, Times]:
    with tempfile.TemporaryDirectory() as folder:
        found = {"SqliteJournal": await _times(SqliteJournal(Path(folder) / "run.db"), batches)}
        urls = {"SqlJournal, SQLite": f"sqlite+aiosqlite:///{folder}/sql.db"}
        if url := os.environ.get(POSTGRES):
            urls["SqlJournal, PostgreSQL"] = url
        for name, url in urls.items():
            async with own_tables(url) as prefix:
                found[name] = await _times(SqlJournal(url, "bench", prefix=prefix, create=True), batches)
    return found


async def _single(at_once: int, number: int) -> float:
    """Claim and close calls one by one, ``at_once`` at the same time; return the seconds for one call."""
    with tempfile.TemporaryDirectory() as folder:
        async with SqliteJournal(Path(folder) / "run.db") as journal:
            run = await journal.start(PURPOSE)
            left = iter(range(number))

            async def send() -> None:
                for call in left:
                    claim = Claim(f"{call}", (Key(f"138{call:08}"),), (f"c{call}",), 60.0)
                    await run.begin(claim)
                    await run.close(claim, State.ACCEPTED, message_ids=["m"])

            before = time.perf_counter()
            await asyncio.gather(*(send() for _ in range(at_once)))
            seconds = (time.perf_counter() - before) / number
            await run.end()
    return seconds


async def _singles(*, quick: bool) -> dict[int, float]:
    """Measure single calls by the number at once: the least of rounds in turn."""
    found: dict[int, list[float]] = {at_once: [] for at_once in AT_ONCE}
    for _ in range(1 if quick else 7):
        for at_once, samples in found.items():
            samples.append(await _single(at_once, 8 if quick else 128))
    return {at_once: min(samples) for at_once, samples in found.items()}


def measure(*, quick: bool = False) -> Finding:
    """Measure, and return the findings."""
    found = asyncio.run(_measure(4 if quick else BATCHES))
    singles = asyncio.run(_singles(quick=quick))
    wall = {name: 1e3 * sum(times[step][0] for step in STEPS) for name, times in found.items()}
    cpu = {name: 1e6 * sum(times[step][1] for step in STEPS) / SIZE for name, times in found.items()}
    reaches = [
        Reach("SqliteJournal, CPU of one number, us", 20, cpu["SqliteJournal"], _REASON),
        Reach("SqliteJournal, single calls, 16 at once / one after another", 0.5, singles[16] / singles[1]),
    ]
    if "SqlJournal, PostgreSQL" in wall:
        reaches.append(
            Reach("SqlJournal on PostgreSQL, a batch of 500, ms", 15, wall["SqlJournal, PostgreSQL"], _REASON)
        )
    return Finding(
        name="journal",
        title="What does a journal add?",
        meaning="A campaign that survives crashes pays a few milliseconds for each batch of 500 numbers.",
        text=(
            f"Batches of {SIZE} new numbers, one after the other: look up, claim (``begin``), ``close``, each durable"
            " when it returns. Wall times are those of the fastest batch, because they depend on the disk and on the"
            " other programs of the machine; CPU times are medians of this process. Calls of one number, such as codes:"
            " those that wait for the file at the same moment are written together."
        ),
        tables=[
            Table(
                ("journal", *STEPS, "together", "CPU of one number"),
                [
                    (
                        name,
                        *(f"{1e3 * times[step][0]:.1f} ms" for step in STEPS),
                        f"{wall[name]:.1f} ms",
                        f"{cpu[name]:.1f} us",
                    )
                    for name, times in found.items()
                ],
            ),
            Table(
                ("calls of one number, SqliteJournal", "claim and close", "/ one after another"),
                [
                    (f"{at_once} at once", f"{1e3 * seconds:.2f} ms", f"{seconds / singles[1]:.2f}")
                    for at_once, seconds in singles.items()
                ],
            ),
        ],
        reaches=reaches,
        plots=[
            Plot(
                f"A journal for a batch of {SIZE} numbers",
                "ms",
                {step: [1e3 * times[step][0] for times in found.values()] for step in STEPS},
                list(found),
            )
        ],
    )
