"""The null journal: every number is new, and no outcome is recorded."""

from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from emay_voice_async.journal.protocol import Claim, Key, Line, State, Summary
from emay_voice_async.journal.purpose import Purpose
from emay_voice_async.model.results import Report

__all__ = ["NullJournal"]


class NullJournal:
    """A journal without memory, for a send or a plan without a journal.

    Duplicates within an input are still found, because the send itself counts occurrences.
    """

    async def start(self, purpose: Purpose, *, dry: bool = False) -> "NullRun":
        """Begin a run."""
        return NullRun()

    async def record(self, reports: Iterable[Report]) -> int:
        """Return 0: no report belongs to a call of this journal."""
        return 0

    async def summary(self) -> Summary:
        """Count no calls."""
        return Summary("", "", False, datetime.fromtimestamp(0, UTC), dict.fromkeys(State, 0), {})

    def lines(self) -> AsyncIterator[Line]:
        """Return an iterator without lines."""
        return _NoLines()

    async def aclose(self) -> None:
        """Release no resources."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass


class _NoLines:
    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Line:
        raise StopAsyncIteration


class NullRun:
    """A run that claims every batch and records no outcome."""

    async def look(self, keys: Sequence[Key]) -> Sequence[None]:
        """Return None for each call: new."""
        return [None] * len(keys)

    async def begin(self, claim: Claim) -> bool:
        """Return True: each batch may be sent."""
        return True

    async def close(
        self, claim: Claim, state: State, *, reason: str = "", message_ids: Sequence[str] | None = None
    ) -> None:
        """Record no outcome."""

    async def end(self) -> None:
        """Release no resources."""
