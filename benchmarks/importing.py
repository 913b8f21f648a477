"""How long ``import emay_voice_async`` takes, against importing httpx alone."""

import asyncio
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from statistics import median

from benchmarks.findings import Finding, Plot, Reach, Table, compared
from benchmarks.measuring import interleaved, ratio

__all__ = ["measure"]

HTTPX = "import httpx"
OURS = "import emay_voice_async"
PUSH = "import emay_voice_async.push"
CLIENT = "from emay_voice_async import AsyncEmayVoice"
ASYNCIO = "import asyncio, httpx"
EMPTY = "pass"
CLICK = "import click"
VERSION = "emay-voice --version"
STATEMENTS = (HTTPX, ASYNCIO, OURS, PUSH, CLIENT, CLICK, EMPTY)
_COMMAND = "import sys; from emay_voice_async.cli import main; sys.exit(main(['--version']))"
_REASON = (
    "The classes of attrs take about half of the rest: attrs writes and compiles their methods at the import. Done:"
    " cattrs and its converters are imported and made in a thread at the first request; the plan, the calling hours and"
    " SQLite are imported when they are used; records of the package's own are named tuples."
)


def _wall(statement: str, environment: Mapping[str, str]) -> None:
    code = _COMMAND if statement == VERSION else statement
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL, env=environment)  # noqa: S603


def _environment(folder: str) -> dict[str, str]:
    """Return an environment in which modules are compiled once, as those of an installed package."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return kept | {"PYTHONPYCACHEPREFIX": folder}


def _import_time(statement: str, environment: Mapping[str, str]) -> float:
    """Sum the seconds that ``-X importtime`` prints for the modules of one statement."""
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-X", "importtime", "-c", statement],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    return sum(int(own) for own in re.findall(r"import time:\s+(\d+) \|", done.stderr)) / 1e6


def measure(*, quick: bool = False) -> Finding:
    """Measure; return the table, the goals and the plots."""
    rounds = 3 if quick else 15
    with tempfile.TemporaryDirectory() as folder:
        environment = _environment(folder)
        contestants = {one: lambda one=one: _wall(one, environment) for one in (*STATEMENTS, VERSION)}
        walls = asyncio.run(interleaved(contestants, rounds=rounds, clock=time.perf_counter))
        told: dict[str, list[float]] = {one: [] for one in STATEMENTS}
        for _ in range(rounds):
            for one, found in told.items():
                found.append(_import_time(one, environment))
    for samples in (walls, told):
        baseline = median(samples.pop(EMPTY))
        for found in samples.values():
            found[:] = [one - baseline for one in found]
    wall_rows = {row[0]: row[1:] for row in compared(walls, [HTTPX])[0]}
    told_rows = {row[0]: row[1:] for row in compared(told, [HTTPX])[0]}
    rows = [(name, *wall, *told_rows.get(name, ("", ""))) for name, wall in wall_rows.items()]
    return Finding(
        name="importing",
        title="How long does importing take?",
        meaning=(
            "The import of the package is next to nothing, because it imports the client on first use; the client takes"
            " half as long again as asyncio and httpx, which each program that uses httpx imports."
        ),
        text=(
            "Wall time of a Python process that runs one statement or command, and the sum of ``-X importtime``; the"
            " figures of an empty program are subtracted. All modules are compiled before."
        ),
        tables=[Table(("statement", "wall", "/ httpx", "-X importtime", "/ httpx"), rows)],
        reaches=[
            Reach("import emay_voice_async / import httpx", 1.35, ratio(walls[OURS], walls[HTTPX]).middle),
            Reach(
                "the client / asyncio and httpx, wall",
                1.5,
                ratio(walls[CLIENT], walls[ASYNCIO]).middle,
                _REASON,
            ),
            Reach(
                "the client / asyncio and httpx, -X importtime",
                1.5,
                ratio(told[CLIENT], told[ASYNCIO]).middle,
                _REASON,
            ),
            Reach("emay-voice --version / import click", 1.5, ratio(walls[VERSION], walls[CLICK]).middle),
        ],
        plots=[
            Plot(
                "Importing",
                "ms",
                {
                    "wall": [1e3 * median(walls[name]) for name in told],
                    "-X importtime": [1e3 * median(found) for found in told.values()],
                },
                [name.replace(CLIENT, "this client") for name in told],
            )
        ],
    )
