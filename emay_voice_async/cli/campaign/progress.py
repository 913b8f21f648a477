"""The progress of a send on a terminal."""

import time
from collections.abc import Callable
from typing import Final, Self

from rich import progress
from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from emay_voice_async.cli.campaign.tally import Tally
from emay_voice_async.cli.terminal.console import Console
from emay_voice_async.cli.terminal.formatting import duration, requests
from emay_voice_async.cli.terminal.language import gettext, noop
from emay_voice_async.model.stats import Stats
from emay_voice_async.sending.hours import CallingHours

__all__ = ["ProgressDisplay"]

_COUNTS: Final = (
    ("accepted", noop("{number:,} accepted"), "green"),
    ("refused", noop("{number:,} refused"), "red"),
    ("unknown", noop("{number:,} unknown"), "yellow"),
    ("not_sent", noop("{number:,} not sent"), "red"),
)


class ProgressDisplay:
    """A bar, the speed, the remaining time, the outcomes so far, and the cause of the current wait."""

    def __init__(
        self,
        console: Console,
        tally: Tally,
        *,
        total: int,
        stats: Callable[[], Stats],
        hours: CallingHours | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._tally = tally
        self._stats = stats
        self._hours = hours
        self._clock = clock
        self._bar = progress.Progress(
            progress.BarColumn(bar_width=None),
            progress.TextColumn("{task.completed:,.0f}/{task.total:,.0f}"),
            progress.TaskProgressColumn(),
            _SpeedColumn(),
            console=console.rich,
            expand=True,
        )
        self._task = self._bar.add_task("", total=total)
        self._live = Live(
            console=console.rich, get_renderable=self.render, refresh_per_second=5, transient=True
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def render(self) -> RenderableType:
        """Return the three lines of the display."""
        self._bar.update(self._task, completed=self._tally.completed)
        return Group(self._bar, self._counts(), self._wait())

    def _counts(self) -> Text:
        counts = ((getattr(self._tally, name), text, style) for name, text, style in _COUNTS)
        return Text("   ").join(
            Text(gettext(text, number=number), style=style if number else "dim")
            for number, text, style in counts
        )

    def _wait(self) -> Text:
        pause = 0.0 if self._hours is None else self._hours.wait(self._clock())
        if pause:
            return Text(
                gettext(
                    "outside the calling hours {hours}: {duration} to wait",
                    hours=self._hours,
                    duration=duration(pause),
                ),
                style="yellow",
            )
        stats = self._stats()
        average = stats.waited / stats.requests if stats.requests else 0.0
        return Text(
            gettext(
                "{requests}, average wait for a slot {seconds:.1f} s",
                requests=requests(stats.requests),
                seconds=average,
            ),
            style="dim",
        )


class _SpeedColumn(progress.ProgressColumn):
    """Numbers per second, and the remaining time."""

    max_refresh = 0.5

    def render(self, task: progress.Task) -> Text:
        speed, left = task.finished_speed or task.speed, task.time_remaining
        return Text(
            ("" if speed is None else gettext("{speed:,.0f}/s", speed=speed))
            + (
                ""
                if left is None or task.finished
                else f"  {gettext('{duration} left', duration=duration(left))}"
            ),
            style="cyan",
        )
