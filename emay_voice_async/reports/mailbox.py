"""The mailbox: stored reports, and the waiters for reports of single calls."""

import asyncio
from collections import deque
from collections.abc import Iterable

from attrs import define

from emay_voice_async.errors import EmayVoiceError, InvalidRequestError, ReportTimeoutError
from emay_voice_async.model.endpoints import Product
from emay_voice_async.model.results import Report, Ticket
from emay_voice_async.reports.pages import Page, Pages, ReportId, StoredReport, ids_of

__all__ = ["Mailbox", "ids_awaited"]


def ids_awaited(awaited: Ticket | str) -> tuple[ReportId, ...]:
    """Return the ids to search for: a str is a custom id, a ticket counts by its message id.

    The custom id of a ticket with a message id finds reports without a message id only: an earlier call may have
    had the same custom id.
    """
    ids: tuple[ReportId, ...]
    if not isinstance(awaited, Ticket):
        ids = (("custom", awaited),)
    elif awaited.message_id:
        ids = (("message", awaited.message_id), ("nameless", awaited.custom_id))
    else:
        ids = (("custom", awaited.custom_id),)
    found = tuple((kind, value) for kind, value in ids if isinstance(value, str) and value)
    if not found:
        raise InvalidRequestError("awaited", "must be a Ticket or a custom id", None, type(awaited).__name__)
    return found


@define(eq=False)
class _Waiter:
    """A search for a report by any of these ids."""

    ids: tuple[ReportId, ...]
    future: "asyncio.Future[StoredReport]"


class Mailbox:
    """The reports of both products that were not taken, and the waiters for reports of single calls."""

    def __init__(self) -> None:
        self._pages = Pages()
        self._waiters: dict[ReportId, list[_Waiter]] = {}
        self._idle: set[asyncio.Future[None]] = set()

    @property
    def reports(self) -> tuple[Report, ...]:
        """All stored reports, oldest first, voice before join."""
        return self._pages.reports

    @property
    def is_awaited(self) -> bool:
        """Whether a waiter waits for the report of a single call."""
        return bool(self._waiters)

    def has(self, product: Product) -> bool:
        """Tell whether a report of a product is stored."""
        return bool(self._pages.of(product))

    def put(self, page: Page) -> None:
        """Hand awaited reports to their waiters; store the others behind all stored reports."""
        if page := self._without_awaited(page):
            self._pages.put(page)
            self.wake()

    def put_back(self, pages: Iterable[Page]) -> None:
        """Hand awaited reports to their waiters; store the others in front of all stored reports."""
        for page in reversed([self._without_awaited(page) for page in pages]):
            if page:
                self._pages.put_back(page)
                self.wake()

    def pages(self, product: Product) -> deque[Page]:
        """Return the stored pages of a product, a page with a report in front.

        Take a report before the next ``await``: other tasks take reports, too.
        """
        return self._pages.of(product)

    async def news(self, seconds: float) -> None:
        """Wait until a report is stored, at most for these seconds."""
        waiting = asyncio.get_running_loop().create_future()
        self._idle.add(waiting)
        try:
            await asyncio.wait({waiting}, timeout=seconds)
        finally:
            self._idle.discard(waiting)

    def wake(self) -> None:
        """End all waiting for news."""
        for waiting in self._idle:
            if not waiting.done():
                waiting.set_result(None)

    async def find(self, ids: tuple[ReportId, ...], seconds: float) -> StoredReport:
        """Take the report with one of these ids; wait up to ``seconds`` for the arrival.

        Several waiters for a report share a StoredReport, which each confirms or gives back (:meth:`give_back`). Raises
        :class:`ReportTimeoutError`, or the error given to :meth:`fail`.
        """
        for key in ids:
            if (stored := self._pages.find(key)) is not None:
                return stored
        waiter = _Waiter(ids, asyncio.get_running_loop().create_future())
        for key in ids:
            self._waiters.setdefault(key, []).append(waiter)
        try:
            await asyncio.wait({waiter.future}, timeout=seconds)
        except asyncio.CancelledError:
            self._leave(waiter)
            raise
        if not waiter.future.done():
            self._leave(waiter)
            raise ReportTimeoutError(seconds)
        return waiter.future.result()

    def give_back(self, stored: StoredReport) -> None:
        """Put a report back (:meth:`put_back`) when the last holder gives the report back."""
        stored.holders -= 1
        if not stored.holders:
            self.put_back([Page(stored.report.product, [stored.report], stored.answer)])

    def fail(self, error: EmayVoiceError) -> None:
        """Raise an error in all waiters."""
        for waiter in [waiter for waiters in self._waiters.values() for waiter in waiters]:
            if not waiter.future.done():
                waiter.future.set_exception(error)
        self._waiters.clear()

    def _leave(self, waiter: _Waiter) -> None:
        """Stop waiting; give back a report that arrived in the same turn of the event loop."""
        if not waiter.future.done():
            self._remove(waiter)
        elif waiter.future.exception() is None:
            self.give_back(waiter.future.result())

    def _remove(self, waiter: _Waiter) -> None:
        for key in waiter.ids:
            waiters = self._waiters[key]
            waiters.remove(waiter)
            if not waiters:
                del self._waiters[key]

    def _without_awaited(self, page: Page) -> Page:
        """Hand the awaited reports of a page to their waiters; return a page of the others."""
        if not self._waiters:
            return page
        others = [report for report in page if not self._hand_over(report, page)]
        return Page(page.product, others, page.answer)

    def _hand_over(self, report: Report, page: Page) -> bool:
        """Hand a report to its waiters; return False without waiters."""
        waiters = {id(waiter): waiter for key in ids_of(report) for waiter in self._waiters.get(key, ())}
        stored = StoredReport(report, page.answer, len(waiters))
        for waiter in waiters.values():
            self._remove(waiter)
            waiter.future.set_result(stored)
        return bool(waiters)
