"""``python -m benchmarks [--quick | --write] [question ...]``: print the tables, or write all to results.rst.

Without questions all are measured and written. ``--write`` measures the named questions, and writes the page with the
last figures of the others, which are in results.json.
"""

import argparse
import json
import os
import platform
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

import cattrs
from attrs import evolve

from benchmarks.findings import Finding, as_rst, as_text
from benchmarks.plots import draw

FOLDER: Final = Path(__file__).parent
FIGURES: Final = FOLDER / "results.json"
QUESTIONS: Final = (
    "send",
    "codes",
    "templates",
    "latency",
    "push",
    "reports",
    "stream",
    "campaign",
    "journal",
    "limiter",
    "importing",
    "memory",
    "loop",
    "fast",
    "events",
)
PACKAGES: Final = (
    "httpx",
    "httpx2",
    "httpcore",
    "attrs",
    "cattrs",
    "cryptography",
    "httpx-aiohttp",
    "aiohttp",
    "aiolimiter",
    "pyrate-limiter",
    "throttled-py",
    "limits",
    "pydantic",
    "msgspec",
    "opentelemetry-sdk",
)
_HEAD: Final = """\
Speed, measured side by side
============================

For users who decide about the package: a question in each section, the answer in one sentence, and the figures.
"This client" is emay_voice_async, "[fast]" the same with the extra ``fast``. ``python -m benchmarks`` writes this page.

A ratio is the median of many short runs in turn (A B A B ...), with the middle half of them in brackets. Absolute
times are medians and belong to the machine that a section names. CPU times are those of the client's process; the local
service is another process.

"""


def _machine() -> str:
    """Describe the machine and the Python."""
    names = [line.partition(":")[2].strip() for line in _cpuinfo().splitlines() if "model name" in line]
    processor = names[0] if names else platform.processor() or platform.machine()
    return (
        f"{processor}, {os.cpu_count()} cores; {platform.system()} {platform.release()};"
        f" {platform.python_implementation()} {platform.python_version()}"
    )


def _packages() -> str:
    return f"Packages: {', '.join(f'{name} {_version(name)}' for name in PACKAGES)}.\n"


def _cpuinfo() -> str:
    try:
        return Path("/proc/cpuinfo").read_text("utf-8")
    except OSError:
        return ""


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _measure(question: str, *, quick: bool) -> Finding:
    finding: Finding = import_module(f"benchmarks.{question}").measure(quick=quick)
    print(as_text(finding), flush=True)
    return finding


def _write(measured: list[Finding]) -> None:
    """Write the page and the pictures with new figures, and with the last figures of the other questions."""
    kept = json.loads(FIGURES.read_text("utf-8")) if FIGURES.exists() else {}
    machine = _machine()
    kept |= {finding.name: cattrs.unstructure(evolve(finding, machine=machine)) for finding in measured}
    kept = {question: kept[question] for question in QUESTIONS if question in kept}
    FIGURES.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", "utf-8")
    findings = [cattrs.structure(figures, Finding) for figures in kept.values()]
    sections = [as_rst(finding, draw(finding, FOLDER)) for finding in findings]
    (FOLDER / "results.rst").write_text("\n".join([_HEAD + _packages(), *sections]), "utf-8")


def main() -> None:
    """Measure the named questions, or measure all at full length and write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("questions", nargs="*", choices=[*QUESTIONS, []], metavar="question")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to check that each benchmark runs")
    parser.add_argument("--write", action="store_true", help="write the figures of the named questions")
    arguments = parser.parse_args()
    findings = []
    for question in arguments.questions or QUESTIONS:
        findings.append(_measure(question, quick=arguments.quick))
        if not arguments.quick and (arguments.write or not arguments.questions):
            _write(findings)


if __name__ == "__main__":
    main()
