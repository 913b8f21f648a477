"""An attempt of a call: sign, post once, read the response, and end the lease of the slot.

An attempt runs in a task that belongs to the client, not to the caller. When the caller is cancelled or out of
time, the response is still read in the background: the lease ends at the right moment, and no report is lost.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextvars import Context
from enum import Enum
from functools import partial
from typing import Any

from attrs import define, field, frozen

from emay_voice_async.errors import AccountError, NotSentError, OutcomeUnknownError, OverSpeedError
from emay_voice_async.exchange.clock import ServiceClock, advice_on
from emay_voice_async.exchange.labels import RequestLabel
from emay_voice_async.exchange.retries import Retry
from emay_voice_async.exchange.tasks import OwnedTasks
from emay_voice_async.exchange.transport import Progress, Transport
from emay_voice_async.model.codes import ResultCode
from emay_voice_async.model.endpoints import Endpoint
from emay_voice_async.model.hidden import Hidden
from emay_voice_async.pacing.protocol import Lease
from emay_voice_async.wire.envelope import HttpResponse
from emay_voice_async.wire.forms import signed
from emay_voice_async.wire.statuses import GATEWAY

__all__ = ["Attempts", "CallStep", "CallStoppedError", "Credentials", "InFlight", "Observer", "PendingCall"]

logger: logging.Logger = logging.getLogger(__name__)


@frozen
class Credentials:
    """The account that signs. The secret is in no repr."""

    app_id: str
    secret_key: str = field(repr=False)


class CallStep(Enum):
    """The steps of a call that the caller can observe."""

    SLOT = "slot"
    """A slot was acquired; the preparation begins."""
    POSTED = "posted"
    """The request is handed to the transport: from now on the service may receive the request."""
    RETRY = "retry"
    """The attempt failed without effect, and the request is about to be sent again."""


Observer = Callable[[CallStep], bool]
"""Called before each step of a call; returns False to stop the call in place of the step."""


def _go_on(_: CallStep) -> bool:
    return True


class CallStoppedError(Exception):
    """The observer stopped the call before its request was posted."""


class InFlight:
    """An observer that tells whether a request may be at the service."""

    def __init__(self) -> None:
        self.in_flight: bool = False

    def __call__(self, step: CallStep) -> bool:
        """Follow the call, and never stop the call."""
        self.in_flight = step is CallStep.POSTED
        return True


@define(eq=False)
class PendingCall:
    """A call of an endpoint: the arguments (see ``Exchanges.call``), the retries so far, and what its observers need.

    ``waited``: the seconds of the last wait for a slot. ``sent_at``: the instant at which the last attempt began; None
    while the call waits. ``status``: the HTTP status of the last attempt. ``left``: None until the caller leaves an
    attempt, then whether a byte of the request may have been written. ``context``: the context of the next attempt;
    None: a copy of the caller's. ``on_late`` is called with the error, or None, of an attempt whose caller left.
    """

    label: RequestLabel
    endpoint: Endpoint
    form: Hidden[bytes]
    read: Callable[[HttpResponse], Any]
    first: Callable[[HttpResponse], Awaitable[object]] | None = None
    prepare: Callable[[], Awaitable[object]] | None = None
    deadline: float | None = None
    observe: Observer = _go_on
    clock_corrected: bool = False
    retries: dict[Retry, int] = field(factory=dict)
    waited: float = 0.0
    sent_at: float | None = None
    status: int | None = None
    left: bool | None = None
    context: Context | None = None
    on_late: Callable[[BaseException | None], None] | None = None


class Attempts:
    """Makes the attempts of a client's calls.

    ``timeout``: the seconds that a caller waits for a response; the reading goes on for as long again. ``count`` adds 1
    to a figure of the statistics.
    """

    def __init__(
        self,
        transport: Transport,
        credentials: Credentials,
        clock: ServiceClock,
        tasks: OwnedTasks,
        *,
        timeout: float,
        count: Callable[[str], None],
    ) -> None:
        self._transport = transport
        self._credentials = credentials
        self._clock = clock
        self._tasks = tasks
        self._timeout = timeout
        self._count = count

    async def make(self, call: PendingCall, lease: Lease) -> Any:
        """Post the request of a call once, and return the result of ``read``.

        Raises the errors of ``read``, :class:`NotSentError`, or :class:`OutcomeUnknownError` when no usable
        response came in time.
        """
        patience = self._patience(call)
        progress = Progress()
        call.status, call.sent_at = None, asyncio.get_running_loop().time()
        loop = asyncio.get_running_loop()
        ended = loop.create_future()
        running = self._run(call, lease, progress, ended)
        task = self._tasks.keep(loop.create_task(running, context=call.context))
        timer = loop.call_later(patience, _end, ended)
        try:
            await ended
        except BaseException:
            # Also when the attempt ended in the same turn: the caller does not get the result any more.
            _leave(call, task, progress)
            raise
        finally:
            timer.cancel()
        if task.done():
            return task.result()
        _leave(call, task, progress)
        path = call.endpoint.path
        if progress.written:
            raise OutcomeUnknownError(f"no answer came within {patience:.3g} seconds", path)
        where = self._transport.where(progress)
        raise NotSentError(f"there was no connection to {where} within {patience:.3g} seconds", path)

    async def _run(
        self, call: PendingCall, lease: Lease, progress: Progress, ended: "asyncio.Future[None]"
    ) -> Any:
        """Make the attempt, and wake the caller."""
        try:
            return await self._exchange(call, lease, progress)
        finally:
            # Not by a callback of the task, which would come a turn of the event loop later (benchmark: latency).
            _end(ended)

    async def _exchange(self, call: PendingCall, lease: Lease, progress: Progress) -> Any:
        """Post once, read the response, and end the lease at the right moment however the attempt ends."""
        response, signed_at = await self._post(call, lease, progress)
        call.status = response.status
        over_speed = False
        try:
            if call.first is not None:
                await call.first(response)
            return call.read(response)
        except OverSpeedError:
            over_speed = True
            self._count("over_speed")
            raise
        except AccountError as error:
            if error.code == ResultCode.ERROR_TIMESTAMP:
                self._correct_clock(call, error, response.date, signed_at)
            raise
        finally:
            lease.end(after=self._timeout if response.status in GATEWAY else 0.0, over_speed=over_speed)

    async def _post(self, call: PendingCall, lease: Lease, progress: Progress) -> tuple[HttpResponse, float]:
        """Sign and post; return the response and the instant of the stamp, or end the lease and raise."""
        endpoint, credentials = call.endpoint, self._credentials
        try:
            at = self._clock.now()
            body = Hidden(signed(endpoint, credentials.app_id, credentials.secret_key, at, call.form.value))
            self._count("requests")
            response = await self._transport.post(endpoint.path, body.value, progress, self._patience(call))
        except OutcomeUnknownError:
            # The connection is over, so that the request cannot arrive any more.
            lease.end()
            raise
        except BaseException as error:
            if isinstance(error, NotSentError):
                lease.give_back()
                raise
            if not progress.written:
                lease.give_back()
                if isinstance(error, Exception):
                    # Any error before the first byte, a fault of this package included, means: not sent.
                    reason = f"{type(error).__name__} before the request was written"
                    raise NotSentError(reason, endpoint.path) from error
                raise
            # This side gave up: the request may still arrive.
            lease.end(after=self._timeout)
            if isinstance(error, TimeoutError):
                raise OutcomeUnknownError("no answer came at all", endpoint.path) from None
            raise
        return response, at

    def _correct_clock(
        self, call: PendingCall, error: AccountError, date: str | None, signed_at: float
    ) -> None:
        """Correct the clock by a Date header; raise an AccountError with advice if the header is too far off."""
        offset = self._clock.shown_offset(date, signed_at)
        if offset is None:
            return
        if advice := advice_on(offset):
            raise AccountError(error.code, f"{error.meaning}; {advice}", error.path) from None
        self._clock.correct(offset)
        call.clock_corrected = True

    def _patience(self, call: PendingCall) -> float:
        """Return the seconds that the caller waits for a response from now on."""
        if call.deadline is None:
            return self._timeout
        return max(0.0, min(self._timeout, call.deadline - asyncio.get_running_loop().time()))


def _end(ended: "asyncio.Future[None]") -> None:
    if not ended.done():
        ended.set_result(None)


def _leave(call: PendingCall, task: asyncio.Task[Any], progress: Progress) -> None:
    """Let a response be read without the caller, or cancel a request of which no byte was written."""
    progress.abandoned = True
    call.left = progress.written
    if not call.left and not progress.connected:
        # With a connection the request ends at the next event of the transport.
        task.cancel()
    task.add_done_callback(partial(_report_late_end, call))


def _report_late_end(call: PendingCall, task: asyncio.Task[Any]) -> None:
    if task.cancelled():
        return
    error = task.exception()
    if not call.left:
        return
    logger.info(
        "a request was answered after its caller left: %s",
        "accepted" if error is None else error,
        extra=call.label.extra(),
    )
    if call.on_late is not None:
        call.on_late(error)
