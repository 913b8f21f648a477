"""How long ``import emay_voice_async`` takes, against importing httpx alone."""

import asyncio
import re
import subprocess
import sys
import time
from statistics import median

from benchmarks.findings import Finding, Plot, Reach, compared
from benchmarks.measuring import interleaved, ratio

__all__ = ["measure"]

HTTPX = "import httpx"
OURS = "import emay_voice_async"
PUSH = "import emay_voice_async.push"
CLIENT = "from emay_voice_async import AsyncEmayVoice"
ASYNCIO = "import asyncio, httpx"
EMPTY = "pass"
STATEMENTS = (HTTPX, ASYNCIO, OURS, PUSH, CLIENT, EMPTY)


def _wall(statement: str) -> None:
    subprocess.run([sys.executable, "-c", statement], check=True)  # noqa: S603


def _import_time(statement: str) -> float:
    """Sum the seconds that ``-X importtime`` prints for the modules of one statement."""
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-X", "importtime", "-c", statement], capture_output=True, text=True, check=True
    )
    return sum(int(own) for own in re.findall(r"import time:\s+(\d+) \|", done.stderr)) / 1e6


def measure(*, quick: bool = False) -> Finding:
    """Measure; return the table, the goals and the plots."""
    rounds = 3 if quick else 21
    contestants = {one: lambda one=one: _wall(one) for one in STATEMENTS}
    walls = asyncio.run(interleaved(contestants, rounds=rounds, clock=time.perf_counter))
    told: dict[str, list[float]] = {one: [] for one in STATEMENTS}
    for _ in range(rounds):
        for one, found in told.items():
            found.append(_import_time(one))
    for samples in (walls, told):
        baseline = median(samples.pop(EMPTY))
        for found in samples.values():
            found[:] = [one - baseline for one in found]
    rows = [
        (name, *wall, *importtime)
        for (name, *wall), (_, *importtime) in zip(
            compared(walls, [HTTPX])[0], compared(told, [HTTPX])[0], strict=True
        )
    ]
    return Finding(
        name="importing",
        title="Importing",
        text=(
            "Wall time of a Python process that runs one import, and the sum of ``-X importtime``; the figures of"
            " an empty program are subtracted. The package imports the client on first use, so the table has a row"
            " for the package and a row for the client."
        ),
        header=("statement", "wall", "/ httpx", "-X importtime", "/ httpx"),
        rows=rows,
        reaches=[
            Reach("the SDK / httpx, wall", 1.35, ratio(walls[OURS], walls[HTTPX]).middle),
            Reach("the SDK / httpx, -X importtime", 1.35, ratio(told[OURS], told[HTTPX]).middle),
            Reach("the client / asyncio and httpx, wall", 1.35, ratio(walls[CLIENT], walls[ASYNCIO]).middle),
        ],
        plots=[
            Plot(
                "Importing",
                "ms",
                {
                    "wall": [1e3 * median(found) for found in walls.values()],
                    "-X importtime": [1e3 * median(found) for found in told.values()],
                },
                list(walls),
            )
        ],
        notes=[
            (
                "``import httpx`` does not import asyncio, but each async client needs asyncio. The rest of the time"
                " goes into the classes of attrs and the converter of cattrs."
            )
        ],
    )
