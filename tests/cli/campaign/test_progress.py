"""The progress of a campaign, drawn without a terminal."""

import io
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest
import rich.console
from rich.cells import cell_len

from emay_voice_async.cli.campaign.progress import ProgressDisplay, ReportsDisplay
from emay_voice_async.cli.campaign.report_counts import ReportCounts
from emay_voice_async.cli.campaign.spending import Spending
from emay_voice_async.cli.campaign.tally import Tally
from emay_voice_async.cli.terminal.console import Console
from emay_voice_async.cli.terminal.language import using
from emay_voice_async.journal import SqliteJournal
from emay_voice_async.model.beijing import BEIJING
from emay_voice_async.model.codes import CallState
from emay_voice_async.model.endpoints import Product
from emay_voice_async.model.stats import Stats
from emay_voice_async.sending.hours import CallingHours

NOON = datetime(2026, 1, 1, 12, tzinfo=BEIJING).timestamp()


class SetClock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        """Return the time."""
        return self.now


def drawn(display: ProgressDisplay | ReportsDisplay, width: int = 80) -> list[str]:
    """Return the lines of a display."""
    console = rich.console.Console(file=io.StringIO(), width=width, force_terminal=False)
    with console.capture() as capture:
        console.print(display.render())
    return [line.rstrip() for line in capture.get().splitlines()]


def counts(tmp_path: Path) -> ReportCounts:
    """Return counts with reports of two states."""
    states = {CallState.SUCCESS: 900, CallState.FAIL_CALL: 30}
    return ReportCounts(SqliteJournal(tmp_path / "run.db"), calls=1000, states=states)


class TestProgressDisplay:
    """The lines of the display."""

    @pytest.mark.parametrize("width", [80, 120])
    def test_figures(self, width: int) -> None:
        """Bar, outcomes and the end fit the width of the terminal."""
        clock, tally = SetClock(), Tally(accepted=1_200_000, refused=500, unknown=12, not_sent=7)
        display = ProgressDisplay(
            Console(), tally, total=2_500_000, stats=lambda: Stats(requests=2400), clock=clock
        )
        clock.now += 1200.0
        lines = drawn(display, width)
        assert len(lines) == 3
        assert all(len(line) <= width for line in lines)
        assert "1,200,519/2,500,000" in lines[0]
        assert "48%" in lines[0]
        assert lines[1] == "1,200,000 accepted   500 refused   12 unknown   7 not sent"
        assert lines[2] == "ends about 12:41 (Beijing time), in 21:39 min; 2,400 requests"

    def test_start(self) -> None:
        """Before the first outcome, the end is that of the plan, with the day if it is not today."""
        display = ProgressDisplay(Console(), Tally(), total=9, stats=Stats, seconds=86_400, clock=SetClock())
        lines = drawn(display)
        assert lines[1:] == [
            "0 accepted",
            "ends about 01-02 12:00 (Beijing time), in 24:00:00 h; 0 requests",
        ]

    def test_calm(self) -> None:
        """While all is well, no line is red or yellow, and no problem is named."""
        tally = Tally(accepted=5)
        display = ProgressDisplay(Console(), tally, total=9, stats=Stats, hours=CallingHours("00:00-24:00"))
        console = rich.console.Console(
            file=io.StringIO(), width=80, force_terminal=True, color_system="standard", legacy_windows=False
        )
        with console.capture() as capture:
            console.print(display.render())
        codes = {code for part in capture.get().split("\x1b[")[1:] for code in part.split("m")[0].split(";")}
        assert codes & {"31", "91", "33", "93", "35", "95"} == set()
        assert "refused" not in capture.get()

    def test_hours(self) -> None:
        """Outside the calling hours, the display shows the time to wait; pauses do not slow the estimate."""
        clock, tally = SetClock(), Tally()
        display = ProgressDisplay(
            Console(),
            tally,
            total=200,
            stats=Stats,
            hours=CallingHours("08:00-12:10,14:00-21:00"),
            clock=clock,
        )
        tally.accepted, clock.now = 100, NOON + 300
        assert drawn(display)[2].startswith("ends about 12:10 (Beijing time), in 5:00 min")
        clock.now = NOON + 3600
        assert drawn(display)[2] == (
            "outside the calling hours 08:00-12:10,14:00-21:00 (Beijing time): 1:00:00 h to"
        )
        clock.now = NOON + 7200 + 60
        tally.accepted = 110
        drawn(display)
        assert "ends about 14:" in drawn(display)[2]

    def test_cost(self) -> None:
        """The cost has a line of its own that says how the cost is known."""
        spending = Spending(Product.VOICE, Decimal(100), now=Decimal("99.5"))
        display = ProgressDisplay(Console(), Tally(accepted=5), total=9, stats=Stats, spending=spending)
        assert drawn(display)[3] == "cost 0.5, by the balance: 100 before, 99.5 now"
        spending.price = Decimal("0.12")
        assert drawn(display)[3] == "cost 0.6, by the price of 0.12 a call"

    @pytest.mark.parametrize("language", ["en", "zh"])
    def test_reports(self, tmp_path: Path, language: str) -> None:
        """Collected reports have a bar and counts; after the last call, the display says how long it waits."""
        with using(language):
            display = ProgressDisplay(
                Console(),
                Tally(accepted=1000),
                total=1000,
                stats=Stats,
                counts=counts(tmp_path),
                clock=SetClock(),
            )
            display.collecting_until = NOON + 1800
            lines = drawn(display)
        assert all(cell_len(line) <= 80 for line in lines)
        assert "930/1,000" in lines[1]
        if language == "en":
            assert lines[2] == "1,000 accepted   900 answered   30 not answered"
            assert "until 12:30" in " ".join(lines[3:])
        else:
            assert lines[2] == "提交成功 1,000   已接通 900   未接通 30"
            assert lines[3].startswith("已全部提交，正在收取状态报告，最晚到 12:30")


def test_reports_display(tmp_path: Path) -> None:
    """The display of reports has a bar and two counts."""
    lines = drawn(ReportsDisplay(Console(), counts(tmp_path)))
    assert lines[0].startswith("Reports")
    assert "930/1,000" in lines[0]
    assert lines[1] == "900 answered   30 not answered"
