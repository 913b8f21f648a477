"""What moves on the terminal while a send goes on."""

import time
from collections.abc import Callable
from typing import Final, Self

from rich.console import Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskProgressColumn, TextColumn
from rich.text import Text

from emay_voice_async.cli.campaign.tally import Tally
from emay_voice_async.cli.terminal.console import Screen
from emay_voice_async.cli.terminal.formatting import duration, requests
from emay_voice_async.model.stats import Stats
from emay_voice_async.sending.hours import CallingHours

__all__ = ["Board"]

_COUNTS: Final = (("accepted", "green"), ("refused", "red"), ("unknown", "yellow"), ("not_sent", "red"))


class Board:
    """A bar, the speed, the time that is left, the outcomes so far, and what is being waited for."""

    def __init__(
        self,
        screen: Screen,
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
        self._progress = Progress(
            BarColumn(bar_width=None),
            TextColumn("{task.completed:,.0f}/{task.total:,.0f}"),
            TaskProgressColumn(),
            _SpeedColumn(),
            console=screen.console,
            expand=True,
        )
        self._task = self._progress.add_task("", total=total)
        self._live = Live(
            console=screen.console, get_renderable=self.render, refresh_per_second=5, transient=True
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def render(self) -> RenderableType:
        """Return what is to be seen at this moment."""
        self._progress.update(self._task, completed=self._tally.had_turn)
        return Group(self._progress, self._counts(), self._waits())

    def _counts(self) -> Text:
        counts = ((getattr(self._tally, name), name.replace("_", " "), style) for name, style in _COUNTS)
        return Text("   ").join(
            Text(f"{number:,} {name}", style=style if number else "dim") for number, name, style in counts
        )

    def _waits(self) -> Text:
        pause = 0.0 if self._hours is None else self._hours.wait(self._clock())
        if pause:
            return Text(f"outside the calling hours {self._hours}: {duration(pause)} to go", style="yellow")
        stats = self._stats()
        each = stats.waited / stats.requests if stats.requests else 0.0
        return Text(
            f"{requests(stats.requests)}, each waited {each:.1f} s for its slot on average", style="dim"
        )


class _SpeedColumn(ProgressColumn):
    """Numbers in a second, and the time that is left."""

    max_refresh = 0.5

    def render(self, task: Task) -> Text:
        speed, left = task.finished_speed or task.speed, task.time_remaining
        return Text(
            ("" if speed is None else f"{speed:,.0f}/s")
            + ("" if left is None or task.finished else f"  {duration(left)} left"),
            style="cyan",
        )
