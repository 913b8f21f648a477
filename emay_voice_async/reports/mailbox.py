"""Reports that arrived, from there until somebody takes them: in order, or by the id of their call."""

import asyncio
import random
from collections import deque
from collections.abc import Iterable
from typing import Final

from attrs import define

from emay_voice_async.errors import EmayVoiceError, InvalidRequestError, ReportTimeoutError
from emay_voice_async.model.endpoints import Product
from emay_voice_async.model.results import Report, Ticket
from emay_voice_async.reports.pages import Entry, Index, Key, Page, Pages, keys_in

__all__ = ["Found", "Mailbox", "jittered", "keys_of"]

_JITTER: Final = 0.2


def keys_of(awaited: Ticket | str) -> tuple[Key, ...]:
    """Return what to look for: a text is a custom id; a ticket is its message id.

    The custom id of a ticket counts only in reports without a message id: it may have been used for
    an earlier call as well.
    """
    if isinstance(awaited, Ticket):
        keys = (("message", awaited.message_id), ("nameless", awaited.custom_id))
        if not awaited.message_id:
            keys = (("custom", awaited.custom_id), ("custom", ""))
    else:
        keys = (("custom", awaited), ("custom", ""))
    found = tuple((kind, value) for kind, value in keys if isinstance(value, str) and value)
    if not found:
        raise InvalidRequestError("awaited", "must be a Ticket or a custom id", None, type(awaited).__name__)
    return found


def jittered(seconds: float) -> float:
    """Return about so many seconds, so that many clients do not ask in step."""
    return seconds * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311 - no secret


@define(eq=False)
class _Handover:
    """A report on its way to those who wait for it; ``holders`` counts who has not given it back."""

    entry: Entry
    holders: int


@define(eq=False)
class Found:
    """A report that somebody has searched for."""

    entry: Entry
    handover: _Handover | None = None
    """Set when it came while it was waited for."""

    @property
    def report(self) -> Report:
        """The report itself."""
        return self.entry.report

    def take(self) -> Report:
        """Count it as taken, whoever else got it."""
        return self.entry.take()


@define(eq=False)
class _Waiter:
    """Somebody who waits for a report by any of these keys."""

    keys: tuple[Key, ...]
    future: "asyncio.Future[_Handover]"


class Mailbox:
    """The reports of all products that nobody has taken, and those who wait for one.

    Where each report is by its ids is only known from the first search among reports that are kept until
    all are taken. Else they stay in the pages that they came in: with an entry for each report, all that is
    done after an answer was read takes five times as long, and draining a fifth longer.
    """

    def __init__(self) -> None:
        self._pages = Pages()
        self._index = Index()
        self._waiters: dict[Key, list[_Waiter]] = {}
        self._idle: set[asyncio.Future[None]] = set()

    @property
    def reports(self) -> tuple[Report, ...]:
        """Every report that nobody has taken, oldest first, one product after the other."""
        return self._kept.reports

    @property
    def is_awaited(self) -> bool:
        """Whether somebody waits for a report by its id."""
        return bool(self._waiters)

    @property
    def _kept(self) -> Pages | Index:
        """What everything is in that nobody has taken; the other one is empty."""
        return self._index or self._pages

    def has(self, product: Product) -> bool:
        """Tell whether a report of a product is kept."""
        return self._kept.has(product)

    def put(self, page: Page) -> None:
        """Hand reports to those who wait for just these, and keep the others for whoever comes next."""
        if self._waiters:
            page.reports = deque(
                report for report in page.reports if not self._hand_over(Entry(report, page.answer))
            )
        if page.reports:
            self._kept.put(page)
            self.wake()

    def put_back(self, pages: Iterable[Page]) -> None:
        """Put pages in front of all others, the first one foremost."""
        for page in reversed(list(pages)):
            if page.reports:
                self._kept.put_back(page)

    def front(self, product: Product) -> Page | None:
        """Return the foremost page of a product that has a report; None: there is none.

        Take a report from it at once, before anything else can happen: it may be in this page only. As
        long as it has more of them they are foremost, since whatever comes in front takes them away.
        """
        return self._kept.front(product)

    async def news(self, interval: float) -> None:
        """Wait until a report was kept, or so many seconds have passed."""
        waiting = asyncio.get_running_loop().create_future()
        self._idle.add(waiting)
        try:
            await asyncio.wait({waiting}, timeout=interval)
        finally:
            self._idle.discard(waiting)

    def wake(self) -> None:
        """End the waiting for news."""
        for one in self._idle:
            if not one.done():
                one.set_result(None)

    async def find(self, keys: tuple[Key, ...], patience: float) -> Found:
        """Take out the report with one of these ids, waiting up to ``patience`` seconds for it to come.

        Raises :class:`ReportTimeoutError`, or the error given to :meth:`fail`.
        """
        for page in self._pages.empty():
            self._index.put(page)
        for key in keys:
            if (entry := self._index.find(key)) is not None:
                return Found(entry)
        waiter = _Waiter(keys, asyncio.get_running_loop().create_future())
        for key in keys:
            self._waiters.setdefault(key, []).append(waiter)
        try:
            await asyncio.wait({waiter.future}, timeout=patience)
        except asyncio.CancelledError:
            self._leave(waiter)
            raise
        if not waiter.future.done():
            self._leave(waiter)
            raise ReportTimeoutError(patience)
        handover = waiter.future.result()
        return Found(handover.entry, handover)

    def give_back(self, found: Found) -> None:
        """Put a report that was found in front of all others, unless somebody else got it, too."""
        if found.handover is None:
            self.put_back([found.entry.as_page()])
        else:
            self._drop(found.handover)

    def fail(self, error: EmayVoiceError) -> None:
        """Let everybody who waits for a report by its id know that none will come."""
        for waiter in [one for waiters in self._waiters.values() for one in waiters]:
            if not waiter.future.done():
                waiter.future.set_exception(error)
        self._waiters.clear()

    def _leave(self, waiter: _Waiter) -> None:
        """Stop waiting; a report that came in this very moment is for somebody else."""
        if not waiter.future.done():
            self._forget(waiter)
        elif waiter.future.exception() is None:
            self._drop(waiter.future.result())

    def _drop(self, handover: _Handover) -> None:
        handover.holders -= 1
        if not handover.holders:
            self.put_back([handover.entry.as_page()])

    def _forget(self, waiter: _Waiter) -> None:
        for key in waiter.keys:
            waiters = self._waiters[key]
            waiters.remove(waiter)
            if not waiters:
                del self._waiters[key]

    def _hand_over(self, entry: Entry) -> bool:
        waiting = {id(one): one for key in keys_in(entry.report) for one in self._waiters.get(key, ())}
        handover = _Handover(entry, len(waiting))
        for one in waiting.values():
            self._forget(one)
            one.future.set_result(handover)
        return bool(waiting)
