"""Fan-out: any number of recipients to batches, and each batch to an outcome."""

import asyncio
import inspect
import logging
import secrets
from collections import deque
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Collection,
    Iterable,
    Iterator,
)
from typing import Any, Final, cast

from attrs import define, field

from emay_voice_async.certainty import Certainty, certainty_of
from emay_voice_async.endpoints import Product
from emay_voice_async.errors import (
    AccountError,
    BalanceError,
    EmayVoiceError,
    InvalidRequestError,
    NotSentError,
    OutcomeUnknownError,
)
from emay_voice_async.exchange import Attempts, Exchanges
from emay_voice_async.forms import send_form
from emay_voice_async.messages import Marketing, Message, Notice, VerificationCode, VoiceSms
from emay_voice_async.recipients import (
    Recipient,
    check_all,
    check_fresh,
    check_recipient,
    identified,
    recipient,
)
from emay_voice_async.replies import read_tickets
from emay_voice_async.results import Accepted, NotSent, Outcome, Refused, Unknown

__all__ = ["Recipients", "Sender"]

logger = logging.getLogger(__name__)

Recipients = str | Recipient | Iterable[str | Recipient] | AsyncIterable[str | Recipient]
"""Whom a send goes to: one, a list, or a stream of any length."""

_TOKEN_BYTES: Final = 10
_AHEAD: Final = 16
"""How many times the requests in flight may be kept behind a first one that is slow."""
_END: Final = object()


@define(eq=False)
class _Batch:
    """A batch on its way to its outcome."""

    index: int
    recipients: tuple[Recipient, ...]
    error: EmayVoiceError | None = None
    """Set when it must not be sent: the number is bad, or the run was stopped."""
    waits: bool = False
    """Whether its task is waiting for its turn, or under way."""
    attempts: Attempts = field(factory=Attempts)

    def call_off(self, error: EmayVoiceError, task: "asyncio.Task[Outcome]") -> bool:
        """Keep it from being sent, or sent again; return whether it is under way and goes on."""
        self.error = error
        self.attempts.last = True
        if self.waits and not self.attempts.under_way:
            task.cancel()
        return self.attempts.under_way


class Sender:
    """Sends messages for one client, up to ``max_concurrency`` requests in flight for each send.

    ``products``: those of which calls have been made, as far as is known.
    """

    def __init__(self, exchanges: Exchanges, *, max_concurrency: int) -> None:
        self.products: set[Product] = set()
        self._exchanges = exchanges
        self._max_concurrency = max_concurrency

    def outcomes(
        self,
        message: Message,
        to: Recipients,
        *,
        deadline: float | None = None,
        on_outcome: Callable[[Outcome], object] | None = None,
    ) -> AsyncGenerator[Outcome, None]:
        """Check a sized list at once, then send while iterated: outcomes come in input order.

        ``deadline`` is an instant of the event loop's clock. An error of the source itself comes out
        at the end, after the outcomes of everything that was read before it.
        """
        if not isinstance(message, Notice | Marketing | VerificationCode | VoiceSms):
            raise InvalidRequestError(
                "message",
                "must be a Notice, Marketing, VerificationCode or VoiceSms",
                None,
                type(message).__name__,
            )
        if inspect.iscoroutinefunction(on_outcome):
            raise InvalidRequestError("on_outcome", "must be a plain function: nobody would await it")
        source = _Source(to, message.endpoint.max_batch)
        run = _Run(self._exchanges, self.products, message, source, deadline, on_outcome)
        return run.outcomes(self._max_concurrency)


class _Run:
    """One send: reads the source, keeps requests in flight, stops when it makes no sense to go on."""

    def __init__(
        self,
        exchanges: Exchanges,
        products: set[Product],
        message: Message,
        source: "_Source",
        deadline: float | None,
        on_outcome: Callable[[Outcome], object] | None,
    ) -> None:
        self._exchanges = exchanges
        self._products = products
        self._message = message
        self._source = source
        self._deadline = deadline
        self._on_outcome = on_outcome
        self._stopped: EmayVoiceError | None = None
        self._under_way: deque[tuple[_Batch, asyncio.Task[Outcome]]] = deque()
        self._unfinished = 0
        self._news: asyncio.Future[None] | None = None

    async def outcomes(self, max_concurrency: int) -> AsyncGenerator[Outcome, None]:
        """Yield the outcomes in input order while batches are read and sent."""
        reading = asyncio.get_running_loop().create_task(self._read_on(max_concurrency))
        reading.add_done_callback(self._tell)
        try:
            while not reading.done() or self._under_way:
                while self._under_way and self._under_way[0][1].done():
                    yield self._under_way.popleft()[1].result()
                    self._tell()
                if not reading.done() or self._under_way:
                    await self._change()
            reading.result()
        finally:
            ending = self._stop(NotSentError("the send was stopped before this batch had its turn"))
            reading.cancel()
            await asyncio.wait([reading, *ending])
            # Whoever left early does not care how the reading would have ended.
            reading.cancelled() or reading.exception()

    async def _read_on(self, max_concurrency: int) -> None:
        """Read the source to its end, in one task, starting a batch whenever there is room for it."""
        while True:
            while not self._has_room(max_concurrency):
                await self._change()
            batch = await self._next()
            if batch is None:
                return
            self._start(batch)
            self._tell()

    async def _next(self) -> _Batch | None:
        """Read a batch; a stream that keeps silent is waited for until the deadline at most."""
        if not self._source.may_wait:
            return await self._source.read()
        try:
            async with asyncio.timeout_at(self._deadline) as bound:
                return await self._source.read()
        except TimeoutError:
            if not bound.expired():
                raise
            raise NotSentError("the deadline passed before all recipients were read") from None

    def _has_room(self, max_concurrency: int) -> bool:
        """Tell whether to read on: so many in flight, and no further ahead than those.

        Only while the first batch keeps the finished ones behind it waiting, more may come: one slow
        answer must not hold up all the others.
        """
        if not self._under_way:
            return True
        stuck = not self._under_way[0][1].done()
        most = _AHEAD * max_concurrency if stuck else max_concurrency
        return self._unfinished < max_concurrency and len(self._under_way) < most

    def _tell(self, _: object = None) -> None:
        """Wake the reading and the yielding: something has changed."""
        if self._news is not None and not self._news.done():
            self._news.set_result(None)

    async def _change(self) -> None:
        if self._news is None or self._news.done():
            self._news = asyncio.get_running_loop().create_future()
        await asyncio.wait({self._news})

    def _start(self, batch: _Batch) -> None:
        batch.error = batch.error or self._stopped
        self._unfinished += 1
        # The client owns the task, so that it ends in its own time if this run is left.
        task = self._exchanges.keep(asyncio.get_running_loop().create_task(self._finish(batch)))
        self._under_way.append((batch, task))
        task.add_done_callback(self._finished)

    def _finished(self, _: object) -> None:
        self._unfinished -= 1
        self._tell()

    def _stop(self, error: EmayVoiceError) -> list[asyncio.Task[Any]]:
        """Call off every batch that had no turn; return their tasks, which end at once."""
        self._stopped = error
        return [task for batch, task in self._under_way if not batch.call_off(error, task)]

    async def _finish(self, batch: _Batch) -> Outcome:
        """Send one batch and hand out its outcome, whoever still waits for it."""
        batch.waits = True
        outcome = await self._send(batch)
        batch.waits = False
        name = {Accepted: "accepted", Refused: "refused", Unknown: "unknown", NotSent: "not_sent"}[
            type(outcome)
        ]
        self._exchanges.count(**{name: len(outcome.recipients)})
        if isinstance(outcome, Accepted | Unknown):
            self._products.add(self._message.endpoint.product)
        if isinstance(outcome, Refused) and isinstance(outcome.error, AccountError | BalanceError):
            self._stop(NotSentError(f"the send was stopped: {outcome.error}", outcome.error.path))
        if self._on_outcome is not None:
            try:
                self._on_outcome(outcome)
            except Exception:
                # The calls are made and the other batches are on their way: too late to stop.
                logger.exception("on_outcome failed")
        return outcome

    async def _send(self, batch: _Batch) -> Outcome:
        index, recipients = batch.index, batch.recipients
        if batch.error is not None:
            return NotSent(index, recipients, batch.error)
        endpoint = self._message.endpoint
        try:
            tickets = await self._exchanges.call(
                endpoint,
                send_form(self._message, recipients),
                lambda answer: read_tickets(endpoint, answer, recipients),
                deadline=self._deadline,
                attempts=batch.attempts,
            )
        except EmayVoiceError as error:
            return _OUTCOMES[certainty_of(error)](index, recipients, error)
        except Exception as error:
            # Nobody thought of it, and one batch must not hide what became of the others.
            logger.exception("a batch failed")
            reason = f"{type(error).__name__} in the client"
            if batch.attempts.posted:
                return Unknown(index, recipients, OutcomeUnknownError(reason, endpoint.path))
            return NotSent(index, recipients, NotSentError(reason, endpoint.path))
        except asyncio.CancelledError:
            if batch.error is None:
                raise
            return NotSent(index, recipients, batch.error)
        return Accepted(index, recipients, tickets)


_OUTCOMES: Final[dict[Certainty, Callable[[int, tuple[Recipient, ...], Any], Outcome]]] = {
    Certainty.REFUSED: Refused,
    Certainty.NOT_SENT: NotSent,
    Certainty.UNKNOWN: Unknown,
}


class _Source:
    """The recipients, checked and cut into batches: a sized list at once, a stream as it is read."""

    def __init__(self, to: Recipients, size: int) -> None:
        self._size = size
        self._checked = False
        self._iterator: Iterator[object] | None = None
        self._stream: AsyncIterator[object] | None = None
        if isinstance(to, str | Recipient):
            to = (to,)
        if isinstance(to, Collection) and not isinstance(to, bytes | bytearray):
            # A copy, so that what was checked is what is sent, whatever happens to the list.
            to = tuple(to)
            check_all(to)
            self._checked = True
        if isinstance(to, AsyncIterable):
            self._stream = aiter(to)
        elif isinstance(to, Iterable) and not isinstance(to, bytes | bytearray):
            self._iterator = iter(to)
        else:
            raise InvalidRequestError(
                "to", "must be a number, a Recipient, or an iterable of those", None, type(to).__name__
            )
        self.may_wait = self._stream is not None
        self._failure: Exception | None = None
        self._gathered: list[Recipient] = []
        self._seen: dict[str, int] = {}
        self._position = 0
        self._index = 0

    async def read(self) -> _Batch | None:
        """Return the next full batch, or a bad recipient by itself, or None at the end.

        An error of the source itself is raised after a batch of what was read before it.
        """
        if self._failure is not None:
            raise self._failure
        try:
            return await self._gather()
        except Exception as error:
            if not self._gathered:
                raise
            self._failure = error
            return self._full()

    async def _gather(self) -> _Batch | None:
        while (item := await self._next()) is not _END:
            one = recipient(item)
            position = self._position
            self._position += 1
            if not self._checked:
                try:
                    check_recipient(one, position)
                    check_fresh(one, position, self._seen)
                except InvalidRequestError as error:
                    return self._batch((one,), error)
            self._gathered.append(one)
            if len(self._gathered) == self._size:
                return self._full()
        return self._full() if self._gathered else None

    async def _next(self) -> object:
        if self._iterator is not None:
            return next(self._iterator, _END)
        return await anext(cast("AsyncIterator[object]", self._stream), _END)

    def _full(self) -> _Batch:
        recipients = identified(self._gathered, secrets.token_hex(_TOKEN_BYTES))
        self._gathered = []
        # Ids of a stream are compared within a batch: more would take memory without bound.
        self._seen = {}
        return self._batch(recipients, None)

    def _batch(self, recipients: tuple[Recipient, ...], error: InvalidRequestError | None) -> _Batch:
        batch = _Batch(self._index, recipients, error)
        self._index += 1
        return batch
