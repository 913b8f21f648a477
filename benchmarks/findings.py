"""The result of one benchmark: tables, goals and plots; written as text and as reST."""

import unicodedata
from collections.abc import Callable, Sequence
from statistics import median
from typing import Final

from attrs import field, frozen

from benchmarks.measuring import Ratio, ratio

__all__ = ["Finding", "Plot", "Reach", "Table", "as_rst", "as_text", "compared", "seconds"]

_UNITS: Final = ((1.0, "s"), (1e-3, "ms"), (1e-6, "us"), (1e-9, "ns"))


@frozen
class Reach:
    """A goal: the bound, the measured figure, and the reason why the goal is missed when it is."""

    what: str
    bound: float
    found: float
    reason: str = ""
    at_least: bool = False

    @property
    def met(self) -> bool:
        """Whether the figure keeps the bound."""
        return self.found >= self.bound if self.at_least else self.found <= self.bound

    def __str__(self) -> str:
        sign = ">=" if self.at_least else "<="
        verdict = "reached" if self.met else "MISSED"
        return f"{self.what}: {self.found:.3g} ({sign} {self.bound:g}: {verdict})"


@frozen
class Plot:
    """Horizontal bars, one group for each series, or lines over ``x``; this client has its own colour."""

    title: str
    unit: str
    series: dict[str, list[float]]
    labels: list[str]
    x: list[float] | None = None


@frozen
class Table:
    """A table: a head, and rows of as many cells."""

    header: tuple[str, ...]
    rows: list[tuple[str, ...]]
    text: str = ""
    """A sentence in front of the table."""


@frozen
class Finding:
    """The answer to one question of ``python -m benchmarks``."""

    name: str
    title: str
    meaning: str
    """One sentence for a reader who decides about the package: what the figures mean for the reader."""
    text: str
    """The contestants and the unit of work."""
    tables: list[Table]
    reaches: list[Reach] = field(factory=list)
    plots: list[Plot] = field(factory=list)
    machine: str = ""
    """Where it was measured: processor, operating system, Python."""


def seconds(value: float) -> str:
    """Write a time with three digits, in s, ms, us or ns."""
    size, unit = next((one for one in _UNITS if value >= one[0]), _UNITS[-1])
    return f"{value / size:.3g} {unit}"


def compared(
    samples: dict[str, list[float]], against: Sequence[str], write: Callable[[float], str] = seconds
) -> tuple[list[tuple[str, ...]], dict[tuple[str, str], Ratio]]:
    """Make a row for each contestant: the median, and the ratio to each contestant in ``against``."""
    ratios = {(name, other): ratio(samples[name], samples[other]) for name in samples for other in against}
    rows = [
        (name, write(median(found)), *(str(ratios[name, other]) for other in against))
        for name, found in samples.items()
    ]
    return rows, ratios


def as_text(finding: Finding) -> str:
    """Write a finding for a terminal."""
    tables = [line for table in finding.tables for line in (table.text, *_lines(table), "") if line]
    reaches = [f"* {reach}" for reach in finding.reaches]
    return "\n".join([finding.title, "=" * len(finding.title), *tables, *reaches, ""])


def _lines(table: Table) -> list[str]:
    rows = [table.header, *table.rows]
    widths = [max(_width(row[column]) for row in rows) for column in range(len(table.header))]
    lines = ["  ".join(_padded(cell, width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return lines


def as_rst(finding: Finding, pictures: Sequence[str]) -> str:
    """Write a finding and the file names of the pictures as a section of a reST document."""
    missed = [reach for reach in finding.reaches if not reach.met]
    met = [reach for reach in finding.reaches if reach.met]
    parts = [
        f"{finding.title}\n{'-' * len(finding.title)}",
        f"*{finding.meaning}*",
        f"{finding.text} Measured on {finding.machine}.",
        *(part for table in finding.tables for part in (table.text, _rst_table(table))),
        *(f".. image:: {picture}\n   :alt: {finding.title}\n   :width: 100%" for picture in pictures),
        "Goals that are not reached:" if missed else "",
        "\n".join(
            f"- {reach.what}: **{reach.found:.3g}**, {_aim(reach)}. {reach.reason}" for reach in missed
        ),
        "Goals that are reached:" if met else "",
        "\n".join(f"- {reach.what}: {reach.found:.3g}, {_aim(reach)}." for reach in met),
    ]
    return "\n\n".join(part.rstrip() for part in parts if part) + "\n"


def _rst_table(table: Table) -> str:
    columns = ["   * - " + "\n     - ".join(row) for row in (table.header, *table.rows)]
    return "\n".join([".. list-table::", "   :header-rows: 1", "", *columns])


def _aim(reach: Reach) -> str:
    return f"the goal is at {'least' if reach.at_least else 'most'} {reach.bound:g}"


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def _padded(text: str, width: int) -> str:
    return text + " " * (width - _width(text))
