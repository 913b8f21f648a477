"""The progress of a campaign on a terminal: calls, reports, the end, the cost."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Final, Self

from rich import progress
from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from emay_voice_async.cli.campaign.report_counts import ReportCounts
from emay_voice_async.cli.campaign.spending import Spending
from emay_voice_async.cli.campaign.tally import Tally
from emay_voice_async.cli.terminal.console import Console
from emay_voice_async.cli.terminal.formatting import duration, hours_of, requests
from emay_voice_async.cli.terminal.language import gettext, noop
from emay_voice_async.model.beijing import BEIJING
from emay_voice_async.model.stats import Stats
from emay_voice_async.sending.hours import CallingHours

__all__ = ["ProgressDisplay", "ReportsDisplay"]

_PROBLEMS: Final = (
    ("refused", noop("{number:,} refused"), "red"),
    ("unknown", noop("{number:,} unknown"), "yellow"),
    ("not_sent", noop("{number:,} not sent"), "red"),
)


def _bars(console: Console) -> progress.Progress:
    return progress.Progress(
        progress.TextColumn("{task.description}"),
        progress.BarColumn(bar_width=None, complete_style="cyan", finished_style="green"),
        progress.TextColumn("{task.completed:,.0f}/{task.total:,.0f}"),
        progress.TaskProgressColumn(style="", text_format="{task.percentage:>3.0f}%"),
        console=console.rich,
        expand=True,
    )


def _clock_time(at: float, now: float) -> str:
    """Format a moment in Beijing time, with the day if that is not today."""
    moment = datetime.fromtimestamp(at, BEIJING)
    is_today = moment.date() == datetime.fromtimestamp(now, BEIJING).date()
    return f"{moment:%H:%M}" if is_today else f"{moment:%m-%d %H:%M}"


class _Display(ABC):
    """Lines that are drawn again and again while the context lasts, and once when the display is made."""

    def __init__(self, console: Console) -> None:
        self._live = Live(
            console=console.rich, get_renderable=self.render, refresh_per_second=5, transient=True
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    @abstractmethod
    def render(self) -> RenderableType:
        """Return the lines."""
        ...


class ReportsDisplay(_Display):
    """A bar of the calls of a journal that have a report, and how they ended."""

    def __init__(self, console: Console, counts: ReportCounts) -> None:
        self._counts = counts
        self._bars = _bars(console)
        self._task = self._bars.add_task(gettext("Reports"), total=0)
        super().__init__(console)

    def render(self) -> RenderableType:
        """Return the two lines of the display."""
        counts = self._counts
        self._bars.update(self._task, completed=counts.reported, total=counts.calls)
        return Group(self._bars, _joined(_ends(counts)))


class ProgressDisplay(_Display):
    """Bars of calls and reports, the outcomes so far, and the end, the cost, or the cause of a pause.

    ``seconds``: the time of the plan, used until the first request has ended. ``counts``: reports that are collected.
    """

    def __init__(
        self,
        console: Console,
        tally: Tally,
        *,
        total: int,
        stats: Callable[[], Stats],
        seconds: float = 0.0,
        hours: CallingHours | None = None,
        spending: Spending | None = None,
        counts: ReportCounts | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._tally = tally
        self._total = total
        self._stats = stats
        self._seconds = seconds
        self._hours = hours
        self._spending = spending
        self._counts = counts
        self._clock = clock
        self._seen = self._began = clock()
        self._active = 0.0
        self.collecting_until: float | None = None
        """When the collection of reports ends at the latest; None: calls are still sent."""
        self._bars = _bars(console)
        self._calls = self._bars.add_task(gettext("Calls"), total=total)
        self._reports = None if counts is None else self._bars.add_task(gettext("Reports"), total=0)
        super().__init__(console)

    def render(self) -> RenderableType:
        """Return the lines of the display."""
        self._bars.update(self._calls, completed=self._tally.completed)
        if self._counts is not None and self._reports is not None:
            self._bars.update(self._reports, completed=self._counts.reported, total=self._counts.calls)
        return Group(self._bars, _joined(self._outcomes()), *self._state())

    def _outcomes(self) -> Iterator[Text]:
        yield Text(gettext("{number:,} accepted", number=self._tally.accepted))
        for name, text, style in _PROBLEMS:
            if number := getattr(self._tally, name):
                yield Text(gettext(text, number=number), style=style)
        if self._counts is not None:
            yield from _ends(self._counts)

    def _state(self) -> Iterator[Text]:
        now = self._clock()
        pause = 0.0 if self._hours is None else self._hours.wait(now)
        self._active += 0.0 if pause else now - self._seen
        self._seen = now
        if self.collecting_until is not None:
            yield Text(
                gettext(
                    "All calls are sent. Reports until {time} (Beijing time); Ctrl-C ends the wait.",
                    time=_clock_time(self.collecting_until, now),
                ),
                style="dim",
            )
        elif pause and self._hours is not None:
            yield Text(
                gettext(
                    "outside the calling hours {hours}: {duration} to wait",
                    hours=hours_of(self._hours),
                    duration=duration(pause),
                ),
                style="yellow",
            )
        else:
            yield self._end(now)
        cost = "" if self._spending is None else self._spending.sentence(self._tally.accepted)
        if cost:
            yield Text(cost, style="dim")

    def _end(self, now: float) -> Text:
        """Say when the last call will be sent, by the speed so far."""
        completed, left = self._tally.completed, self._total - self._tally.completed
        seconds = left * self._active / completed if completed else self._seconds
        if completed and self._hours is not None:
            seconds = self._hours.stretched(now, seconds)
        return Text(
            gettext(
                "ends about {time} (Beijing time), in {duration}; {requests}",
                time=_clock_time(now + seconds, now),
                duration=duration(seconds),
                requests=requests(self._stats().requests),
            ),
            style="dim",
        )


def _ends(counts: ReportCounts) -> Iterator[Text]:
    yield Text(gettext("{number:,} answered", number=counts.answered), style="green")
    yield Text(gettext("{number:,} not answered", number=counts.reported - counts.answered))


def _joined(texts: Iterator[Text]) -> Text:
    return Text("   ").join(texts)
