"""Draw the plots of the findings as SVG files; a file with the same figures stays as it is."""

import json
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from matplotlib import pyplot
from matplotlib.axes import Axes

from benchmarks.findings import Finding, Plot

__all__ = ["draw"]

_OURS: Final = "#c2410c"
_OURS_FAST: Final = "#fb923c"
_OTHERS: Final = ("#64748b", "#94a3b8", "#475569", "#cbd5e1", "#334155")
_BAR: Final = 0.32
_NO_MARKUP: Final = str.maketrans("", "", '"&<>')


def draw(finding: Finding, folder: Path) -> list[str]:
    """Draw each plot of a finding into a file; return the names of the files."""
    return [
        _draw(plot, folder / f"{finding.name}-{number}.svg") for number, plot in enumerate(finding.plots, 1)
    ]


def _draw(plot: Plot, file: Path) -> str:
    figures = _figures(plot)
    if file.exists() and figures in file.read_text("utf-8"):
        return file.name
    mpl.use("svg")
    # Text as text keeps a file small; equal figures give an equal file.
    mpl.rcParams.update(
        {
            "svg.hashsalt": "emay_voice_async",
            "svg.fonttype": "none",
            "font.family": "sans-serif",
            "font.sans-serif": ["DejaVu Sans", "Verdana", "sans-serif"],
            "font.size": 9,
        }
    )
    bars = len(plot.labels) * len(plot.series)
    height = 3.2 if plot.x else 1.1 + _BAR * bars
    figure, axes = pyplot.subplots(figsize=(7.5, height), layout="constrained")
    (_lines if plot.x else _bars)(axes, plot)
    axes.set_title(plot.title, loc="left", fontweight="bold")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(file, metadata={"Date": None, "Description": figures})
    pyplot.close(figure)
    return file.name


def _figures(plot: Plot) -> str:
    """Write the title and the figures of a plot as they are shown."""
    series = {name: [_figure(value) for value in values] for name, values in plot.series.items()}
    return json.dumps([plot.title, plot.unit, series, plot.labels]).translate(_NO_MARKUP)


def _colours(plot: Plot) -> list[str]:
    """Give this client a colour of its own, as a series or as a label; bars without a client are all of this client."""
    names = list(plot.series) if len(plot.series) > 1 else plot.labels
    if len(plot.series) == 1 and not any("this client" in name for name in names):
        return [_OURS] * len(names)
    others = iter(_OTHERS * len(names))
    return [_own_colour(name) if "this client" in name else next(others) for name in names]


def _own_colour(name: str) -> str:
    return _OURS_FAST if "[fast]" in name else _OURS


def _bars(axes: Axes, plot: Plot) -> None:
    colours = _colours(plot)
    width = 0.8 / len(plot.series)
    for place, (name, values) in enumerate(plot.series.items()):
        rows = [label + (place - (len(plot.series) - 1) / 2) * width for label in range(len(values))]
        colour: Any = colours[place] if len(plot.series) > 1 else colours
        drawn = axes.barh(rows, values, height=width * 0.9, color=colour, label=name)
        axes.bar_label(drawn, [_figure(value) for value in values], padding=3)
    axes.set_yticks(range(len(plot.labels)), plot.labels)
    axes.invert_yaxis()
    axes.set_xlabel(plot.unit)
    axes.margins(x=0.12)
    if len(plot.series) > 1:
        axes.figure.legend(frameon=False, loc="outside lower center", ncols=3)


def _lines(axes: Axes, plot: Plot) -> None:
    for name, values in plot.series.items():
        axes.plot(plot.x or [], values, marker="o", color=_OURS, label=name)
        for x, value in zip(plot.x or [], values, strict=True):
            axes.annotate(_figure(value), (x, value), textcoords="offset points", xytext=(0, 8), ha="center")
    axes.set_xscale("log")
    axes.set_xticks(plot.x or [], plot.labels)
    axes.minorticks_off()
    # The axis begins at 0, so that a flat line looks flat.
    axes.set_ylim(0, 1.3 * max(max(values) for values in plot.series.values()))
    axes.set_xlabel("numbers")
    axes.set_ylabel(plot.unit)


def _figure(value: float) -> str:
    """Write three digits, or a whole number with separators of thousands."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"
