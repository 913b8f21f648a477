"""How long the event loop is kept: the longest stretch of thread CPU between two turns."""

import asyncio
import gc
import json
import subprocess
import sys
import time
from statistics import median
from typing import Final

from benchmarks.findings import Finding, Plot, Reach, Table
from benchmarks.loop_cases import CASES, Run

__all__ = ["measure"]

LONGEST: Final = 25.0
"""Milliseconds of CPU that one turn of the loop may take."""
_REASON: Final = (
    "Python's garbage collector walks all objects that a result keeps, a million here. Use send_batches, which hands"
    " the outcomes over one by one, or gc.freeze()."
)
ROUNDS: Final = 3


class _Watch:
    """Takes every turn of the loop, and keeps the longest stretch of thread CPU between two of them."""

    def __init__(self) -> None:
        self.longest = 0.0
        self.whole = 0.0

    async def __call__(self, run: Run) -> None:
        """Await the operation."""
        last = time.thread_time()
        ended = False

        async def watch() -> None:
            nonlocal last
            while not ended:
                await asyncio.sleep(0)
                now = time.thread_time()
                self.longest, last = max(self.longest, now - last), now

        # The lists of this benchmark are not to be walked by the garbage collector in between.
        gc.collect()
        gc.freeze()
        watching = asyncio.ensure_future(watch())
        await asyncio.sleep(0)
        began = last = time.thread_time()
        await run()
        now = time.thread_time()
        self.longest, self.whole, ended = max(self.longest, now - last), now - began, True
        await watching
        gc.unfreeze()


def run_once(case: str, *, quick: bool) -> None:
    """Run a case in this process; print the name, the longest turn and the whole CPU time."""
    watch = _Watch()
    name = asyncio.run(CASES[case](watch, quick=quick))
    print(json.dumps([name, watch.longest, watch.whole]))


def _measured(case: str, *, quick: bool) -> tuple[str, float, float]:
    """Run a case in new processes, because much is imported or made at the first use; return the medians."""
    code = f"import benchmarks.loop as loop; loop.run_once({case!r}, quick={quick})"
    found = []
    for _ in range(1 if quick else ROUNDS):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603
        found.append(json.loads(done.stdout))
    names, longest, whole = zip(*found, strict=True)
    return names[0], median(longest), median(whole)


def measure(*, quick: bool = False) -> Finding:
    """Measure, and return the findings."""
    found = [_measured(case, quick=quick) for case in CASES]
    return Finding(
        name="loop",
        title="How long is the event loop kept from the application?",
        meaning="Beside a campaign, a push or the first call, other requests wait for milliseconds, not for more.",
        text=(
            "The longest stretch of CPU of the event loop's thread between two turns of the loop, beside a task that"
            " takes every turn (its turns are part of the CPU in all). The service is another process, and each"
            " operation has a fresh process."
        ),
        tables=[
            Table(
                ("operation", "longest turn", "CPU in all"),
                [
                    (name, f"{1e3 * longest:.1f} ms", f"{1e3 * whole:.0f} ms")
                    for name, longest, whole in found
                ],
            )
        ],
        reaches=[
            Reach(f"{name}: longest turn, ms", LONGEST, 1e3 * longest, _REASON) for name, longest, _ in found
        ],
        plots=[
            Plot(
                "Longest turn of the event loop",
                "ms",
                {"": [1e3 * longest for _, longest, _ in found]},
                [name for name, _, _ in found],
            )
        ],
    )
