"""getReport requests: one at a time for each product; each answer is spooled and read into the mailbox.

A getReport removes the reports that it returns. So the request itself, and not its caller, stores them: a caller that
is cancelled or runs out of time loses no report.
"""

import asyncio
import logging
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, cast

from emay_voice_async.errors import (
    AnswerError,
    EmayVoiceError,
    InvalidRequestError,
    OutcomeUnknownError,
    RefusedError,
)
from emay_voice_async.exchange.attempts import InFlight
from emay_voice_async.exchange.exchanges import Exchanges
from emay_voice_async.exchange.labels import RequestLabel
from emay_voice_async.exchange.tasks import retrieve
from emay_voice_async.model.endpoints import JOIN_REPORTS, VOICE_REPORTS, Endpoint, Product
from emay_voice_async.reports.broken import BrokenReports
from emay_voice_async.reports.mailbox import Mailbox
from emay_voice_async.reports.pages import Page
from emay_voice_async.reports.spool import Spool, SpooledAnswer, mark_broken, remove
from emay_voice_async.wire.envelope import HttpResponse, read_reports
from emay_voice_async.wire.forms import reports_form

if TYPE_CHECKING:
    from emay_voice_async.events.values import ReportsTaken

__all__ = ["NOT_READABLE", "ReportNumbers", "ReportRequests"]

logger: logging.Logger = logging.getLogger(__name__)

_ENDPOINTS: Final = {endpoint.product: endpoint for endpoint in (VOICE_REPORTS, JOIN_REPORTS)}
_OK: Final = 200
NOT_READABLE: Final = "no report of the response can be read"
"""A reason to wait before the next request: at a wrong address, all responses may be such."""


class ReportNumbers(NamedTuple):
    """The reports of one response: how many could be read, and how many not."""

    readable: int
    unreadable: int

    @property
    def all(self) -> int:
        """The reports of the response."""
        return self.readable + self.unreadable


class ReportRequests:
    """Makes the getReport requests of a client.

    ``closed``: the client was closed. ``proved``: a getReport was answered as documented.
    """

    def __init__(self, exchanges: Exchanges, mailbox: Mailbox) -> None:
        self.broken: BrokenReports = BrokenReports()
        self.closed = False
        self.proved = False
        self.exchanges = exchanges
        self.mailbox = mailbox
        self._spool: Spool | None = None
        self._loading: asyncio.Task[None] | None = None
        self._running: dict[Product, tuple[asyncio.Task[ReportNumbers], InFlight]] = {}

    async def request(self, product: Product, number: int, deadline: float | None) -> ReportNumbers:
        """Make a getReport, or wait for the running request; return the numbers of reports.

        One request at a time, so that reports are stored in the order in which the service returned them.
        """
        loop = asyncio.get_running_loop()
        while (running := self._running.get(product)) is not None and not (task := running[0]).done():
            timeout = None if deadline is None else max(0.0, deadline - loop.time())
            await asyncio.wait({task}, timeout=timeout)
            if not task.done():
                raise OutcomeUnknownError("the deadline passed before the reports came")
            if not task.cancelled() and task.exception() is None:
                return task.result()
            # The other caller gets the error of the failed request; this caller makes a new request.
        observer = InFlight()
        task = loop.create_task(self._request(product, number, deadline, observer))
        self.exchanges.tasks.keep(task).add_done_callback(retrieve)
        self._running[product] = task, observer
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            if not observer.in_flight:
                task.cancel()
            raise
        return task.result()

    async def use_spool(self, spool: Spool) -> None:
        """Spool all answers from now on; return when the leftovers of an earlier process are stored."""
        if self._spool is None:
            self._spool = spool
            self._loading = self.exchanges.tasks.keep(asyncio.ensure_future(self._load(spool)))
            self._loading.add_done_callback(retrieve)
        elif self._spool.path != spool.path:
            raise InvalidRequestError("spool", "must be the same folder for the whole life of a client")
        loading = cast("asyncio.Task[None]", self._loading)
        # Waited for and not awaited: the cancellation of one caller must not cancel the loading.
        await asyncio.wait({loading})
        loading.result()

    def release_spool(self) -> None:
        """Let another client use the folder."""
        if self._spool is not None:
            self._spool.release()
            self._spool = None

    async def _request(
        self, product: Product, number: int, deadline: float | None, observer: InFlight
    ) -> ReportNumbers:
        files: list[Path] = []
        exchanges = self.exchanges
        label = RequestLabel(exchanges.ids.new())
        # Reports are stored in the order of the requests, also when a late answer comes after a younger one.
        place = self.mailbox.reserve()

        async def spool(answer: HttpResponse) -> None:
            # Each attempt has an answer of its own.
            files.clear()
            # Another status did not come from the service, so the body holds no reports.
            if answer.status == _OK and (folder := await self._loaded_spool()) is not None:
                try:
                    files.append(await asyncio.to_thread(folder.write, product, answer.body))
                except Exception:
                    # The reports are removed from the service already: deliver them from memory.
                    # Without a thread the error is no OSError.
                    logger.exception("the answer could not be spooled", extra=label.extra())

        def store(answer: HttpResponse) -> ReportNumbers:
            page, received = self._read(_ENDPOINTS[product], answer, files[0] if files else None)
            self.proved = True
            page.place = place
            # Counted before callers that wait for a report take it out of the page.
            taken = _taken(label, page, received) if exchanges.event_handlers.active else None
            self.mailbox.put(page)
            if taken is not None:
                exchanges.event_handlers(taken)
            return received

        return await exchanges.call(
            _ENDPOINTS[product],
            reports_form(number),
            store,
            first=spool,
            deadline=deadline,
            observe=observer,
            label=label,
        )

    def _read(
        self, endpoint: Endpoint, answer: HttpResponse, file: Path | None
    ) -> tuple[Page, ReportNumbers]:
        """Read an answer; return a page of the readable reports, and the numbers of reports."""
        try:
            reports, broken = read_reports(endpoint, answer)
        except AnswerError as error:
            # The caller may be gone and never see the error: keep the body.
            if error.status == _OK:
                self.broken.add([(error.body, str(error))])
            if file is not None:
                mark_broken(file)
            raise
        except RefusedError:
            if file is not None:
                remove(file)
            raise
        self.broken.add(broken)
        spooled = None if file is None else SpooledAnswer(file, len(reports), bool(broken))
        if spooled is not None:
            spooled.close_if_empty()
        return Page(endpoint.product, reports, spooled), ReportNumbers(len(reports), len(broken))

    async def _loaded_spool(self) -> Spool | None:
        """Return the spool when its leftovers are stored: a file that is written before would be one of them."""
        if self._loading is not None and not self._loading.done():
            await asyncio.wait({self._loading})
        return self._spool

    async def _load(self, spool: Spool) -> None:
        try:
            await asyncio.to_thread(spool.prepare)
            found = await asyncio.to_thread(lambda: list(spool.leftovers()))
        except OSError as error:
            self.release_spool()
            rule = "must be a folder that can be read and written"
            raise InvalidRequestError("spool", rule, None, error.strerror or type(error).__name__) from error
        except BaseException:
            self.release_spool()
            raise
        pages: list[Page] = []
        for file, product, body in found:
            try:
                pages.append(self._read(_ENDPOINTS[product], HttpResponse(_OK, body), file)[0])
            except EmayVoiceError as error:
                logger.warning("an answer in the spool cannot be read: %s", error)
        self.mailbox.put_back(pages)


def _taken(label: RequestLabel, page: Page, received: ReportNumbers) -> "ReportsTaken":
    """Make the event of an answer."""
    from emay_voice_async.events.values import ReportsTaken  # noqa: PLC0415 - imported when needed

    states = Counter(report.state for report in page)
    return ReportsTaken(
        request_id=label.request_id,
        path=_ENDPOINTS[page.product].path,
        product=page.product,
        reports=received.readable,
        broken=received.unreadable,
        states=dict(states),
    )
