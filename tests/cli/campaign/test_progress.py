"""The progress of a send, drawn without a terminal."""

import io
from datetime import datetime

import pytest
import rich.console

from emay_voice_async.cli.campaign.progress import ProgressDisplay
from emay_voice_async.cli.campaign.tally import Tally
from emay_voice_async.cli.terminal.console import Console
from emay_voice_async.model.beijing import BEIJING
from emay_voice_async.model.stats import Stats
from emay_voice_async.sending.hours import CallingHours

NOON = datetime(2026, 1, 1, 12, tzinfo=BEIJING).timestamp()


def drawn(display: ProgressDisplay, width: int = 80) -> list[str]:
    """Return the lines of a display."""
    console = rich.console.Console(file=io.StringIO(), width=width, force_terminal=False)
    with console.capture() as capture:
        console.print(display.render())
    return [line.rstrip() for line in capture.get().splitlines()]


class TestProgressDisplay:
    """The three lines of the display."""

    @pytest.mark.parametrize("width", [80, 120])
    def test_figures(self, width: int) -> None:
        """Bar, outcomes and average wait fit the width of the terminal."""
        tally = Tally(accepted=1_200_000, refused=500, unknown=12, not_sent=7)
        stats = Stats(requests=2400, waited=3600.0)
        lines = drawn(ProgressDisplay(Console(), tally, total=2_500_000, stats=lambda: stats), width)
        assert len(lines) == 3
        assert all(len(line) <= width for line in lines)
        assert "1,200,519/2,500,000" in lines[0]
        assert "48%" in lines[0]
        assert lines[1] == "1,200,000 accepted   500 refused   12 unknown   7 not sent"
        assert lines[2] == "2,400 requests, average wait for a slot 1.5 s"

    def test_start(self) -> None:
        """A display without any request is complete."""
        lines = drawn(ProgressDisplay(Console(), Tally(), total=0, stats=Stats))
        assert lines[1] == "0 accepted   0 refused   0 unknown   0 not sent"
        assert lines[2].startswith("0 requests")

    def test_outside_hours(self) -> None:
        """Outside the calling hours, the display shows the time to wait."""
        hours = CallingHours("14:00-21:00")
        display = ProgressDisplay(Console(), Tally(), total=9, stats=Stats, hours=hours, clock=lambda: NOON)
        assert drawn(display)[2] == "outside the calling hours 14:00-21:00 (Beijing time): 2:00:00 h to wait"
