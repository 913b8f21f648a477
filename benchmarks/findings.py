"""The result of one benchmark: a table, goals and plots; written as text and as reST."""

import unicodedata
from collections.abc import Callable, Sequence
from statistics import median
from typing import Final

from attrs import field, frozen

from benchmarks.measuring import Ratio, ratio

__all__ = ["Finding", "Plot", "Reach", "as_rst", "as_text", "compared", "seconds"]

_UNITS: Final = ((1.0, "s"), (1e-3, "ms"), (1e-6, "us"), (1e-9, "ns"))


@frozen
class Reach:
    """A goal: the bound, the measured figure, and whether the bound is kept."""

    what: str
    bound: float
    found: float
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
class Finding:
    """The answer to one question of ``python -m benchmarks``."""

    name: str
    title: str
    text: str
    """The contestants and the unit of work, for a reader who sees the page for the first time."""
    header: tuple[str, ...]
    rows: list[tuple[str, ...]]
    reaches: list[Reach]
    plots: list[Plot]
    notes: list[str] = field(factory=list)
    """Checks of the benchmark itself, and optimisations that were tried."""


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
    table = [finding.header, *finding.rows]
    widths = [max(_width(row[column]) for row in table) for column in range(len(finding.header))]
    lines = [
        "  ".join(_padded(cell, width) for cell, width in zip(row, widths, strict=True)) for row in table
    ]
    lines.insert(1, "  ".join("-" * width for width in widths))
    reaches = [f"* {reach}" for reach in finding.reaches]
    notes = [f"- {note}" for note in finding.notes]
    return "\n".join([finding.title, "=" * len(finding.title), *lines, *reaches, *notes, ""])


def as_rst(finding: Finding, pictures: Sequence[str]) -> str:
    """Write a finding and the file names of the pictures as a section of a reST document."""
    columns = ["   * - " + "\n     - ".join(row) for row in (finding.header, *finding.rows)]
    parts = [
        f"{finding.title}\n{'-' * len(finding.title)}",
        finding.text,
        "\n".join([".. list-table::", "   :header-rows: 1", "", *columns]),
        "\n".join(f"- {reach.what}: {_verdict(reach)}" for reach in finding.reaches),
        *(f".. image:: {picture}\n   :alt: {finding.title}\n   :width: 100%" for picture in pictures),
        "\n".join(f"- {note}" for note in finding.notes),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _verdict(reach: Reach) -> str:
    aim = f"at {'least' if reach.at_least else 'most'} {reach.bound:g} was aimed at"
    return f"**{reach.found:.3g}**; {aim}: {'reached' if reach.met else '**missed**'}."


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def _padded(text: str, width: int) -> str:
    return text + " " * (width - _width(text))
