"""Fan-out: any number of recipients to batches, and each batch to an outcome."""

import asyncio
import inspect
import logging
from collections import deque
from collections.abc import AsyncGenerator, Callable
from typing import Any, Final

from emay_voice_async.errors import (
    AccountError,
    BalanceError,
    EmayVoiceError,
    InvalidRequestError,
    JournalError,
    NotSentError,
)
from emay_voice_async.exchange.exchanges import Exchanges
from emay_voice_async.model.endpoints import Product
from emay_voice_async.model.messages import Message
from emay_voice_async.model.results import Accepted, NotSent, Outcome, Refused, Unknown
from emay_voice_async.sending.batches import Reader, Recipients, Source
from emay_voice_async.sending.delivery import Batch, Delivery
from emay_voice_async.sending.options import Options

__all__ = ["Sender"]

logger = logging.getLogger(__name__)

_AHEAD: Final = 16
"""How many times the requests in flight may be kept behind a first one that is slow."""
_NAMES: Final = {Accepted: "accepted", Refused: "refused", Unknown: "unknown", NotSent: "not_sent"}

OnOutcome = Callable[[Outcome], object]


class Sender:
    """Sends messages for one client, up to ``max_concurrency`` requests in flight for each send.

    ``products``: those of which calls have been made, as far as is known.
    """

    def __init__(
        self, exchanges: Exchanges, *, max_concurrency: int, allow_only: frozenset[str] | None
    ) -> None:
        self.products: set[Product] = set()
        self._exchanges = exchanges
        self._max_concurrency = max_concurrency
        self._allow_only = allow_only

    def outcomes(
        self, message: Message, to: Recipients, options: Options, on_outcome: OnOutcome | None = None
    ) -> AsyncGenerator[Outcome, None]:
        """Check a sized list at once, then send while iterated: outcomes come in input order.

        An error of the source itself comes out at the end, after the outcomes of everything that was read
        before it; one of the journal at the beginning, or there as well.
        """
        if inspect.iscoroutinefunction(on_outcome):
            raise InvalidRequestError("on_outcome", "must be a plain function: nobody would await it")
        reader = self.read(message, to, options)
        most = options.max_calls
        if most is not None and options.journal is None and (reader.length or 0) > most:
            raise InvalidRequestError(
                "to", f"must have at most max_calls = {most} numbers", most, reader.length
            )
        run = _Run(self._exchanges, self.products, message, reader, options, on_outcome)
        return run.outcomes(self._max_concurrency)

    def read(self, message: Message, to: Recipients, options: Options, *, tolerant: bool = False) -> Reader:
        """Begin to read the recipients of a message, checking a sized list at once unless ``tolerant``."""
        if not isinstance(message, Message):
            raise InvalidRequestError(
                "message",
                "must be a Notice, Marketing, VerificationCode or VoiceSms",
                None,
                type(message).__name__,
            )
        size = message.endpoint.max_batch
        return Reader(to, size, allow_only=self._allow_only, deadline=options.deadline, tolerant=tolerant)


class _Run:
    """One send: reads the source, keeps requests in flight, stops when it makes no sense to go on."""

    def __init__(
        self,
        exchanges: Exchanges,
        products: set[Product],
        message: Message,
        reader: Reader,
        options: Options,
        on_outcome: OnOutcome | None,
    ) -> None:
        self._exchanges = exchanges
        self._products = products
        self._message = message
        self._reader = reader
        self._options = options
        self._delivery = Delivery(exchanges, message, options)
        self._on_outcome = on_outcome
        self._stopped: EmayVoiceError | None = None
        self._under_way: deque[tuple[Batch, asyncio.Task[Outcome]]] = deque()
        self._unfinished = 0
        # Not a future that both wait for: that takes asyncio.wait, which is five times as dear.
        self._news = asyncio.Event()

    async def outcomes(self, max_concurrency: int) -> AsyncGenerator[Outcome, None]:
        """Yield the outcomes in input order while batches are read and sent."""
        reading = await self._begin(max_concurrency)
        try:
            while not reading.done() or self._under_way:
                while self._under_way and self._under_way[0][1].done():
                    yield self._under_way.popleft()[1].result()
                    self._tell()
                if not reading.done() or self._under_way:
                    await self._change()
            reading.result()
        finally:
            stopped = NotSentError("the send was stopped before this batch had its turn")
            ending: list[asyncio.Future[Any]] = [*self._stop(stopped), reading]
            reading.cancel()
            if self._options.journal is not None:
                # The client owns it, so that what is under way is written down however this is left.
                end = self._exchanges.tasks.keep(
                    asyncio.get_running_loop().create_task(self._wind_up(reading))
                )
                ending += [end] if len(ending) > len(self._under_way) else []
            if pending := [task for task in ending if not task.done()]:
                await asyncio.wait(pending)
            # Whoever left early does not care how the reading would have ended.
            reading.cancelled() or reading.exception()

    async def _begin(self, max_concurrency: int) -> "asyncio.Future[None]":
        """Begin to read on, in a task of its own unless there is nothing to wait for: one batch that was checked.

        For a single number that task would be an eighth of what is ours of a send.
        """
        loop = asyncio.get_running_loop()
        if self._options.journal is None and self._reader.fits_one_piece:
            if (cut := await (await self._open()).read()) is not None:
                self._start(Batch(cut))
            done = loop.create_future()
            done.set_result(None)
            return done
        reading = loop.create_task(self._read_on(max_concurrency))
        reading.add_done_callback(self._tell)
        return reading

    async def _wind_up(self, reading: "asyncio.Future[None]") -> None:
        """Let go of the journal when the last batch has ended."""
        try:
            under_way: list[asyncio.Future[Any]] = [task for _, task in self._under_way]
            await asyncio.wait([reading, *under_way])
        finally:
            await self._delivery.end()

    async def _read_on(self, max_concurrency: int) -> None:
        """Read the source to its end, in one task, starting a batch whenever there is room for it."""
        source = await self._open()
        while True:
            while not self._has_room(max_concurrency):
                await self._change()
            cut = await source.read()
            if cut is None:
                return
            self._start(Batch(cut))
            self._tell()

    async def _open(self) -> Source:
        """Open the journal, if there is one, and the source."""
        await self._delivery.start()
        books, size = self._delivery.books, self._message.endpoint.max_batch
        sorter = None if books is None else books.sorter
        return Source(self._reader, size, sorter, self._options.max_calls)

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
        self._news.set()

    async def _change(self) -> None:
        """Wait for whatever changes from now on."""
        self._news.clear()
        await self._news.wait()

    def _start(self, batch: Batch) -> None:
        if self._stopped is not None:
            batch.call_off(self._stopped)
        self._unfinished += 1
        # The client owns the task, so that it ends in its own time if this run is left.
        task = self._exchanges.tasks.keep(asyncio.get_running_loop().create_task(self._finish(batch)))
        self._under_way.append((batch, task))
        task.add_done_callback(self._finished)

    def _finished(self, _: object) -> None:
        self._unfinished -= 1
        self._tell()

    def _stop(self, error: EmayVoiceError) -> list[asyncio.Task[Any]]:
        """Call off every batch that had no turn; return their tasks, which end at once."""
        self._stopped = error
        return [task for batch, task in self._under_way if not batch.call_off_running(error, task)]

    async def _finish(self, batch: Batch) -> Outcome:
        """Send one batch and hand out its outcome, whoever still waits for it."""
        outcome, failure = await self._delivery.deliver(batch)
        self._take_note(outcome, failure)
        if self._on_outcome is not None:
            try:
                self._on_outcome(outcome)
            except Exception:
                # The calls are made and the other batches are on their way: too late to stop.
                logger.exception("on_outcome failed")
        return outcome

    def _take_note(self, outcome: Outcome, failure: JournalError | None) -> None:
        """Count an outcome, and stop the run if what it says holds for all the others."""
        if isinstance(outcome, Accepted | Unknown):
            self._products.add(self._message.endpoint.product)
            if outcome.recorded:
                return
        self._exchanges.count(_NAMES[type(outcome)], len(outcome.recipients))
        fatal: EmayVoiceError | None = failure
        if isinstance(outcome, Refused | NotSent):
            kinds = (AccountError, BalanceError, JournalError)
            fatal = outcome.error if isinstance(outcome.error, kinds) else failure
        if fatal is not None and self._stopped is None:
            self._stop(NotSentError(f"the send was stopped: {fatal}", getattr(fatal, "path", "")))
