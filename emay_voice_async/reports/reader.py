"""Status reports of one client: taken, streamed, awaited, fed.

A report that arrived, by a request or by a push, is stored in the mailbox until it is handed out.
"""

import asyncio
import math
from collections.abc import AsyncGenerator, Iterable, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Final

from emay_voice_async.errors import InvalidRequestError, ReportTimeoutError, UsageError
from emay_voice_async.exchange.exchanges import Exchanges
from emay_voice_async.model.endpoints import MAX_REPORTS, Product
from emay_voice_async.model.results import Report
from emay_voice_async.reports.background import BackgroundReader
from emay_voice_async.reports.mailbox import Mailbox
from emay_voice_async.reports.pages import Page, StoredReport
from emay_voice_async.reports.polling import Poller, Streaming, announced_pause
from emay_voice_async.reports.requests import NOT_READABLE, ReportRequests
from emay_voice_async.reports.searches import Search

__all__ = ["ReportReader"]

TAKING_INTERVAL: Final = 2.0
"""The shortest pause of a caller that takes reports, after responses in which no report can be read."""
_REPORTS: Final = "must be Report objects, such as those of decode_push(...) or of a PushReceiver"


class ReportReader:
    """All ways to get the reports of one client.

    ``max_undelivered``: fed reports are refused while so many reports are stored.
    """

    def __init__(self, exchanges: Exchanges, max_undelivered: int) -> None:
        self.mailbox: Mailbox = Mailbox()
        self.requests: ReportRequests = ReportRequests(exchanges, self.mailbox)
        self._exchanges = exchanges
        self._max_undelivered = max_undelivered
        self._background = BackgroundReader(self.requests)

    async def take(self, number: int, product: Product, *, deadline: float | None = None) -> list[Report]:
        """Take up to ``number`` stored reports, or without stored reports the result of one getReport."""
        _check_number(number)
        failures = 0
        while not self.mailbox.has(product):
            received = await self.requests.request(product, number, deadline)
            if not received.all:
                break
            # Else, with no report stored, another task took them, or none can be read: the service may have more.
            failures = 0 if received.readable else failures + 1
            if failures > 1:
                await self._pause(failures, deadline)
        taken: list[Report] = []
        while len(taken) < number and (pages := self.mailbox.pages(product)):
            taken += pages[0].take(number - len(taken))
        return taken

    async def stream(self, options: Streaming) -> AsyncGenerator[Report, None]:
        """Yield each report once, until the service has no more, or (``follow``) until the deadline.

        An exception that is thrown in puts the last report back; any other end of the stream confirms it.
        """
        poller = await self._poller(options)
        pages = self.mailbox.pages(options.product)
        while True:
            while pages:
                # Looked up for each report: another task may put reports in front.
                page = pages[0]
                if not page.reports:
                    pages.popleft()
                    continue
                if (report := page.reports.pop()) is None:
                    continue
                answer, kept = page.answer, True
                try:
                    yield report
                except Exception:
                    # Thrown in by the consumer, who could not keep the report.
                    kept = False
                    self.mailbox.give_back(StoredReport(report, answer))
                    raise
                finally:
                    if kept and answer is not None:
                        answer.confirm()
            if not await poller.more():
                return

    async def stream_pages(self, options: Streaming) -> AsyncGenerator[tuple[Report, ...], None]:
        """Yield reports in the pages in which they arrived, until the service has no more, or until the deadline.

        A page is confirmed when the next page is asked for; after any other end of the stream it is put back.
        """
        poller = await self._poller(options)
        while True:
            while pages := self.mailbox.pages(options.product):
                page = pages.popleft()
                reports = tuple(page)
                confirmed = False
                try:
                    yield reports
                    confirmed = True
                finally:
                    if not confirmed:
                        self.mailbox.put_back([Page(page.product, reports, page.answer)])
                    elif page.answer is not None:
                        page.answer.confirm(len(reports))
            if not await poller.more():
                return

    async def wait(self, search: Search, products: Iterable[Product], seconds: float) -> Report:
        """Wait for one report; raise :class:`ReportTimeoutError` after ``seconds``.

        Without ``products`` no request is made: the report has to be fed.
        """
        return (await self._find(search, products, seconds)).confirm()

    async def settle(
        self, searches: Sequence[Search], products: Iterable[Product], seconds: float
    ) -> list[Report | None]:
        """Wait for the reports of all these searches; None for each that did not come in time."""
        if not searches:
            return []
        products = tuple(products)
        tasks = [asyncio.ensure_future(self._find_or_none(search, products, seconds)) for search in searches]
        try:
            await asyncio.wait(tasks)
            found = [task.result() for task in tasks]
        except BaseException:
            # Cancelled, or refused by the service: reports that came are given back. There is no await
            # here: a second cancellation could interrupt the giving back.
            for task in reversed(tasks):
                task.cancel()
                if task.done():
                    self._give_back(task)
                else:
                    task.add_done_callback(self._give_back)
            raise
        return [None if stored is None else stored.confirm() for stored in found]

    def feed(self, reports: Iterable[Report], *, keep: bool) -> None:
        """Hand reports that came by another way, such as a push, to their waiters; store the others to ``keep`` them.

        All of them or none: raises :class:`InvalidRequestError` for a value that is no report or a report of another
        account, and :class:`TooManyReportsError` without room for all.
        """
        if not isinstance(reports, Iterable):
            raise InvalidRequestError("reports", _REPORTS, None, type(reports).__name__)
        fed: list[Report] = []
        try:
            fed.extend(reports)
        finally:
            # If the iterable raises, the reports before are kept.
            self._check_fed(fed, keep)
            for product, group in groupby(fed, key=attrgetter("product")):
                (self.mailbox.put if keep else self.mailbox.hand_over)(Page(product, group))

    def close(self) -> None:
        """End the background reader, and raise :class:`UsageError` in all waiters."""
        self.requests.closed = True
        self._background.close()
        self.mailbox.fail(UsageError("client", "was closed while a report was awaited"))
        self.mailbox.wake()

    def release(self) -> None:
        """Release the spool, when no request is running any more."""
        self.requests.release_spool()

    async def _pause(self, failures: int, deadline: float | None) -> None:
        """Wait before the next request of a caller that takes reports, at most until the deadline."""
        pause = announced_pause(TAKING_INTERVAL, failures, NOT_READABLE)
        left = math.inf if deadline is None else max(0.0, deadline - asyncio.get_running_loop().time())
        await self.mailbox.news(min(pause, left))

    async def _poller(self, options: Streaming) -> Poller:
        """Return the poller of a stream, when the leftovers of the spool are stored."""
        if options.spool is not None:
            await self.requests.use_spool(options.spool)
        return Poller(self.requests, options)

    def _check_fed(self, fed: Sequence[object], keep: bool) -> None:
        for position, report in enumerate(fed):
            if not isinstance(report, Report):
                raise InvalidRequestError("reports", _REPORTS, None, type(report).__name__, position)
            if report.app_id not in ("", self._exchanges.app_id):
                raise InvalidRequestError(
                    "reports", "must be of the account of this client", position=position
                )
        if keep:
            self.mailbox.check_room(fed, self._max_undelivered)  # type: ignore[arg-type] # checked above

    def _give_back(self, task: "asyncio.Task[StoredReport | None]") -> None:
        if not task.cancelled() and task.exception() is None and (stored := task.result()) is not None:
            self.mailbox.give_back(stored)

    async def _find_or_none(
        self, search: Search, products: Iterable[Product], seconds: float
    ) -> StoredReport | None:
        try:
            return await self._find(search, products, seconds)
        except ReportTimeoutError:
            return None

    async def _find(self, search: Search, products: Iterable[Product], seconds: float) -> StoredReport:
        self._background.ask_for(products)
        return await self.mailbox.find(search, seconds)


def _check_number(number: int) -> None:
    rule = f"must be a whole number from 1 to {MAX_REPORTS}"
    if not isinstance(number, int) or isinstance(number, bool):
        raise InvalidRequestError("number", rule, None, type(number).__name__)
    if not 1 <= number <= MAX_REPORTS:
        raise InvalidRequestError("number", rule, MAX_REPORTS if number > 1 else 1, number)
