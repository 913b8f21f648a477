"""Pictures as inline SVG: no script, no comment, and no address."""

import sys
from collections.abc import Sequence
from itertools import count
from typing import Any, Final
from xml.etree.ElementTree import Element, tostring

import pygal
from markupsafe import Markup
from pygal.style import Style

__all__ = ["COLORS", "bars", "columns", "ticks"]

COLORS: Final = ("#1f7a5c", "#d9822b", "#9aa7b4")
"""Answered, failed, without a report."""
_STYLE: Final = Style(
    background="transparent",
    plot_background="transparent",
    foreground="#4a5560",
    foreground_strong="#1d252c",
    foreground_subtle="#d5dbe1",
    guide_stroke_color="#d5dbe1",
    major_guide_stroke_color="#d5dbe1",
    guide_stroke_dasharray="1",
    major_guide_stroke_dasharray="1",
    opacity="1",
    opacity_hover="1",
    transition="0",
    font_family="inherit",
    label_font_size=13,
    major_label_font_size=13,
    colors=COLORS,
)
_OPTIONS: Final[dict[str, Any]] = {
    "js": [],
    "style": _STYLE,
    "show_legend": False,
    "margin": 8,
    "truncate_label": -1,
    "disable_xml_declaration": True,
}
# pygal adds an import hook for maps, in a form that Python has deprecated: every later import would warn.
sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, pygal.PluginImportFixer)]
_DROPPED: Final = ("desc", "script")
_FEWEST_COLUMNS: Final = 12


def columns(labels: Sequence[str], series: Sequence[Sequence[int]], *, width: int, title: str) -> Markup:
    """Return a picture of stacked columns in :data:`COLORS`; a label may be empty."""
    chart = pygal.StackedBar(width=width, height=280, formatter=_whole, **_OPTIONS)
    # A few columns keep the width of columns.
    padding = max(0, _FEWEST_COLUMNS - len(labels))
    chart.x_labels = [*labels, *[""] * padding]
    chart.y_labels = ticks(max(map(sum, zip(*series, strict=True)), default=0))
    for values in series:
        chart.add("", [*values, *[None] * padding])
    return _svg(chart, title)


def bars(labels: Sequence[str], values: Sequence[int], *, width: int, title: str) -> Markup:
    """Return a picture of horizontal bars, the first one on top."""
    chart = pygal.HorizontalBar(
        width=width, height=16 + 32 * len(values), show_x_labels=False, show_y_guides=False, **_OPTIONS
    )
    chart.x_labels = list(labels[::-1])
    chart.add("", list(values[::-1]))
    return _svg(chart, title)


def ticks(highest: int) -> list[int]:
    """Return whole numbers from 0 to ``highest`` or a little more, at most 7, for an axis."""
    for exponent in count():
        for digit in (1, 2, 5):
            step = digit * 10**exponent
            if highest <= 5 * step:
                return list(range(0, highest + step, step))
    raise AssertionError  # pragma: no cover - the loop has no end


def _whole(number: float) -> str:
    return f"{number:,.0f}"


def _svg(chart: Any, title: str) -> Markup:
    root: Element = chart.render_tree()
    _clean(root)
    root.set("role", "img")
    root.set("aria-label", title)
    return Markup(tostring(root, encoding="unicode"))  # noqa: S704 - elements of our own, escaped by tostring


def _clean(parent: Element) -> None:
    """Remove comments, scripts, titles and the texts for scripts, and the names of namespaces."""
    parent.attrib.pop("xmlns", None)
    parent.attrib.pop("xmlns:xlink", None)
    for child in list(parent):
        if not isinstance(child.tag, str) or child.tag.rpartition("}")[2] in _DROPPED:
            parent.remove(child)
        else:
            _clean(child)
