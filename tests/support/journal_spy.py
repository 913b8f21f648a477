"""A journal that reports each step to a test, so that a test can slow, break or cancel the step."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from types import TracebackType
from typing import Self

from emay_voice_async.journal.protocol import Claim, Journal, JournalRun, Key, Line, Standing, State, Summary
from emay_voice_async.journal.purpose import Purpose
from emay_voice_async.model.results import Report

Watch = Callable[[str], Awaitable[None]]
"""Awaited with the name of each step before the step, and with "began" after a claim."""


class Watched:
    """A journal that wraps another journal."""

    def __init__(self, journal: Journal, watch: Watch) -> None:
        self.journal = journal
        self.watch = watch

    async def start(self, purpose: Purpose, *, dry: bool = False) -> JournalRun:
        """Begin a run."""
        await self.watch("start")
        return _Run(await self.journal.start(purpose, dry=dry), self.watch)

    async def record(self, reports: Iterable[Report]) -> int:
        """Record reports."""
        return await self.journal.record(reports)

    async def summary(self) -> Summary:
        """Count the calls."""
        return await self.journal.summary()

    def lines(self) -> AsyncIterator[Line]:
        """Iterate over the calls."""
        return self.journal.lines()

    async def aclose(self) -> None:
        """Release the journal."""
        await self.journal.aclose()

    async def __aenter__(self) -> Self:
        await self.journal.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.journal.__aexit__(kind, error, trace)


class _Run:
    def __init__(self, run: JournalRun, watch: Watch) -> None:
        self._run = run
        self._watch = watch

    async def look(self, keys: Sequence[Key]) -> Sequence[Standing | None]:
        await self._watch("look")
        return await self._run.look(keys)

    async def begin(self, claim: Claim) -> bool:
        await self._watch("begin")
        begun = await self._run.begin(claim)
        await self._watch("began")
        return begun

    async def close(
        self, claim: Claim, state: State, *, reason: str = "", message_ids: Sequence[str] | None = None
    ) -> None:
        await self._watch("close")
        await self._run.close(claim, state, reason=reason, message_ids=message_ids)

    async def end(self) -> None:
        try:
            await self._watch("end")
        finally:
            await self._run.end()
