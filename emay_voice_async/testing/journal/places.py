"""The place of a journal under test, which the user of the suite provides."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from functools import wraps
from typing import Protocol, TypeVar

from emay_voice_async.journal.protocol import Journal, JournalRun
from emay_voice_async.testing.rules import ConformanceSuite, rule

__all__ = ["JournalPlace", "JournalRules", "journal_rule"]


class JournalPlace(Protocol):
    """The place of a journal that was never started: a file, tables, a collection."""

    def open(self) -> Journal:
        """Return another object on the same journal, as another process would have it."""
        ...

    async def abandon(self, run: JournalRun) -> None:
        """Make it look as if the process of the run had been killed, and the time of its claims were over."""
        ...


class JournalRules(ConformanceSuite):
    """Rules that are checked at a place of their own each."""

    def place(self) -> AbstractAsyncContextManager[JournalPlace]:
        """Provide a journal that does not exist yet, and remove it at the end."""
        raise NotImplementedError("return a context manager of a new JournalPlace")


_Rules = TypeVar("_Rules", bound=JournalRules)


def journal_rule(check: Callable[[_Rules, JournalPlace], Awaitable[None]]) -> Callable[[_Rules], None]:
    """Make a test method of a rule, which gets a new place."""

    @wraps(check)
    async def at_a_place(self: _Rules) -> None:
        async with self.place() as place:
            await check(self, place)

    return rule(at_a_place)
