"""Pictures as inline SVG."""

import sys
from itertools import pairwise
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from emay_voice_async.cli.report.pictures import bars, columns, ticks


def test_columns() -> None:
    """Each value is a column, and labels are escaped; there is no script and no address."""
    picture = columns(["<09:00>", ""], [[1, 2], [0, 3], [4, 0]], width=400, title='Calls & "more"')
    root = ElementTree.fromstring(picture)  # noqa: S314 - our own
    assert root.get("aria-label") == 'Calls & "more"'
    assert "<09:00>" in [element.text for element in root.iter("text")]
    series = [element for element in root.iter("g") if "serie-0" in (element.get("class") or "")]
    assert sum(float(column.get("height") or 0) > 0 for column in series[0].iter("rect")) == 2
    for forbidden in ("<script", "http", "xmlns", "<!--", "<desc", "href"):
        assert forbidden not in picture


def test_bars() -> None:
    """The labels are beside the bars, the first one on top; nothing is drawn without values."""
    root = ElementTree.fromstring(bars(["1: 20", "2: 5"], [20, 5], width=400, title="Keys"))  # noqa: S314 - our own
    places = {element.text: float(element.get("y") or 0) for element in root.iter("text")}
    assert places["1: 20"] < places["2: 5"]


def test_import_hook() -> None:
    """The library's import hook, whose form Python has deprecated, is removed."""
    assert not [finder for finder in sys.meta_path if "pygal" in type(finder).__module__]


@given(st.integers(0, 10**12))
def test_ticks(highest: int) -> None:
    """The axis reaches the highest value in a few equal steps."""
    found = ticks(highest)
    assert found[0] == 0
    assert highest <= found[-1] <= max(1, 2 * highest)
    assert len(found) <= 7
    assert len({after - before for before, after in pairwise(found)}) <= 1
