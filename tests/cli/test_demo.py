"""The demo: the main job from end to end, and what it says when something is off."""

import asyncio
import importlib
import io
import sys
from collections import Counter
from decimal import Decimal

import pytest
from attrs import evolve
from rich.console import Console

from emay_voice_async import CallState, Product, Report
from emay_voice_async.cli.commands.demo import Facts, complaints, show
from emay_voice_async.model.stats import Stats

GOOD = Facts(
    sent=3,
    accepted=3,
    called=Counter(["13800000000", "13800000001", "13800000013"]),
    silent=1,
    reports=[Report(Product.VOICE, state=CallState.SUCCESS)] * 2,
    before=Decimal(10),
    after=Decimal("9.7"),
    price=Decimal("0.1"),
    over_speed=0,
    stats=Stats(),
    seconds=1.0,
)


def test_the_tour() -> None:
    """Over a real socket, 1,237 numbers are called once each, and the whole page fits 80 columns."""
    output = io.StringIO()
    assert asyncio.run(show(Console(file=output, width=80)))
    text = output.getvalue()
    assert "each of the 1,237 numbers was called exactly once" in text
    assert "1234/1234" in text
    assert "1236/1236" in text
    assert max(map(len, text.splitlines())) <= 80


class TestComplaints:
    """What is off is said."""

    def test_nothing(self) -> None:
        """When all is well there is nothing to complain about."""
        assert list(complaints(GOOD)) == []

    @pytest.mark.parametrize(
        ("change", "word"),
        [
            ({"accepted": 2}, "2 were accepted"),
            ({"called": Counter(["1", "2", "2"])}, "3 calls to 2 numbers"),
            ({"called": Counter(["1", "2", "3", "3"])}, "4 calls to 3 numbers"),
            ({"reports": []}, "0 reports came instead of 2"),
            ({"after": Decimal(9)}, "went down by 1"),
            ({"over_speed": 1}, "ERROR_OVER_SPEED 1 times"),
        ],
    )
    def test_each_thing(self, change: dict[str, object], word: str) -> None:
        """Each thing that is off has a sentence of its own."""
        [complaint] = complaints(evolve(GOOD, **change))  # type: ignore[arg-type]
        assert word in complaint


def test_without_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without rich it says, in one line, what to install."""
    monkeypatch.setitem(sys.modules, "rich", None)
    monkeypatch.delitem(sys.modules, "emay_voice_async.cli.commands.demo")
    with pytest.raises(ImportError, match=r'the demo needs an extra: .*"emay_voice_async\[demo\]"$'):
        importlib.import_module("emay_voice_async.cli.commands.demo")


def test_a_tour_that_goes_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """When something is off, the page says what, and the demo says no."""
    monkeypatch.setattr("emay_voice_async.cli.commands.demo.PATIENCE", 0.0)
    monkeypatch.setattr("emay_voice_async.cli.commands.demo.REPORT_DELAY", 60.0)
    output = io.StringIO()
    assert not asyncio.run(show(Console(file=output, width=80)))
    assert "Something is off: 0 reports came instead of 1236." in output.getvalue()
    assert "All is well" not in output.getvalue()
