"""How long the event loop is kept: the longest stretch of thread CPU between two turns."""

import asyncio
import gc
import json
import subprocess
import sys
import time
from contextlib import nullcontext
from statistics import median
from typing import Final
from unittest import mock

from benchmarks.findings import Finding, Plot, Reach, Table
from benchmarks.loop_cases import CASES, Run
from benchmarks.measuring import Ratio, ratio
from emay_voice_async.exchange.turns import TurnBudget

__all__ = ["measure"]

LONGEST: Final = 25.0
"""Milliseconds of CPU that one turn of the loop may take."""
DEARER: Final = 1.10
"""What sharing the turns may cost in all."""
SHARING: Final = ("_sent_list", "_stream", "_codes")
_REASON: Final = (
    "What is left is Python's garbage collector, which walks the objects of the whole process (gc.freeze() after the"
    " start keeps those of an application out), and with codes the work of httpx for the requests in flight."
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
        result = await run()
        now = time.thread_time()
        self.longest, self.whole, ended = max(self.longest, now - last), now - began, True
        await watching
        # The operation does not include that the result is given up.
        del result
        gc.unfreeze()


class _Clock:
    """Measures the whole CPU time, without a task beside the operation."""

    def __init__(self) -> None:
        self.longest = 0.0
        self.whole = 0.0

    async def __call__(self, run: Run) -> None:
        """Await the operation."""
        began = time.thread_time()
        await run()
        self.whole = time.thread_time() - began


def run_once(case: str, *, quick: bool) -> None:
    """Run a case in this process; print the name, the longest turn and the whole CPU time."""
    _print(case, _Watch(), quick=quick)


def run_unwatched(case: str, *, quick: bool, shared: bool) -> None:
    """Run a case without the watch; ``shared`` False: the client takes as many steps in a turn as it likes."""
    with nullcontext() if shared else mock.patch.object(TurnBudget, "_step", _at_once):
        _print(case, _Clock(), quick=quick)


def _print(case: str, watch: _Watch | _Clock, *, quick: bool) -> None:
    name = asyncio.run(CASES[case](watch, quick=quick))
    print(json.dumps([name, watch.longest, watch.whole]))


async def _at_once(*_: object) -> None:
    """Take a step in this turn."""


def _run(call: str) -> tuple[str, float, float]:
    """Call a function of this module in a new process, because much is imported or made at the first use."""
    code = f"import benchmarks.loop as loop; loop.{call}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603
    name, longest, whole = json.loads(done.stdout)
    return name, longest, whole


def _measured(case: str, *, quick: bool) -> tuple[str, float, float]:
    """Run a case several times; return the medians."""
    runs = [_run(f"run_once({case!r}, quick={quick})") for _ in range(1 if quick else ROUNDS)]
    names, longest, whole = zip(*runs, strict=True)
    return names[0], median(longest), median(whole)


def _cost_of_sharing(case: str, *, quick: bool) -> tuple[str, Ratio]:
    """Compare the whole CPU time of a case with that of a client that shares no turn."""
    pairs = [
        [_run(f"run_unwatched({case!r}, quick={quick}, shared={shared})") for shared in (True, False)]
        for _ in range(1 if quick else 2 * ROUNDS)
    ]
    return pairs[0][0][0], ratio(*zip(*[(one[2], other[2]) for one, other in pairs], strict=True))


def measure(*, quick: bool = False) -> Finding:
    """Measure, and return the findings."""
    found = [_measured(case, quick=quick) for case in CASES]
    costs = [_cost_of_sharing(case, quick=quick) for case in SHARING]
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
            ),
            Table(
                ("operation", "CPU in all / without sharing"),
                [(name, str(cost)) for name, cost in costs],
                (
                    "At most eight steps of a client run in a turn. The cost is compared with a client that takes all"
                    " its steps at once:"
                ),
            ),
        ],
        reaches=[
            *(
                Reach(f"{name}: longest turn, ms", LONGEST, 1e3 * longest, _REASON)
                for name, longest, _ in found
            ),
            *(
                Reach(f"{name}: CPU in all / without sharing", DEARER, cost.middle, _REASON)
                for name, cost in costs
            ),
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
