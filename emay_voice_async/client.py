"""``AsyncEmayVoice``: the whole service through one client."""

import os
import time
from collections.abc import AsyncGenerator, Callable, Collection, Iterable
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Self, Unpack

from attrs import evolve

from emay_voice_async.errors import InvalidRequestError
from emay_voice_async.events.handlers import EventHandlers, OnEvent
from emay_voice_async.exchange.attempts import Credentials
from emay_voice_async.exchange.binding import LoopBinding, instant_of
from emay_voice_async.exchange.exchanges import Exchanges
from emay_voice_async.exchange.settings import (
    ClientOptions,
    allowed_numbers,
    check_credential,
    check_pacing,
    checked_product,
    with_environment,
)
from emay_voice_async.exchange.transport import HttpClient, Transport
from emay_voice_async.journal.protocol import Journal
from emay_voice_async.journal.purpose import Purpose
from emay_voice_async.model.checks import check_count, check_flag, check_seconds
from emay_voice_async.model.endpoints import ENDPOINTS, JOIN_BALANCE, VOICE_BALANCE, Call, Product
from emay_voice_async.model.hidden import Hidden, hides_arguments
from emay_voice_async.model.limits import RateLimits
from emay_voice_async.model.messages import Message
from emay_voice_async.model.recipients import Recipient
from emay_voice_async.model.results import Outcome, Report, SendResult, Ticket, Unknown
from emay_voice_async.model.stats import Stats
from emay_voice_async.model.templates import Template
from emay_voice_async.pacing.local import LocalPacer
from emay_voice_async.pacing.protocol import Pacer
from emay_voice_async.reports.polling import Streaming
from emay_voice_async.reports.reader import ReportReader
from emay_voice_async.reports.searches import search_for
from emay_voice_async.reports.spool import Spool
from emay_voice_async.sending.options import Options
from emay_voice_async.sending.reading import Recipients
from emay_voice_async.sending.sender import Sender
from emay_voice_async.wire.compression import MAX_SIZE
from emay_voice_async.wire.envelope import read_balance

if TYPE_CHECKING:
    # Modules that a send does not need are imported when they are used: the import of a client stays fast.
    from emay_voice_async.sending.hours import CallingHours
    from emay_voice_async.sending.plan import Plan

__all__ = ["AsyncEmayVoice", "ClientOptions"]

_BALANCES = {endpoint.product: endpoint for endpoint in (VOICE_BALANCE, JOIN_BALANCE)}
_PRODUCTS = {endpoint.path: endpoint.product for endpoint in ENDPOINTS}


class AsyncEmayVoice:
    """A client of an account, for a single event loop.

    ::

        async with AsyncEmayVoice("http://host:port", app_id="...", secret_key="...") as voice:
            result = await voice.send(Notice("..."), ["13800000000"])

    - ``base_url``: ``http`` or ``https``, host, optional port and path. ``app_id``, ``secret_key``: as the vendor
      gave them.
    - ``http_client``: a shared ``AsyncClient`` of httpx or httpx2, used but never closed or changed; no cookie
      is kept. Give it a ``keepalive_expiry`` of a few seconds: a connection that the service closes at the moment
      of a send leaves the outcome of that send unknown. None: the client makes a client of its own, with the
      proxies of the environment, except for a service on this host.
    - ``rate_limits``: the speed limit of each kind of call. ``pacer``: replaces the in-process pacer made from
      ``rate_limits``. ``cold_start``: wait one period first, as if a process that just died had used up the limit.
    - ``timeout``: seconds for an exchange, connecting included. ``max_concurrency``: requests in flight at once,
      for each send. ``max_response_size``: the limit of a response body in bytes, before and after inflating.
    - ``allow_only``: the only numbers that may be called, for staging and tests; every other number is refused
      before a request is sent. None: no restriction.
    - ``max_undelivered``: the number of stored reports beyond which :meth:`feed` raises.
    - ``clock``: returns POSIX seconds; for tests.
    - ``on_event``: called with each event of :mod:`emay_voice_async.events`; a plain function that returns at once.

    The constructor does no I/O and needs no running event loop. The first call binds the client to the running
    loop; a call in another loop raises :class:`UsageError`.
    """

    @hides_arguments
    def __init__(
        self,
        base_url: str,
        *,
        app_id: str,
        secret_key: str,
        http_client: HttpClient | None = None,
        rate_limits: RateLimits = RateLimits(),  # noqa: B008 - frozen
        pacer: Pacer | None = None,
        timeout: float = 30.0,
        max_concurrency: int = 16,
        max_response_size: int = MAX_SIZE,
        cold_start: bool = False,
        allow_only: Collection[str] | None = None,
        max_undelivered: int = 100_000,
        clock: Callable[[], float] = time.time,
        on_event: OnEvent | None = None,
    ) -> None:
        check_credential("app_id", app_id)
        check_credential("secret_key", secret_key)
        check_seconds("timeout", timeout)
        check_count("max_concurrency", max_concurrency)
        check_count("max_response_size", max_response_size, " of bytes")
        check_count("max_undelivered", max_undelivered)
        check_pacing(rate_limits, pacer)
        self._event_handlers = EventHandlers(on_event)
        self._app_id = app_id
        self._transport = Transport(base_url, http_client, timeout, max_response_size)
        self._pacer = LocalPacer(rate_limits, cold_start=cold_start) if pacer is None else pacer
        self._exchanges = Exchanges(
            self._transport,
            self._pacer,
            Credentials(app_id, secret_key),
            timeout=timeout,
            clock=clock,
            event_handlers=self._event_handlers,
        )
        self._sender = Sender(
            self._exchanges, max_concurrency=max_concurrency, allow_only=allowed_numbers(allow_only)
        )
        self._reports = ReportReader(self._exchanges, max_undelivered)
        self._binding = LoopBinding()

    @classmethod
    @hides_arguments
    def from_env(cls, **overrides: Unpack[ClientOptions]) -> Self:
        """Make a client from EMAY_VOICE_BASE_URL, EMAY_VOICE_APP_ID and EMAY_VOICE_SECRET_KEY.

        ``overrides`` are arguments of the constructor, and take precedence. A missing or empty variable raises
        :class:`InvalidRequestError` with the name.
        """
        return cls(**with_environment(overrides))

    def __repr__(self) -> str:
        return f"AsyncEmayVoice({self._transport.base_url!r}, app_id={self._app_id!r})"

    async def __aenter__(self) -> Self:
        self._binding.enter()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the client: new requests are refused, and requests in flight are waited for.

        That takes at most twice the ``timeout``. Requests that wait for a slot are not sent. A closing that is
        cancelled goes on in the background. Closing again has no effect. A shared ``http_client`` stays open.
        """
        self._binding.check()
        self._binding.closed = True
        self._reports.close()
        await self._exchanges.aclose()
        self._reports.release()

    async def send(
        self,
        message: Message | Template,
        to: Recipients,
        *,
        deadline: float | None = None,
        on_outcome: Callable[[Outcome], object] | None = None,
        journal: Journal | None = None,
        resend_unknown: bool = False,
        allow_duplicates: bool = False,
        max_calls: int | None = None,
        hours: "CallingHours | None" = None,
    ) -> SendResult:
        """Send to a number, a list or a stream; return when every batch has an outcome.

        The result holds one ticket for each number, in input order (with a journal, numbers that the journal knew stand
        before the others of the same part of the input; with a template, in the order of the outcomes).
        ``on_outcome`` is called with each outcome at once, also after this call was cancelled. ``deadline``, in
        seconds: batches that are still waiting by then are not sent. The other arguments are described at
        :meth:`send_batches`.

        Raises :class:`InvalidRequestError` before a request is sent if an entry of a sized list is invalid, and
        :class:`SendError` if any batch was not accepted. Look at ``error.result`` before sending again: accepted
        numbers are called all the same. A duplicate number that is called once is no reason to raise. An error of
        the input itself is the ``__cause__`` of the SendError.
        """
        entries = Hidden(to)
        del to
        self._binding.enter()
        options = Options(instant_of(deadline), journal, resend_unknown, allow_duplicates, max_calls, hours)
        return await self._sender.send(message, entries, options, on_outcome)

    @hides_arguments
    def send_batches(
        self,
        message: Message | Template,
        to: Recipients,
        *,
        deadline: float | None = None,
        journal: Journal | None = None,
        resend_unknown: bool = False,
        allow_duplicates: bool = False,
        max_calls: int | None = None,
        hours: "CallingHours | None" = None,
    ) -> AsyncGenerator[Outcome, None]:
        """Send to any number of recipients; yield the outcome of each batch, in input order.

        A sized list is checked whole before the first request: the first 5,000 entries (of a template 2,000) in this
        call, the others on the first iteration, so that the checks do not block the event loop
        (:class:`InvalidRequestError`).
        A stream is checked while being read, and an invalid entry becomes a separate ``NotSent``. Like the outcome of a
        duplicate or of a call that the journal knows, it can come before the batch that is being gathered.
        No request is sent before the first iteration, and at most ``max_concurrency`` batches are read ahead.
        After a refusal of the account or the balance, the remaining batches come out as ``NotSent``.

        Leaving the loop early stops the batches that wait; requests in flight end in their own time.

        ``journal``: remembers every number, so that after a crash the same call makes the same send again. The
        calls of an earlier run come out without being sent, marked ``recorded``: as ``Accepted``, or as
        ``Unknown`` if they were in flight when the process ended. With ``resend_unknown`` unknown calls are sent
        again: those people may be called twice. Refused and unsent calls are sent. Raises :class:`JournalError`
        on the first iteration if the journal cannot be used; after a later failure the remaining batches are not sent.

        A number that comes again in the same input is called once, and is a ``NotSent`` with a
        :class:`DuplicateError` the second time; ``allow_duplicates`` calls the number each time. Finding duplicates
        takes about 70 bytes of memory for each of the first 250,000 numbers; further numbers, and the numbers of a
        send with a journal, go to a temporary file. With ``allow_duplicates`` the memory of a stream is flat.

        A :class:`~emay_voice_async.model.templates.Template` says other words to each recipient. Recipients with equal
        texts share requests of up to 500: each waits until a request is full, until the input ends, or until 50,000
        recipients wait (about 60 MB); then the text that has waited longest is sent. So with up to 100 different
        texts the requests are as few as possible, and the memory is flat with any number of texts. Each recipient is
        in exactly one outcome, but outcomes come in the order in which the requests were made up, and their ``index``
        counts them in that order: find a recipient by number or custom id, not by place. ``max_calls`` counts in
        input order. A recipient without a usable field is like one with an invalid number. A journal belongs to the
        template, so that fields may differ in the next run; with ``allow_duplicates`` give custom ids, which tell
        the calls of a number apart when the list was reordered.

        Until the service has answered a request of this run as documented (success or refusal), a single request is
        in flight, and a response outside the API document, a timeout or a broken connection stops the run: at most
        one batch is ``Unknown``, the rest is ``NotSent``. Later such a failure costs the one batch; then a single
        request is in flight until the next documented response, and five failures in a row stop the run.

        ``max_calls``: without a journal, a sized list with more numbers is refused at once; of other inputs no
        more numbers are sent to, and the rest comes out as ``NotSent``. ``hours``: batches wait for the calling
        hours.
        """
        self._binding.enter()
        options = Options(instant_of(deadline), journal, resend_unknown, allow_duplicates, max_calls, hours)
        return self._sender.outcomes(message, to, options)

    async def plan(
        self,
        message: Message | Template,
        to: Recipients,
        *,
        journal: Journal | None = None,
        resend_unknown: bool = False,
        allow_duplicates: bool = False,
        max_calls: int | None = None,
        hours: "CallingHours | None" = None,
        price: Decimal | None = None,
        ask_balance: bool = True,
    ) -> "Plan":
        """Return the plan of the same send, without sending and without writing to the journal.

        ``to`` is read to the end: pass a list, or a separate stream. Invalid entries are counted and do not
        raise. Of a template, the plan has the number of different texts, three samples and the longest text.
        ``price`` is the cost of a call in the unit of the balance; the balance is asked for only with
        ``ask_balance``, and raises the errors of :meth:`get_balance`. Raises :class:`JournalError` if this send
        cannot use the journal.
        """
        from emay_voice_async.sending.plan import count_entries, plan_of  # noqa: PLC0415 - imported when needed

        entries = Hidden(to)
        del to
        self._binding.enter()
        options = Options(None, journal, resend_unknown, allow_duplicates, max_calls, hours)
        if not (price is None or (isinstance(price, Decimal) and price.is_finite() and price >= 0)):
            raise InvalidRequestError("price", "must be a Decimal of at least 0", 0, type(price).__name__)
        reader = self._sender.read(message, entries.value, options, tolerant=True)
        found = await count_entries(reader, options, Purpose(self._app_id, message, allow_duplicates))
        endpoint = message.endpoint
        return plan_of(
            found,
            size=endpoint.max_batch,
            duplicates_are_sent=allow_duplicates,
            max_calls=max_calls,
            limit=self._pacer.limit(endpoint.call),
            hours=hours,
            now=self._exchanges.clock.now(),
            balance=await self.get_balance(product=endpoint.product) if ask_balance else None,
            price=price,
        )

    async def take_reports(
        self, number: int = 200, *, product: Product = Product.VOICE, deadline: float | None = None
    ) -> list[Report]:
        """Take up to ``number`` (1 to 1000) status reports; the service hands out each report once.

        Reports that arrived for an earlier call which was cancelled or out of time come first, without a request.
        An empty list: the service has no reports at this moment. Unreadable reports are in :attr:`broken_reports`.
        After two responses in a row without a readable report the next request waits, up to a minute.

        Raises :class:`RefusedError` or :class:`NotSentError` (no report was removed), :class:`OutcomeUnknownError`
        (reports may have been removed; if the response comes late, the next call returns them),
        :class:`AnswerError` (the response is in ``error.body``).
        """
        self._binding.enter()
        checked_product(product)
        return await self._reports.take(number, product, deadline=instant_of(deadline))

    def reports(
        self,
        *,
        follow: bool = False,
        poll_interval: float = 5.0,
        product: Product = Product.VOICE,
        spool: str | os.PathLike[str] | None = None,
        deadline: float | None = None,
    ) -> AsyncGenerator[Report, None]:
        """Iterate over the status reports, each report once, even beside other readers.

        Asks for 1,000 at a time until the service has no more. Then the iteration ends, or with ``follow`` asks
        again about every ``poll_interval`` seconds without end. The ``deadline`` (seconds from now) ends the
        iteration. Leaving the loop at any moment leaves every report that was not handed out to the next reader. To
        give the current report back, throw an exception into the iterator (``await stream.athrow(error)``).

        With ``follow`` the iteration survives transient errors: lost connections, 5xx, timeouts, responses outside the
        document. Each is logged as a warning and counted in ``stats.report_failures``, and pauses grow up to a minute.

        ``spool``: a folder for the raw responses, from before they are read until their last report was handed out.
        A response that a killed process left in the folder comes first: reports may come twice, and no report is
        lost from the moment at which its response is on the disk. A folder is for one account and one process at a
        time, is made with mode 0700, and stays in use for every way of taking reports from this client.

        Raises :class:`RefusedError` and, unless ``follow`` is set, :class:`NotSentError` (no report was removed),
        :class:`OutcomeUnknownError` (reports may have been removed; if their response comes late, the next reader
        gets them) and :class:`AnswerError` (the response is in ``error.body``, and in :attr:`broken_reports`).
        """
        return self._reports.stream(self._streaming(product, follow, poll_interval, spool, deadline))

    def report_pages(
        self,
        *,
        follow: bool = False,
        poll_interval: float = 5.0,
        product: Product = Product.VOICE,
        spool: str | os.PathLike[str] | None = None,
        deadline: float | None = None,
    ) -> AsyncGenerator[tuple[Report, ...], None]:
        """Iterate over the status reports in pages, as they came in one response (up to 1,000) or one push.

        A page is handed over for good when the next page is asked for; until then the page stays in the ``spool``.
        After any other end of the loop (``break``, an error, a cancellation) the last page is put back for the next
        reader. So ``await journal.record(page)`` in the loop loses no report, even in a process that is killed.
        Arguments and errors are those of :meth:`reports`.
        """
        return self._reports.stream_pages(self._streaming(product, follow, poll_interval, spool, deadline))

    async def wait_for_report(
        self,
        awaited: Ticket | str,
        *,
        timeout: float = 120.0,
        product: Product | None = None,
        poll: bool = True,
    ) -> Report:
        """Wait until the report of a call comes; ``awaited`` is the ticket or the custom id of the call.

        A single background reader asks for all waiting callers, and only while a caller waits; other reports are
        kept. A report that is found by a custom id must also have the number of the ticket. ``product`` None asks for
        the products that this client has made calls of. Reports given
        to :meth:`feed` count as well; with ``poll=False`` only fed reports do.

        Raises :class:`ReportTimeoutError` after ``timeout`` seconds (a report that comes later is not lost),
        :class:`RefusedError` when the service does not let this account ask, and :class:`NotSentError` when a
        setting or the address is wrong (``permanent``).
        """
        self._binding.enter()
        check_seconds("timeout", timeout)
        products = self._products(product) if poll else ()
        return await self._reports.wait(search_for(awaited, product), products, timeout)

    async def settle(
        self,
        unknown: Unknown,
        *,
        timeout: float = 120.0,
        product: Product | None = None,
    ) -> dict[Recipient, Report | None]:
        """Find out by the reports which calls of an unknown batch were made.

        Returns the report of each recipient, in their order; None: no report came within ``timeout`` seconds, so
        that the call was not made, or has not ended yet.
        """
        self._binding.enter()
        check_seconds("timeout", timeout)
        product = product or _PRODUCTS.get(unknown.error.path)
        searches = [search_for(recipient, product) for recipient in unknown.recipients]
        reports = await self._reports.settle(searches, self._products(product), timeout)
        return dict(zip(unknown.recipients, reports, strict=True))

    def feed(self, reports: Iterable[Report], *, keep: bool = True) -> None:
        """Hand in reports that came by another way, such as a push; waiting callers get theirs.

        The other reports are stored until they are taken; with ``keep=False`` they are not, for an application that
        has stored them elsewhere. Call this method in the client's own event loop. Raises
        :class:`InvalidRequestError` for a value that is no report, or a report of another account, and
        :class:`~emay_voice_async.errors.TooManyReportsError` if more than ``max_undelivered`` reports would be
        stored. Then no report of this call is stored, and a receiver whose handler raises these errors lets the
        service push again.
        """
        self._binding.check()
        check_flag("keep", keep)
        self._reports.feed(reports, keep=keep)

    async def get_balance(
        self, *, product: Product = Product.VOICE, deadline: float | None = None
    ) -> Decimal:
        """Return the account's balance, in the account's unit; retried after any failure.

        Raises :class:`RefusedError`, :class:`NotSentError`, or :class:`OutcomeUnknownError` when no usable
        response came.
        """
        self._binding.enter()
        endpoint = _BALANCES[checked_product(product)]
        return await self._exchanges.call(
            endpoint, b"", lambda answer: read_balance(endpoint, answer), deadline=instant_of(deadline)
        )

    @property
    def stats(self) -> Stats:
        """The figures of this client so far, as a snapshot."""
        limits = RateLimits(*(self._pacer.limit(call) for call in Call))
        return evolve(self._exchanges.stats, limits=limits)

    @property
    def event_handlers(self) -> EventHandlers:
        """The handlers of events: ``on_event``, and those that are added."""
        return self._event_handlers

    @property
    def app_id(self) -> str:
        """The account."""
        return self._app_id

    @property
    def base_url(self) -> str:
        """The address of the service."""
        return self._transport.base_url

    @property
    def clock_offset(self) -> timedelta:
        """How far the service's clock is ahead of this host's, as learned from a refused timestamp."""
        return self._exchanges.clock.offset

    @property
    def undelivered_reports(self) -> tuple[Report, ...]:
        """Reports that arrived and were not taken yet."""
        return self._reports.mailbox.reports

    @property
    def broken_reports(self) -> tuple[tuple[Any, str], ...]:
        """Pairs of raw value and reason: unreadable reports, and unreadable responses (bytes)."""
        return self._reports.requests.broken.pairs

    def take_broken_reports(self) -> list[tuple[Any, str]]:
        """Return the pairs of :attr:`broken_reports` and forget them: the last 10,000, whole responses up to 64 MiB."""
        return self._reports.requests.broken.take()

    def _streaming(
        self,
        product: Product,
        follow: bool,
        poll_interval: float,
        spool: str | os.PathLike[str] | None,
        deadline: float | None,
    ) -> Streaming:
        self._binding.enter()
        check_flag("follow", follow)
        check_seconds("poll_interval", poll_interval)
        folder = None if spool is None else Spool(spool, self._app_id)
        return Streaming(checked_product(product), follow, poll_interval, folder, instant_of(deadline))

    def _products(self, product: Product | None) -> set[Product]:
        if product is not None:
            return {checked_product(product)}
        return self._sender.products or {Product.VOICE}
