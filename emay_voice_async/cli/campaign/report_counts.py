"""Counts of a journal while reports come in: calls, reports, answered calls."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from attrs import define, field

from emay_voice_async.journal.protocol import Journal, State, Summary
from emay_voice_async.model.codes import CallState, call_state

__all__ = ["ReportCounts"]

_LEAST_PAUSE: Final = 1.0
_PAUSE_PER_SECOND: Final = 10.0
"""Seconds of pause for each second that a summary took: a large journal is counted less often."""


@define
class ReportCounts:
    """The calls of a journal that were made or perhaps made, and their reports by state."""

    journal: Journal
    calls: int = 0
    states: dict[CallState, int] = field(factory=dict)
    """Reports by call state, the most frequent first."""

    @property
    def reported(self) -> int:
        """The calls with a report."""
        return sum(self.states.values())

    @property
    def missing(self) -> int:
        """The calls without a report."""
        return max(0, self.calls - self.reported)

    @property
    def answered(self) -> int:
        """The calls that were answered."""
        return self.states.get(CallState.SUCCESS, 0)

    async def refresh(self) -> None:
        """Count again."""
        self._take(await self.journal.summary())

    async def follow(self, on_count: Callable[[], object] = lambda: None) -> None:
        """Count again and again until cancelled; call ``on_count`` after each count."""
        while True:
            began = time.monotonic()
            await self.refresh()
            on_count()
            took = time.monotonic() - began
            await asyncio.sleep(max(_LEAST_PAUSE, took * _PAUSE_PER_SECOND))

    def _take(self, summary: Summary) -> None:
        self.calls = summary.states[State.ACCEPTED] + summary.states[State.UNKNOWN]
        self.states = {}
        for raw, number in summary.reported.items():
            state = call_state(raw)
            self.states[state] = self.states.get(state, 0) + number
