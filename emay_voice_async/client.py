"""``AsyncEmayVoice``: the whole service through one client."""

import asyncio
import os
import time
from collections.abc import AsyncGenerator, Callable, Collection, Iterable
from contextlib import aclosing
from datetime import timedelta
from decimal import Decimal
from types import TracebackType
from typing import Any, Self

from attrs import evolve

from emay_voice_async.errors import (
    DuplicateError,
    EmayVoiceError,
    InvalidRequestError,
    SendError,
    UsageError,
)
from emay_voice_async.exchange.exchanges import Credentials, Exchanges
from emay_voice_async.exchange.transport import HttpClient, Transport
from emay_voice_async.journal.protocol import Journal, Purpose
from emay_voice_async.journal.session import Sorter
from emay_voice_async.model.checks import check_count, check_flag, check_seconds, check_text
from emay_voice_async.model.endpoints import ENDPOINTS, JOIN_BALANCE, VOICE_BALANCE, Call, Product
from emay_voice_async.model.limits import RateLimits
from emay_voice_async.model.messages import Message
from emay_voice_async.model.recipients import Recipient, check_recipient
from emay_voice_async.model.results import Accepted, Outcome, Report, SendResult, Ticket, Unknown
from emay_voice_async.model.stats import Stats
from emay_voice_async.pacing.local import LocalPacer
from emay_voice_async.pacing.protocol import Pacer
from emay_voice_async.reports.polling import Streaming
from emay_voice_async.reports.reader import ReportReader
from emay_voice_async.reports.searches import search_for
from emay_voice_async.sending.batches import Recipients
from emay_voice_async.sending.delivery import Options
from emay_voice_async.sending.hours import CallingHours
from emay_voice_async.sending.plan import Plan, count, know_nothing, plan_of
from emay_voice_async.sending.sender import Sender
from emay_voice_async.wire.envelope import read_balance

__all__ = ["AsyncEmayVoice"]

_BALANCES = {end.product: end for end in (VOICE_BALANCE, JOIN_BALANCE)}
_PRODUCTS = {endpoint.path: endpoint.product for endpoint in ENDPOINTS}
_ENVIRONMENT = {
    "base_url": "EMAY_VOICE_BASE_URL",
    "app_id": "EMAY_VOICE_APP_ID",
    "secret_key": "EMAY_VOICE_SECRET_KEY",
}


class AsyncEmayVoice:
    """A client of one account, for one event loop.

    ::

        async with AsyncEmayVoice("http://host:port", app_id="...", secret_key="...") as voice:
            result = await voice.send(Notice("..."), ["13800000000"])

    - ``base_url``: ``http`` or ``https``, host, optional port and path. ``app_id``, ``secret_key``:
      as the vendor gave them.
    - ``http_client``: a shared ``httpx.AsyncClient``: used, never closed, nothing set on it. Give it
      a ``keepalive_expiry`` of a few seconds: a connection that the service drops in the moment of a
      send leaves that send's outcome unknown. None: one of our own.
    - ``rate_limits``: how fast, by kind of call. ``pacer``: what holds requests back instead of an
      in-process one made from ``rate_limits``. ``cold_start``: wait one period first, as if a
      process that just died had used up the limit.
    - ``timeout``: seconds that one exchange may take, connecting included. ``max_concurrency``:
      requests in flight at once, for each send.
    - ``allow_only``: the only numbers that may be called, for staging and tests; all others are refused
      before anything is sent. None: everybody.
    - ``clock``: POSIX seconds; for tests.

    The constructor does no I/O and needs no running event loop. The first call binds the client to
    the running loop; in another one it raises :class:`UsageError`.
    """

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
        cold_start: bool = False,
        allow_only: Collection[str] | None = None,
        max_undelivered: int = 100_000,
        clock: Callable[[], float] = time.time,
    ) -> None:
        _check_credential("app_id", app_id)
        _check_credential("secret_key", secret_key)
        check_seconds("timeout", timeout)
        check_count("max_concurrency", max_concurrency)
        check_count("max_undelivered", max_undelivered)
        if not isinstance(rate_limits, RateLimits):
            raise InvalidRequestError("rate_limits", "must be RateLimits", None, type(rate_limits).__name__)
        self._app_id = app_id
        self._transport = Transport(base_url, http_client, timeout)
        self._pacer = LocalPacer(rate_limits, cold_start=cold_start) if pacer is None else pacer
        self._exchanges = Exchanges(
            self._transport, self._pacer, Credentials(app_id, secret_key), timeout=timeout, clock=clock
        )
        self._sender = Sender(
            self._exchanges, max_concurrency=max_concurrency, allow_only=_numbers(allow_only)
        )
        self._reports = ReportReader(self._exchanges, max_undelivered)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False

    @classmethod
    def from_env(cls, **overrides: Any) -> Self:
        """Make a client from EMAY_VOICE_BASE_URL, EMAY_VOICE_APP_ID and EMAY_VOICE_SECRET_KEY.

        ``overrides`` are arguments of the constructor, which win. A variable that is missing or
        empty raises :class:`InvalidRequestError` that names it.
        """
        for name, variable in _ENVIRONMENT.items():
            if name not in overrides:
                overrides[name] = os.environ.get(variable, "")
                if not overrides[name]:
                    raise InvalidRequestError(variable, "must be set in the environment")
        return cls(**overrides)

    def __repr__(self) -> str:
        return f"AsyncEmayVoice({self._transport.base_url!r}, app_id={self._app_id!r})"

    async def __aenter__(self) -> Self:
        self._enter()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the client: nothing new goes out, and what is under way is waited for.

        It waits twice the ``timeout`` at most. What waits for a slot is not sent. A closing that is
        cancelled goes on in the background. Closing again does nothing. A shared ``http_client`` stays
        open.
        """
        if self._loop is not None:
            self._check_loop()
        self._closed = True
        self._reports.close()
        await self._exchanges.aclose()

    async def send(
        self,
        message: Message,
        to: Recipients,
        *,
        deadline: float | None = None,
        on_outcome: Callable[[Outcome], object] | None = None,
        journal: Journal | None = None,
        resend_unknown: bool = False,
        allow_duplicates: bool = False,
        max_calls: int | None = None,
        hours: CallingHours | None = None,
    ) -> SendResult:
        """Send to one number, a list or a stream; return when every batch has its outcome.

        The result holds one ticket for each number, in input order (with a journal, those that it knew stand
        before the others that were read with them). ``on_outcome`` is called with
        each outcome as it happens, also with those that happen after this call was cancelled.
        ``deadline`` is in seconds: what had no turn by then is not sent. The other arguments are those of
        :meth:`send_batches`.

        Raises :class:`InvalidRequestError` before anything is sent if any entry of a sized list is
        bad, and :class:`SendError` if any batch was not accepted: look at its ``result`` before
        sending anything again, because accepted numbers are called all the same. A repeated number that a
        journal left out is no reason to raise. A source that fails half-way is the ``__cause__`` of a
        SendError.
        """
        options = self._options(deadline, journal, resend_unknown, allow_duplicates, max_calls, hours)
        stream = self._sender.outcomes(message, to, options, on_outcome)
        outcomes: list[Outcome] = []
        cause: Exception | None = None
        try:
            async with aclosing(stream):
                async for outcome in stream:
                    outcomes.append(outcome)  # noqa: PERF401 - kept when the source fails half-way
        except Exception as error:
            if not outcomes:
                raise
            cause = error
        result = SendResult(tuple(outcomes))
        if cause is None:
            cause = next(filter(None, map(_failure, outcomes)), None)
        if cause is not None:
            raise SendError(result) from cause
        return result

    def send_batches(
        self,
        message: Message,
        to: Recipients,
        *,
        deadline: float | None = None,
        journal: Journal | None = None,
        resend_unknown: bool = False,
        allow_duplicates: bool = False,
        max_calls: int | None = None,
        hours: CallingHours | None = None,
    ) -> AsyncGenerator[Outcome, None]:
        """Send to any number of recipients; yield the outcome of each batch, in input order.

        A sized list is checked whole right here (:class:`InvalidRequestError`); a stream is checked
        as it is read, and a bad entry becomes a ``NotSent`` of its own, in front of the batch that is
        being gathered. Nothing is sent before the
        first iteration, and no further ahead is read than ``max_concurrency`` batches. After a
        refusal of the account or its balance, the rest comes out as ``NotSent``.

        Leaving the loop early stops what had no turn yet; what is under way ends in its own time.

        ``journal``: remembers every number, so that after a crash the same send can be made again, by the same
        call. What an earlier run knows of comes out without being sent, marked ``recorded``: as ``Accepted``,
        or as ``Unknown`` if it was under way when its process ended (with ``resend_unknown`` it is sent again:
        those people may be called twice). What was refused or not sent is sent. A number that comes again in
        the same input is called once, and is a ``NotSent`` with a :class:`DuplicateError` then;
        ``allow_duplicates`` calls it each time. Raises :class:`JournalError` on the first iteration if the
        journal cannot be used; should it fail later, the rest is not sent.

        ``max_calls``: a sized list with more numbers is refused at once (without a journal); of anything else
        no more are sent, and the rest comes out as ``NotSent``. ``hours``: batches wait for the calling hours.
        """
        options = self._options(deadline, journal, resend_unknown, allow_duplicates, max_calls, hours)
        return self._sender.outcomes(message, to, options)

    async def plan(
        self,
        message: Message,
        to: Recipients,
        *,
        journal: Journal | None = None,
        resend_unknown: bool = False,
        allow_duplicates: bool = False,
        max_calls: int | None = None,
        hours: CallingHours | None = None,
        price: Decimal | None = None,
        ask_balance: bool = True,
    ) -> Plan:
        """Find out what such a send would do, without sending, and without writing to the journal.

        Give it a list, or a stream of its own: it reads ``to`` to the end, and finds bad entries in it rather
        than raising. ``price`` is what one call costs in the unit of the balance, which the service tells only
        with ``ask_balance`` and the errors of :meth:`get_balance`. Raises :class:`JournalError` if the journal
        cannot be used for this send.
        """
        options = self._options(None, journal, resend_unknown, allow_duplicates, max_calls, hours)
        if not (price is None or (isinstance(price, Decimal) and price.is_finite() and price >= 0)):
            raise InvalidRequestError("price", "must be a Decimal of at least 0", 0, type(price).__name__)
        reader = self._sender.read(message, to, options, tolerant=True)
        purpose = Purpose(self._app_id, message, allow_duplicates)
        run = None if journal is None else await journal.start(purpose, dry=True)
        sorter = Sorter(
            know_nothing if run is None else run.look,
            allow_duplicates=allow_duplicates and run is not None,
            resend_unknown=resend_unknown,
        )
        try:
            found = await count(reader, sorter)
        finally:
            sorter.close()
            if run is not None:
                await run.end()
        endpoint = message.endpoint
        return plan_of(
            found,
            size=endpoint.max_batch,
            duplicates_are_sent=journal is None,
            max_calls=max_calls,
            limit=self._pacer.limit(endpoint.call),
            hours=hours,
            now=self._exchanges.now(),
            balance=await self.get_balance(product=endpoint.product) if ask_balance else None,
            price=price,
        )

    async def take_reports(
        self, number: int = 200, *, product: Product = Product.VOICE, deadline: float | None = None
    ) -> list[Report]:
        """Take up to ``number`` (1 to 1000) status reports; the service hands each one out once.

        Reports that arrived for an earlier call which was cancelled or out of time come first,
        without asking the service. An empty list: there are none at this moment. Reports that cannot
        be read are in :attr:`broken_reports`.

        Raises :class:`RefusedError` or :class:`NotSentError` (nothing was removed),
        :class:`OutcomeUnknownError` (reports may have been removed; should the answer come late, the
        next call returns them), :class:`AnswerError` (whatever came is in its ``body``).
        """
        self._enter()
        _check_product(product)
        return await self._reports.take(number, product, deadline=self._instant(deadline))

    def reports(
        self,
        *,
        follow: bool = False,
        poll_interval: float = 5.0,
        product: Product = Product.VOICE,
        spool: str | os.PathLike[str] | None = None,
        deadline: float | None = None,
    ) -> AsyncGenerator[Report, None]:
        """Iterate over the status reports, each one once, whoever else takes reports.

        Asks for 1,000 at a time while something comes. Then it ends, or with ``follow`` asks again
        about every ``poll_interval`` seconds, for ever. At the ``deadline`` (seconds from now) it ends.
        Leaving the loop at any moment, in whatever way, leaves every report that was not handed out to
        the next one who takes reports. Whoever could not keep the one in hand gives it back by throwing
        the exception into the iterator (``await stream.athrow(error)``).

        ``spool``: a folder for the raw answers, from before they are read until their last report
        was handed out. What a process that was killed left there comes first, so that reports may
        come twice but are never lost. One process at a time may use a folder. It stays in use for
        every way of taking reports from this client.

        Raises :class:`RefusedError`; :class:`NotSentError` unless ``follow`` is set (nothing was
        removed); :class:`OutcomeUnknownError` (reports may have been removed; should their answer
        come late, they are there for the next one), :class:`AnswerError` (whatever came is in its
        ``body``, and in :attr:`broken_reports`).
        """
        self._enter()
        check_seconds("poll_interval", poll_interval)
        _check_product(product)
        return self._reports.stream(Streaming(product, follow, poll_interval, spool, self._instant(deadline)))

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
        self._enter()
        check_seconds("poll_interval", poll_interval)
        _check_product(product)
        return self._reports.stream_pages(
            Streaming(product, follow, poll_interval, spool, self._instant(deadline))
        )

    async def wait_for_report(
        self,
        awaited: Ticket | str,
        *,
        timeout: float = 120.0,
        product: Product | None = None,
        poll: bool = True,
    ) -> Report:
        """Wait until the report of one call comes; ``awaited`` is its ticket or its custom id.

        One reader in the background asks for all who wait, and only while somebody waits; what it
        brings besides remains for the others. ``product`` None asks for those that this client has
        made calls of. Reports given to :meth:`feed` count as well; with ``poll=False`` only those do.

        Raises :class:`ReportTimeoutError` after ``timeout`` seconds; the report is not lost if it
        comes later. Raises :class:`RefusedError` when the service does not let this account ask.
        """
        self._enter()
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
        """Find out by the reports what became of a batch whose outcome is unknown.

        Returns the report of each recipient, in their order; None where none came within ``timeout``
        seconds: that call was not made, or it has not ended yet.
        """
        self._enter()
        check_seconds("timeout", timeout)
        product = product or _PRODUCTS.get(unknown.error.path)
        searches = [search_for(recipient, product) for recipient in unknown.recipients]
        reports = await self._reports.settle(searches, self._products(product), timeout)
        return dict(zip(unknown.recipients, reports, strict=True))

    def feed(self, reports: Iterable[Report]) -> None:
        """Give it reports that came by another way, such as a push; whoever waits for one gets it.

        The others are kept until somebody takes them: hand over only what will be taken. Call it in
        the client's own event loop.
        """
        if self._loop is not None:
            self._check_loop()
        self._reports.feed(reports)

    async def get_balance(
        self, *, product: Product = Product.VOICE, deadline: float | None = None
    ) -> Decimal:
        """Ask for the account's balance, in the account's unit; repeated by itself on any failure.

        Raises :class:`RefusedError`, :class:`NotSentError`, or :class:`OutcomeUnknownError` when no
        usable answer came.
        """
        self._enter()
        endpoint = _BALANCES[_check_product(product)]
        return await self._exchanges.call(
            endpoint, b"", lambda answer: read_balance(endpoint, answer), deadline=self._instant(deadline)
        )

    @property
    def stats(self) -> Stats:
        """What this client has done so far, as a snapshot."""
        limits = RateLimits(*(self._pacer.limit(call) for call in Call))
        return evolve(self._exchanges.stats, limits=limits)

    @property
    def clock_offset(self) -> timedelta:
        """How far the service's clock is ahead of ours, as learned from a refused timestamp."""
        return self._exchanges.clock_offset

    @property
    def undelivered_reports(self) -> tuple[Report, ...]:
        """Reports that arrived and that nobody has taken yet."""
        return self._reports.mailbox.reports

    @property
    def broken_reports(self) -> tuple[tuple[Any, str], ...]:
        """Pairs of raw value and reason: reports, and whole answers (bytes), that could not be read."""
        return self._reports.requests.broken.pairs

    def take_broken_reports(self) -> list[tuple[Any, str]]:
        """Return the pairs of :attr:`broken_reports` and forget them: the last 10,000, whole responses up to 64 MiB."""
        return self._reports.requests.broken.take()

    def _options(
        self,
        deadline: float | None,
        journal: Journal | None,
        resend_unknown: bool,
        allow_duplicates: bool,
        max_calls: int | None,
        hours: CallingHours | None,
    ) -> Options:
        self._enter()
        for name, flag in (("resend_unknown", resend_unknown), ("allow_duplicates", allow_duplicates)):
            check_flag(name, flag)
        if journal is not None and not callable(getattr(journal, "start", None)):
            raise InvalidRequestError(
                "journal", "must be a journal such as SqliteJournal(path)", None, type(journal).__name__
            )
        if max_calls is not None:
            check_count("max_calls", max_calls)
        if hours is not None and not isinstance(hours, CallingHours):
            raise InvalidRequestError("hours", "must be CallingHours", None, type(hours).__name__)
        if resend_unknown and journal is None:
            raise InvalidRequestError("resend_unknown", "must have a journal that knows what is unknown")
        return Options(self._instant(deadline), journal, resend_unknown, allow_duplicates, max_calls, hours)

    def _products(self, product: Product | None) -> set[Product]:
        if product is not None:
            return {_check_product(product)}
        return self._sender.products or {Product.VOICE}

    def _enter(self) -> None:
        """Bind to the running loop on first use, and refuse any other."""
        if self._closed:
            raise UsageError("client", "is closed; make a new one")
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        self._check_loop()

    def _check_loop(self) -> None:
        try:
            running = asyncio.get_running_loop()
        except RuntimeError:
            running = None
        if self._loop is not running:
            raise UsageError(
                "client",
                "belongs to the event loop of its first call; make one client for each event loop, inside"
                " the coroutine that asyncio.run is given (or one for each test)",
            )

    def _instant(self, deadline: float | None) -> float | None:
        if deadline is None:
            return None
        check_seconds("deadline", deadline)
        return asyncio.get_running_loop().time() + deadline


def _failure(outcome: Outcome) -> EmayVoiceError | None:
    """Return why the recipients of an outcome are not called; None if they are, here or for an earlier entry."""
    if isinstance(outcome, Accepted) or isinstance(outcome.error, DuplicateError):
        return None
    return outcome.error


def _numbers(allow_only: Collection[str] | None) -> frozenset[str] | None:
    if allow_only is None:
        return None
    if isinstance(allow_only, str | bytes) or not isinstance(allow_only, Collection):
        raise InvalidRequestError(
            "allow_only", "must be a collection of numbers", None, type(allow_only).__name__
        )
    for position, mobile in enumerate(allow_only):
        check_recipient(Recipient(mobile), position)
    return frozenset(allow_only)


def _check_credential(name: str, value: object) -> None:
    check_text(name, value)
    if value != str(value).strip():
        raise InvalidRequestError(name, "must not begin or end with white space")


def _check_product(product: Product) -> Product:
    if not isinstance(product, Product):
        raise InvalidRequestError("product", "must be a Product", None, type(product).__name__)
    return product
