"""Reads a journal again and again while other processes write it; the memory does not grow with the journal.

The counts are read often, by the summary of the journal. What needs every call (keys, failures) is read in the
background, with pauses, so that a long journal does not keep the campaign or the page waiting.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from datetime import datetime
from time import monotonic
from typing import Final

from attrs import define, field

from emay_voice_async.cli.report.results import CampaignResults, CampaignTally
from emay_voice_async.cli.watch.rates import RateMeter
from emay_voice_async.errors import JournalError
from emay_voice_async.journal.protocol import Journal, Line, State, Summary
from emay_voice_async.model.beijing import BEIJING
from emay_voice_async.model.codes import CallState, call_state

__all__ = ["Watcher", "read_results"]

LAST_FAILURES: Final = 20
COUNT_PAUSE: Final = 1.0
DETAIL_PAUSE: Final = 5.0
"""Seconds between two readings at least; after a long reading the pause is longer."""
_SHARE: Final = 3
"""The pause after a reading lasts at least this many times as long as the reading before it."""
_PART: Final = 5000
"""Calls that are read without a pause."""
_REST: Final = 0.25
"""The pause after a part lasts this many times as long as the reading of the part."""


@define(eq=False)
class Watcher:
    """The last counts and details of a journal; ``error`` says why the last reading failed."""

    journal: Journal
    clock: Callable[[], float] = monotonic
    summary: Summary | None = None
    results: CampaignResults | None = None
    failures: tuple[Line, ...] = ()
    details_at: datetime | None = None
    error: str | None = None
    rates: RateMeter = field(factory=RateMeter)
    _detailed: object = field(default=None, init=False)

    async def run(self) -> None:
        """Read until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._repeat(self.count, COUNT_PAUSE))
            group.create_task(self._repeat(self.read_details, DETAIL_PAUSE))

    async def count(self) -> None:
        """Read the counts once. Raises :class:`~emay_voice_async.errors.JournalError`."""
        self.summary = await self.journal.summary()
        states = self.summary.states
        self.rates.add(self.clock(), sum(states.values()) - states.get(State.UNDER_WAY, 0))
        self.error = None

    async def read_details(self) -> None:
        """Read every call once, unless the counts are those of the last time."""
        summary = self.summary
        if summary is None or (self.results is not None and self._detailed == _counts(summary)):
            return
        tally, failures = CampaignTally(), deque[Line](maxlen=LAST_FAILURES)
        number, began = 0, self.clock()
        async for line in self.journal.lines():
            tally.add(line)
            if _has_failed(line):
                failures.append(line)
            number += 1
            if number % _PART == 0:
                await asyncio.sleep(_REST * (self.clock() - began))
                began = self.clock()
        self.results, self.failures = tally.results(summary), tuple(reversed(failures))
        self.details_at, self._detailed = datetime.now(BEIJING), _counts(summary)

    async def _repeat(self, read: Callable[[], Awaitable[None]], pause: float) -> None:
        while True:
            began = self.clock()
            try:
                await read()
            except JournalError as error:
                self.error = str(error)
            await asyncio.sleep(max(pause, _SHARE * (self.clock() - began)))


async def read_results(journal: Journal) -> CampaignResults:
    """Count the results of a campaign once."""
    summary, tally = await journal.summary(), CampaignTally()
    async for line in journal.lines():
        tally.add(line)
    return tally.results(summary)


def _counts(summary: Summary) -> object:
    return summary.states, summary.reported


def _has_failed(line: Line) -> bool:
    if line.state is State.ACCEPTED:
        return bool(line.report_state) and call_state(line.report_state) is not CallState.SUCCESS
    return line.state is not State.UNDER_WAY
