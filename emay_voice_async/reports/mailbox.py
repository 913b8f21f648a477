"""The mailbox: stored reports, and the waiters for reports of single calls."""

import asyncio
from collections import deque
from collections.abc import Iterable

from emay_voice_async.errors import EmayVoiceError, ReportTimeoutError, TooManyReportsError
from emay_voice_async.model.endpoints import Product
from emay_voice_async.model.results import Report
from emay_voice_async.reports.pages import Page, Pages, StoredReport
from emay_voice_async.reports.searches import ReportId, Search, ids_of

__all__ = ["Mailbox"]


class _Waiter:
    """A caller that waits for the report of a search."""

    def __init__(self, search: Search) -> None:
        self.search = search
        self.future: asyncio.Future[StoredReport] = asyncio.get_running_loop().create_future()


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

    def reserve(self) -> int:
        """Return a place behind all stored reports, for a page that is put later."""
        return self._pages.reserve()

    def check_room(self, reports: Iterable[Report], limit: int) -> None:
        """Raise :class:`TooManyReportsError` if ``limit`` is too low to store also these reports."""
        number = sum(not self._waiters_for(report) for report in reports)
        if number and not self._pages.has_room(number, limit):
            raise TooManyReportsError(limit)

    def put(self, page: Page) -> None:
        """Hand awaited reports to their waiters; store the others behind all stored reports."""
        if page := self.hand_over(page):
            self._pages.put(page)
            self.wake()

    def put_back(self, pages: Iterable[Page]) -> None:
        """Hand awaited reports to their waiters; store the others in front of all stored reports."""
        for page in reversed([self.hand_over(page) for page in pages]):
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

    async def find(self, search: Search, seconds: float) -> StoredReport:
        """Take the report of a search; wait up to ``seconds`` for the arrival.

        Several waiters for a report share a StoredReport, which each confirms or gives back (:meth:`give_back`). Raises
        :class:`ReportTimeoutError`, or the error given to :meth:`fail`.
        """
        if (stored := self._pages.find(search)) is not None:
            return stored
        waiter = _Waiter(search)
        for key in search.ids:
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
        for key in waiter.search.ids:
            waiters = self._waiters[key]
            waiters.remove(waiter)
            if not waiters:
                del self._waiters[key]

    def hand_over(self, page: Page) -> Page:
        """Hand the awaited reports of a page to their waiters; return a page of the others."""
        if not self._waiters:
            return page
        others = [report for report in page if not self._hand_over(report, page)]
        return Page(page.product, others, page.answer, page.place)

    def _hand_over(self, report: Report, page: Page) -> bool:
        """Hand a report to its waiters; return False without waiters."""
        waiters = self._waiters_for(report)
        stored = StoredReport(report, page.answer, len(waiters))
        for waiter in waiters:
            self._remove(waiter)
            waiter.future.set_result(stored)
        return bool(waiters)

    def _waiters_for(self, report: Report) -> list[_Waiter]:
        """Return the waiters whose search accepts a report, each once."""
        if not self._waiters:
            return []
        found = {
            id(waiter): waiter
            for key in ids_of(report)
            for waiter in self._waiters.get(key, ())
            if waiter.search.accepts(key, report)
        }
        return list(found.values())
