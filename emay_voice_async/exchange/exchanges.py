"""Signed requests through the pacer, each one's end accounted for, repeated only when that is safe.

A request under way is a task of its own that belongs to the client, not to its caller: when the
caller gives up or is cancelled, the answer goes on being read in the background, so that it ends
the lease of its slot at the right moment and nothing that it brings is lost.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final, TypeVar, cast

from attrs import define, field, fields, frozen

from emay_voice_async.errors import (
    AccountError,
    EmayVoiceError,
    NotSentError,
    OutcomeUnknownError,
    OverSpeedError,
)
from emay_voice_async.exchange.retries import Retry, retry_for
from emay_voice_async.exchange.transport import Progress, Transport
from emay_voice_async.model.codes import ResultCode
from emay_voice_async.model.endpoints import Endpoint
from emay_voice_async.model.stats import Stats
from emay_voice_async.pacing.protocol import Lease, Pacer
from emay_voice_async.wire.envelope import HttpResponse
from emay_voice_async.wire.forms import signed

__all__ = ["Attempts", "Credentials", "Exchanges"]

logger = logging.getLogger(__name__)

_Result = TypeVar("_Result")

MAX_RETRIES: Final = {Retry.AFTER_PAUSE: 2, Retry.AFTER_SLOT: 8, Retry.ONCE_CORRECTED: 1}
"""How often a request is repeated, by reason."""
MAX_RETRY_TIME: Final = 60.0
"""Seconds after which a request is not repeated any more."""
FIRST_PAUSE: Final = 0.2
"""Seconds before the first repeat for want of a connection, doubled each time, jittered."""
LARGEST_CORRECTION: Final = timedelta(days=36_525)
"""A host without a battery wakes up in 1970; a Date that is further off is not a clock's."""
SMALLEST_CORRECTION: Final = 2.0
"""A Date header tells whole seconds, so that less than this corrects nothing."""

_GATEWAY: Final = frozenset({502, 503, 504})


@frozen
class Credentials:
    """The account: who signs. The secret is in no repr."""

    app_id: str
    secret_key: str = field(repr=False)


@define
class Attempts:
    """How far a call has come, for whoever may want to stop it.

    ``under_way``: a request of it may be at the service just now. ``posted``: one ever may have been.
    ``last``: set it to have nothing repeated any more.
    """

    under_way: bool = False
    posted: bool = False
    last: bool = False
    corrected: bool = False
    repeats: dict[Retry, int] = field(factory=dict)


@frozen
class _Request:
    endpoint: Endpoint
    rest: bytes
    read: Callable[[HttpResponse], Any]
    first: Callable[[HttpResponse], Awaitable[object]] | None
    prepare: Callable[[], Awaitable[object]] | None
    deadline: float | None
    attempts: Attempts


class Exchanges:
    """All requests of one client: waiting, under way, or being read after their caller left.

    ``timeout``: the seconds that a caller waits for an answer; it is read on for as long again.
    """

    def __init__(
        self,
        transport: Transport,
        pacer: Pacer,
        credentials: Credentials,
        *,
        timeout: float,
        clock: Callable[[], float],
    ) -> None:
        self._counts: dict[str, Any] = {
            one.name: one.default for one in fields(Stats) if one.name != "limits"
        }
        self.clock_offset = timedelta()
        self._transport = transport
        self._pacer = pacer
        self._credentials = credentials
        self.timeout = timeout
        self._clock = clock
        self._closed = False
        self._tasks: set[asyncio.Task[Any]] = set()
        self._queued: set[asyncio.Task[Any]] = set()
        self._evicted: set[asyncio.Task[Any]] = set()
        self._closing: asyncio.Task[None] | None = None

    @property
    def app_id(self) -> str:
        """The account."""
        return self._credentials.app_id

    def now(self) -> float:
        """Return the service's time (POSIX seconds), as far as this host knows it."""
        return self._clock() + self.clock_offset.total_seconds()

    @property
    def stats(self) -> Stats:
        """What has been done so far; without the limits, which are the pacer's."""
        return Stats(**self._counts)

    def count(self, name: str, by: float = 1) -> None:
        """Add to one of the figures of the statistics."""
        self._counts[name] += by

    def keep(self, task: asyncio.Task[_Result]) -> asyncio.Task[_Result]:
        """Own ``task`` until it ends: :meth:`aclose` waits for it, and it is never garbage."""
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def call(
        self,
        endpoint: Endpoint,
        rest: bytes,
        read: Callable[[HttpResponse], _Result],
        *,
        first: Callable[[HttpResponse], Awaitable[object]] | None = None,
        prepare: Callable[[], Awaitable[object]] | None = None,
        deadline: float | None = None,
        attempts: Attempts | None = None,
    ) -> _Result:
        """Post a form and return what ``read`` makes of the answer.

        ``deadline`` is an instant of the event loop's clock that bounds waiting, repeats and network
        together. Raises what ``read`` raises, :class:`NotSentError` or :class:`OutcomeUnknownError`.
        ``prepare`` is awaited each time that there is a slot, just before posting; what it raises is raised,
        and nothing was posted then.

        When the caller is cancelled, ``read`` is still called with the answer if the request may
        have left: whatever must not be lost is for ``read`` to put away. ``first`` is awaited before
        it, for what takes time.
        """
        request = _Request(endpoint, rest, read, first, prepare, deadline, attempts or Attempts())
        started: float | None = None
        again = False
        while True:
            lease = await self._slot(request, again=again)
            if prepare is not None:
                await self._prepare(request, lease)
            started = asyncio.get_running_loop().time() if started is None else started
            try:
                result: _Result = await self._attempt(request, lease)
            except EmayVoiceError as error:
                if not await self._may_repeat(request, error, started):
                    raise
                logger.info("%s is sent again: %s", endpoint.path, error)
                again = True
            else:
                return result

    async def pause(self, seconds: float, path: str, deadline: float | None) -> None:
        """Sleep as one who waits for a slot: the deadline and the end of the client make it NotSentError."""
        if self._closed:
            raise NotSentError("the client was closed before it had its turn", path)
        try:
            async with asyncio.timeout_at(deadline):
                await self._waiting(asyncio.sleep(seconds), path)
        except TimeoutError:
            raise NotSentError("the deadline passed before it had its turn", path) from None

    async def aclose(self) -> None:
        """Let nothing new out, wait (bounded) for what is under way, and close the transport.

        A closing that is cancelled goes on in the background: breaking off what is under way could
        lose reports.
        """
        self._closed = True
        if self._closing is None:
            for task in self._queued:
                self._evicted.add(task)
                task.cancel()
            self._closing = asyncio.ensure_future(self._close())
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        while self._tasks:
            await asyncio.wait(self._tasks)
        await self._transport.aclose()

    async def _slot(self, request: _Request, *, again: bool) -> Lease:
        loop = asyncio.get_running_loop()
        path, deadline = request.endpoint.path, request.deadline
        if self._closed:
            # A send may still be reading its input, and a slot may be an hour away.
            raise NotSentError("the client was closed before there was a slot", path)
        started = loop.time()
        try:
            async with asyncio.timeout_at(deadline) as bound:
                acquiring = self._pacer.acquire(request.endpoint.call, again=again)
                lease = await self._waiting(acquiring, path)
        except (NotSentError, asyncio.CancelledError):
            raise
        except Exception as error:
            reason = f"the pacer failed ({type(error).__name__})"
            if bound.expired():
                reason = "the deadline passed before there was a slot"
            raise NotSentError(reason, path) from error
        finally:
            self.count("waited", loop.time() - started)
        self._check_in_time(request, lease, "there was a slot")
        return lease

    def _check_in_time(self, request: _Request, lease: Lease, before: str) -> None:
        """Give the slot back and raise if nothing may be posted any more."""
        over = "the client was closed" if self._closed else None
        if request.deadline is not None and request.deadline <= asyncio.get_running_loop().time():
            over = over or "the deadline passed"
        if over is not None:
            lease.give_back()
            raise NotSentError(f"{over} before {before}", request.endpoint.path)

    async def _waiting(self, awaitable: Awaitable[_Result], path: str) -> _Result:
        """Await what comes before a request; closing the client ends it."""
        task = cast("asyncio.Task[Any]", asyncio.current_task())
        self._queued.add(task)
        try:
            return await awaitable
        except asyncio.CancelledError:
            if task not in self._evicted:
                raise
            self._evicted.discard(task)
            task.uncancel()
            raise NotSentError("the client was closed before there was a slot", path) from None
        finally:
            self._queued.discard(task)

    async def _prepare(self, request: _Request, lease: Lease) -> None:
        """Do what the caller wants done just before posting, with the slot in hand."""
        request.attempts.under_way = True
        try:
            await cast("Callable[[], Awaitable[object]]", request.prepare)()
        except BaseException:
            request.attempts.under_way = False
            lease.give_back()
            raise
        # What was prepared may have taken its time.
        try:
            self._check_in_time(request, lease, "it was posted")
        except NotSentError:
            request.attempts.under_way = False
            raise

    async def _attempt(self, request: _Request, lease: Lease) -> Any:
        loop = asyncio.get_running_loop()
        patience = self._patience(request)
        progress = Progress()
        request.attempts.posted = request.attempts.under_way = True
        task = self.keep(loop.create_task(self._exchange(request, lease, progress)))
        try:
            await asyncio.wait({task}, timeout=patience)
        finally:
            request.attempts.under_way = False
            if not task.done():
                _leave(task, progress)
        if task.done():
            return task.result()
        path = request.endpoint.path
        if progress.written:
            raise OutcomeUnknownError(f"no answer came within {patience:.3g} seconds", path)
        raise NotSentError(f"there was no connection within {patience:.3g} seconds", path)

    async def _exchange(self, request: _Request, lease: Lease, progress: Progress) -> Any:
        """Post once, read the answer, and end the lease at the right moment whatever happens."""
        answer, signed_at = await self._post(request, lease, progress)
        over_speed = False
        try:
            if request.first is not None:
                await request.first(answer)
            return request.read(answer)
        except OverSpeedError:
            over_speed = True
            self.count("over_speed")
            raise
        except AccountError as error:
            if error.code == ResultCode.ERROR_TIMESTAMP:
                request.attempts.corrected = self._correct_clock(answer, signed_at)
            raise
        finally:
            # A gateway's answer is not the service's: behind it the request may still be waiting.
            lease.end(after=self.timeout if answer.status in _GATEWAY else 0.0, over_speed=over_speed)

    async def _post(self, request: _Request, lease: Lease, progress: Progress) -> tuple[HttpResponse, float]:
        """Sign and post; return the answer and the instant of the stamp, or end the lease and raise."""
        endpoint, credentials = request.endpoint, self._credentials
        try:
            at = self.now()
            body = signed(endpoint, credentials.app_id, credentials.secret_key, at, request.rest)
            self.count("requests")
            answer = await self._transport.post(endpoint.path, body, progress, self._patience(request))
        except OutcomeUnknownError:
            # The connection is over, so that the request cannot arrive any more.
            lease.end()
            raise
        except BaseException as error:
            if not progress.written or isinstance(error, NotSentError):
                lease.give_back()
            else:
                # It was us who gave up: the request may still be on its way.
                lease.end(after=self.timeout)
            if isinstance(error, TimeoutError):
                raise OutcomeUnknownError("no answer came at all", endpoint.path) from None
            raise
        return answer, at

    def _patience(self, request: _Request) -> float:
        """Return the seconds that the caller waits for an answer from now on."""
        if request.deadline is None:
            return self.timeout
        return max(0.0, min(self.timeout, request.deadline - asyncio.get_running_loop().time()))

    async def _may_repeat(self, request: _Request, error: EmayVoiceError, started: float) -> bool:
        """Decide by the table of certainty, within the caps, and wait the pause that is due."""
        loop = asyncio.get_running_loop()
        attempts = request.attempts
        repeat = retry_for(error, request.endpoint.call)
        done = attempts.repeats.get(repeat, 0)
        if attempts.last or self._closed or done >= MAX_RETRIES.get(repeat, 0):
            return False
        if repeat is Retry.ONCE_CORRECTED and not attempts.corrected:
            return False
        pause = FIRST_PAUSE * 2**done * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
        if repeat is not Retry.AFTER_PAUSE and self._pacer.limit(request.endpoint.call) is not None:
            # The slot that the repeat has to wait for is pause enough, and keeps its place.
            pause = 0.0
        end = started + MAX_RETRY_TIME
        if loop.time() + pause >= (end if request.deadline is None else min(end, request.deadline)):
            return False
        attempts.repeats[repeat] = done + 1
        if pause:
            await asyncio.sleep(pause)
        return True

    def _correct_clock(self, answer: HttpResponse, signed_at: float) -> bool:
        """Learn the service's clock from the Date header; return whether that changes anything."""
        try:
            told = parsedate_to_datetime(answer.date or "")
        except (ValueError, OverflowError):
            return False
        theirs = told if told.tzinfo is not None else told.replace(tzinfo=UTC)
        offset = theirs - datetime.fromtimestamp(self._clock(), UTC)
        wrong = abs(theirs.timestamp() - signed_at)
        corrected = wrong >= SMALLEST_CORRECTION and abs(offset) <= LARGEST_CORRECTION
        if corrected:
            self.clock_offset = offset
            logger.warning("the clock of this host is off by %s; requests are stamped accordingly", offset)
        return corrected


def _leave(task: asyncio.Task[Any], progress: Progress) -> None:
    """Let a request be read on without its caller, or end it if nothing of it was written."""
    progress.abandoned = True
    if not progress.written:
        task.cancel()
    task.add_done_callback(_log_late_end)


def _log_late_end(task: asyncio.Task[Any]) -> None:
    if task.cancelled():
        return
    error = task.exception()
    logger.info("a request was answered after its caller left: %s", "accepted" if error is None else error)
