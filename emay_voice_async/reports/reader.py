"""Status reports of one client: taken, streamed, awaited, fed.

A report that arrived, by a request or by a push, is stored in the mailbox until it is handed out.
"""

import asyncio
import logging
import math
import os
from collections.abc import AsyncGenerator, Iterable, Sequence
from itertools import groupby
from operator import attrgetter

from emay_voice_async.errors import (
    InvalidRequestError,
    NotSentError,
    OverSpeedError,
    ReportTimeoutError,
    UsageError,
)
from emay_voice_async.exchange.exchanges import Exchanges
from emay_voice_async.model.endpoints import MAX_REPORTS, Product
from emay_voice_async.model.results import Report, Ticket
from emay_voice_async.reports.background import BackgroundReader, jittered
from emay_voice_async.reports.mailbox import Mailbox, ids_awaited
from emay_voice_async.reports.pages import Page, ReportId, StoredReport
from emay_voice_async.reports.requests import ReportRequests
from emay_voice_async.reports.spool import Spool

__all__ = ["ReportReader"]

logger: logging.Logger = logging.getLogger(__name__)


class ReportReader:
    """All ways to get the reports of one client."""

    def __init__(self, exchanges: Exchanges) -> None:
        self.mailbox: Mailbox = Mailbox()
        self._requests = ReportRequests(exchanges, self.mailbox)
        self._background = BackgroundReader(
            exchanges, self.mailbox, lambda product: self._request(product, follow=True)
        )
        self._closed = False

    @property
    def broken(self) -> tuple[tuple[object, str], ...]:
        """Pairs of raw value and reason: reports and whole answers that could not be read."""
        return tuple(self._requests.broken)

    async def take(self, number: int, product: Product, *, deadline: float | None = None) -> list[Report]:
        """Take up to ``number`` stored reports, or without stored reports the result of one getReport."""
        _check_number(number)
        while not self.mailbox.has(product):
            if not await self._requests.request(product, number, deadline):
                break
            # Else, with no report stored, another task took them: the service may have more.
        taken: list[Report] = []
        while len(taken) < number and (pages := self.mailbox.pages(product)):
            taken += pages[0].take(number - len(taken))
        return taken

    async def stream(
        self,
        product: Product,
        *,
        follow: bool,
        poll_interval: float,
        spool: str | os.PathLike[str] | None,
        deadline: float | None,
    ) -> AsyncGenerator[Report, None]:
        """Yield each report once; ask on while reports come, then end, or go on after pauses (``follow``).

        Ends at the ``deadline``, an instant of the event loop's clock.
        """
        if spool is not None:
            await self._requests.use_spool(Spool(spool))
        pages = self.mailbox.pages(product)
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
            if not await self._request_more(product, follow, poll_interval, deadline):
                return

    async def wait(self, awaited: Ticket | str, products: Iterable[Product], seconds: float) -> Report:
        """Wait for one report; raise :class:`ReportTimeoutError` after ``seconds``.

        Without ``products`` no request is made: the report has to be fed.
        """
        return (await self._find(ids_awaited(awaited), products, seconds)).confirm()

    async def settle(
        self, custom_ids: Sequence[str], products: Iterable[Product], seconds: float
    ) -> list[Report | None]:
        """Wait for the reports of all these custom ids; None for each that did not come in time."""
        if not custom_ids:
            return []
        products = tuple(products)
        tasks = [
            asyncio.ensure_future(self._find_or_none((("custom", custom_id),), products, seconds))
            for custom_id in custom_ids
        ]
        try:
            await asyncio.wait(tasks)
            found = [task.result() for task in tasks]
        except BaseException:
            # Cancelled, or refused by the service: reports that came are given back. Without any await, because a
            # second cancellation could end it half-way.
            for task in reversed(tasks):
                task.cancel()
                if task.done():
                    self._give_back(task)
                else:
                    task.add_done_callback(self._give_back)
            raise
        return [None if stored is None else stored.confirm() for stored in found]

    def feed(self, reports: Iterable[Report]) -> None:
        """Store reports that came by another way, such as a push, or hand them to their waiters."""
        fed: list[Report] = []
        try:
            fed.extend(reports)
        finally:
            # If the iterable raises, the reports before are kept.
            _check_reports(fed)
            for product, group in groupby(fed, key=attrgetter("product")):
                self.mailbox.put(Page(product, group))

    def close(self) -> None:
        """End the background reader, and raise :class:`UsageError` in all waiters."""
        self._closed = True
        self._background.close()
        self.mailbox.fail(UsageError("client", "was closed while a report was awaited"))
        self.mailbox.wake()

    def _give_back(self, task: "asyncio.Task[StoredReport | None]") -> None:
        if not task.cancelled() and task.exception() is None and (stored := task.result()) is not None:
            self.mailbox.give_back(stored)

    async def _find_or_none(
        self, ids: tuple[ReportId, ...], products: Iterable[Product], seconds: float
    ) -> StoredReport | None:
        try:
            return await self._find(ids, products, seconds)
        except ReportTimeoutError:
            return None

    async def _find(
        self, ids: tuple[ReportId, ...], products: Iterable[Product], seconds: float
    ) -> StoredReport:
        self._background.ask_for(products)
        return await self.mailbox.find(ids, seconds)

    async def _request(self, product: Product, *, follow: bool, deadline: float | None = None) -> int:
        """Make one getReport; with ``follow``, an error after which certainly no report was removed counts as 0."""
        try:
            return await self._requests.request(product, MAX_REPORTS, deadline)
        except (NotSentError, OverSpeedError) as error:
            if self._closed:
                raise UsageError("client", "was closed while reports were awaited") from error
            if not follow:
                raise
            logger.warning("asking for reports goes on after a pause: %s", error)
            return 0

    async def _request_more(
        self, product: Product, follow: bool, poll_interval: float, deadline: float | None
    ) -> bool:
        """Make one getReport, and pause if no report came; return whether a stream goes on."""
        loop = asyncio.get_running_loop()
        end = math.inf if deadline is None else deadline
        if end <= loop.time():
            return False
        count = await self._request(product, follow=follow, deadline=deadline)
        if count or self.mailbox.has(product):
            return True
        if follow:
            await self.mailbox.news(min(jittered(poll_interval), end - loop.time()))
        return follow


def _check_reports(fed: Iterable[object]) -> None:
    for position, report in enumerate(fed):
        if not isinstance(report, Report):
            rule = "must be Report objects, such as those of decode_push(...) or of a PushReceiver"
            raise InvalidRequestError("reports", rule, None, type(report).__name__, position)


def _check_number(number: int) -> None:
    rule = f"must be a whole number from 1 to {MAX_REPORTS}"
    if not isinstance(number, int) or isinstance(number, bool):
        raise InvalidRequestError("number", rule, None, type(number).__name__)
    if not 1 <= number <= MAX_REPORTS:
        raise InvalidRequestError("number", rule, MAX_REPORTS if number > 1 else 1, number)
