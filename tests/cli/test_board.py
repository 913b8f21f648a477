"""What moves on the terminal: drawn without one."""

import asyncio
import io
from datetime import datetime

import pytest
from rich.console import Console
from support.virtual_time import now, run

from emay_voice_async import Accepted, Recipient
from emay_voice_async.cli.campaign.hours_notice import tell_hours
from emay_voice_async.cli.campaign.progress import Board
from emay_voice_async.cli.campaign.tally import Tally
from emay_voice_async.cli.terminal.console import Screen
from emay_voice_async.cli.terminal.formatting import duration
from emay_voice_async.model.beijing import BEIJING
from emay_voice_async.model.stats import Stats
from emay_voice_async.sending.hours import CallingHours

NOON = datetime(2026, 1, 1, 12, tzinfo=BEIJING).timestamp()


def drawn(board: Board, width: int = 80) -> list[str]:
    """Return the lines of a board."""
    console = Console(file=io.StringIO(), width=width, force_terminal=False)
    with console.capture() as capture:
        console.print(board.render())
    return [line.rstrip() for line in capture.get().splitlines()]


class TestBoard:
    """What is to be seen at a moment."""

    @pytest.mark.parametrize("width", [80, 120])
    def test_the_figures(self, width: int) -> None:
        """Done and total, each outcome, and the waiting for slots, in the width there is."""
        tally = Tally(accepted=1_200_000, refused=500, unknown=12, not_sent=7)
        stats = Stats(requests=2400, waited=3600.0)
        lines = drawn(Board(Screen(), tally, total=2_500_000, stats=lambda: stats), width)
        assert len(lines) == 3
        assert all(len(line) <= width for line in lines)
        assert "1,200,519/2,500,000" in lines[0]
        assert "48%" in lines[0]
        assert lines[1] == "1,200,000 accepted   500 refused   12 unknown   7 not sent"
        assert lines[2] == "2,400 requests, each waited 1.5 s for its slot on average"

    def test_before_the_first_answer(self) -> None:
        """Nothing is divided by zero."""
        lines = drawn(Board(Screen(), Tally(), total=0, stats=Stats))
        assert lines[1] == "0 accepted   0 refused   0 unknown   0 not sent"
        assert lines[2].startswith("0 requests")

    def test_outside_the_hours(self) -> None:
        """What it waits for, and how long."""
        hours = CallingHours("14:00-21:00")
        board = Board(Screen(), Tally(), total=9, stats=Stats, hours=hours, clock=lambda: NOON)
        assert drawn(board)[2] == "outside the calling hours 14:00-21:00 (Beijing time): 2:00:00 h to go"

    def test_what_counts(self) -> None:
        """What the journal knew is no progress of this run."""
        tally = Tally()
        one = (Recipient("13800000000", "a"),)
        tally.add(Accepted(0, one, (), recorded=True))
        assert (tally.had_turn, tally.done_before) == (0, 1)


def test_the_hours_are_told() -> None:
    """Their end is told once, with when it goes on, and so is their beginning."""
    told: list[tuple[float, str]] = []

    async def main() -> None:
        began = now()
        telling = asyncio.ensure_future(
            tell_hours(
                CallingHours("12:01-12:02,14:00-14:01"),
                lambda text: told.append((now() - began, text)),
                lambda: NOON + now() - began,
            )
        )
        await asyncio.sleep(7300)
        telling.cancel()
        await asyncio.wait({telling})

    run(main())
    texts = [text for _, text in told]
    resting = "Outside the calling hours 12:01-12:02,14:00-14:01 (Beijing time): going on at 2026-01-01"
    assert texts[:3] == [f"{resting} 12:01.", "The calling hours have begun: going on.", f"{resting} 14:00."]
    assert texts[3:4] == ["The calling hours have begun: going on."]
    assert [round(at) for at, _ in told[:4]] == [0, 60, 120, 7200]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "a moment"),
        (0.44, "0.4 s"),
        (12.4, "12 s"),
        (59.6, "1:00 min"),
        (185, "3:05 min"),
        (93785, "26:03:05 h"),
    ],
)
def test_durations(seconds: float, words: str) -> None:
    """A time is said in the unit that fits it."""
    assert duration(seconds) == words
