"""The requests of a client: each waits for a slot, is posted, and is retried only when that is safe."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar

from attrs import fields

from emay_voice_async.errors import EmayVoiceError, NotSentError
from emay_voice_async.events.handlers import EventHandlers
from emay_voice_async.exchange.attempts import (
    Attempts,
    CallStep,
    CallStoppedError,
    Credentials,
    Observer,
    PendingCall,
)
from emay_voice_async.exchange.clock import ServiceClock
from emay_voice_async.exchange.labels import Ids, RequestLabel
from emay_voice_async.exchange.retries import Retry, retry_for
from emay_voice_async.exchange.tasks import OwnedTasks
from emay_voice_async.exchange.transport import Transport
from emay_voice_async.exchange.turns import TurnBudget
from emay_voice_async.model.endpoints import Endpoint
from emay_voice_async.model.hidden import Hidden
from emay_voice_async.model.stats import Stats
from emay_voice_async.pacing.protocol import Lease, Pacer
from emay_voice_async.wire.envelope import HttpResponse

if TYPE_CHECKING:
    from emay_voice_async.exchange.reporting import CallReporter

__all__ = ["MAX_RETRIES", "MAX_RETRY_TIME", "Exchanges"]

logger: logging.Logger = logging.getLogger(__name__)

_Result = TypeVar("_Result")

MAX_RETRIES: Final = {Retry.AFTER_PAUSE: 2, Retry.AFTER_SLOT: 8, Retry.ONCE_CORRECTED: 1}
"""How often a request is retried, by reason."""
MAX_RETRY_TIME: Final = 60.0
"""Seconds after the first attempt in which a request may be retried."""
FIRST_PAUSE: Final = 0.2
"""Seconds before the first retry after a failed connection; doubled each time, jittered."""


class Exchanges:
    """All requests of a client: waiting, in flight, or being read after their caller left.

    ``timeout``: the seconds that a caller waits for a response; the reading goes on for as long again.
    ``clock`` returns POSIX seconds.
    """

    def __init__(
        self,
        transport: Transport,
        pacer: Pacer,
        credentials: Credentials,
        *,
        timeout: float,
        clock: Callable[[], float],
        event_handlers: EventHandlers | None = None,
    ) -> None:
        self.app_id: str = credentials.app_id
        self.ids: Ids = Ids()
        self.event_handlers: EventHandlers = EventHandlers() if event_handlers is None else event_handlers
        self.clock: ServiceClock = ServiceClock(clock)
        self.tasks: OwnedTasks = OwnedTasks()
        self.timeout = timeout
        self.turns: TurnBudget = transport.turns
        self._counts: dict[str, Any] = {
            figure.name: figure.default for figure in fields(Stats) if figure.name != "limits"
        }
        self._transport = transport
        self._pacer = pacer
        self._attempts = Attempts(
            transport, credentials, self.clock, self.tasks, timeout=timeout, count=self.count
        )

    @property
    def stats(self) -> Stats:
        """The figures so far; without the limits, which the pacer knows."""
        return Stats(**self._counts)

    def count(self, name: str, by: float = 1) -> None:
        """Add to a figure of the statistics."""
        self._counts[name] += by

    async def call(
        self,
        endpoint: Endpoint,
        form: bytes,
        read: Callable[[HttpResponse], _Result],
        *,
        first: Callable[[HttpResponse], Awaitable[object]] | None = None,
        prepare: Callable[[], Awaitable[object]] | None = None,
        deadline: float | None = None,
        observe: Observer | None = None,
        label: RequestLabel | None = None,
    ) -> _Result:
        """Post a form and return the result of ``read`` for the response.

        ``first`` is awaited with the response before ``read`` is called. ``prepare`` is awaited in each attempt
        with the slot acquired, just before posting; an error of ``prepare`` is raised and the request is not
        posted. ``deadline``, an instant of the event loop's clock, bounds waiting, retries and network together.
        ``observe`` is called before each step, and can stop the call. ``label``: None makes a new one.

        Raises the errors of ``read``, :class:`NotSentError` (not acted on), :class:`OutcomeUnknownError` (perhaps
        acted on), or :class:`CallStoppedError` if ``observe`` returned False before posting. When the caller is
        cancelled after the request may have left, ``first`` and ``read`` are still called with the response.
        """
        label = RequestLabel(self.ids.new()) if label is None else label
        call = PendingCall(label, endpoint, Hidden(form), read, first, prepare, deadline)
        del form
        if observe is not None:
            call.observe = observe
        reporter = None
        if self.event_handlers.active:
            call.observe = reporter = self._reporter(call)
        try:
            with self.turns:
                result: _Result = await self._attempt_until_ended(call, reporter)
        except BaseException as error:
            if isinstance(error, EmayVoiceError):
                error.request_id = label.request_id
            if reporter is not None:
                reporter.failed(error)
            raise
        if reporter is not None:
            reporter.answered()
        return result

    async def _attempt_until_ended(self, call: PendingCall, reporter: "CallReporter | None") -> Any:
        started: float | None = None
        while True:
            lease = await self._ready(call, again=started is not None)
            started = asyncio.get_running_loop().time() if started is None else started
            call.label.attempt += 1
            try:
                return await self._attempts.make(call, lease)
            except EmayVoiceError as error:
                pause = self._retry_pause(call, error, started)
                if pause is None or not call.observe(CallStep.RETRY):
                    raise
                if reporter is not None or logger.isEnabledFor(logging.INFO):
                    (reporter or self._reporter(call)).retried(error, pause)
            call.sent_at = None
            if pause:
                await asyncio.sleep(pause)

    def _reporter(self, call: PendingCall) -> "CallReporter":
        """Make the observer that reports a call as events and log records."""
        from emay_voice_async.exchange.reporting import CallReporter  # noqa: PLC0415 - imported when needed

        return CallReporter(call, self.event_handlers)

    async def aclose(self) -> None:
        """Refuse new requests, wait (bounded) for the requests in flight, and close the transport."""
        await self.tasks.aclose(self._transport.aclose)

    async def _ready(self, call: PendingCall, *, again: bool) -> Lease:
        """Acquire a slot and prepare the request for posting."""
        lease = await self._slot(call, again=again)
        try:
            await self.turns.request()
            self._check_in_time(call, "there was a slot")
            _take_step(call, CallStep.SLOT)
            if call.prepare is not None:
                await call.prepare()
                self._check_in_time(call, "the request was sent")
            _take_step(call, CallStep.POSTED)
        except BaseException:
            lease.give_back()
            raise
        return lease

    async def _slot(self, call: PendingCall, *, again: bool) -> Lease:
        path = call.endpoint.path
        loop = asyncio.get_running_loop()
        started = loop.time()
        bound: asyncio.Timeout | None = None
        try:
            acquiring = self._pacer.acquire(call.endpoint.call, again=again)
            if call.deadline is None:
                return await self.tasks.wait(acquiring, path)
            async with asyncio.timeout_at(call.deadline) as bound:
                return await self.tasks.wait(acquiring, path)
        except (NotSentError, asyncio.CancelledError):
            raise
        except Exception as error:
            reason = f"the pacer failed ({type(error).__name__})"
            if bound is not None and bound.expired():
                reason = "the deadline passed before there was a slot"
            raise NotSentError(reason, path) from error
        finally:
            call.waited = loop.time() - started
            self.count("waited", call.waited)

    def _check_in_time(self, call: PendingCall, before: str) -> None:
        """Raise :class:`NotSentError` if the client is closed or the deadline has passed."""
        path = call.endpoint.path
        if self.tasks.closed:
            raise NotSentError(f"the client was closed before {before}", path)
        if call.deadline is not None and call.deadline <= asyncio.get_running_loop().time():
            raise NotSentError(f"the deadline passed before {before}", path)

    def _retry_pause(self, call: PendingCall, error: EmayVoiceError, started: float) -> float | None:
        """Return the seconds until the retry that the table and the caps allow; None: no retry."""
        kind = call.endpoint.call
        retry = retry_for(error, kind)
        done = call.retries.get(retry, 0)
        if self.tasks.closed or done >= MAX_RETRIES.get(retry, 0):
            return None
        if retry is Retry.ONCE_CORRECTED and not call.clock_corrected:
            return None
        pause: float = FIRST_PAUSE * 2**done * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
        if retry is not Retry.AFTER_PAUSE and self._pacer.limit(kind) is not None:
            # The retry waits for a slot, at the front of the queue.
            pause = 0.0
        end = started + MAX_RETRY_TIME
        end = end if call.deadline is None else min(end, call.deadline)
        if asyncio.get_running_loop().time() + pause >= end:
            return None
        call.retries[retry] = done + 1
        return pause


def _take_step(call: PendingCall, step: CallStep) -> None:
    """Call the observer before a step; raise :class:`CallStoppedError` if the call must stop."""
    if not call.observe(step):
        raise CallStoppedError(call.endpoint.path)
