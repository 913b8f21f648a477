"""A run of a send: batches are read, sent and handed out, until the input ends or the run is stopped."""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator, Callable
from typing import TYPE_CHECKING, Any, Final

from emay_voice_async.errors import AccountError, BalanceError, EmayVoiceError, JournalError, NotSentError
from emay_voice_async.exchange.exchanges import Exchanges
from emay_voice_async.exchange.labels import RequestLabel
from emay_voice_async.exchange.tasks import retrieve
from emay_voice_async.model.endpoints import Product
from emay_voice_async.model.messages import Message
from emay_voice_async.model.results import Accepted, NotSent, Outcome, Refused, Unknown
from emay_voice_async.model.templates import Template
from emay_voice_async.sending.batches import Batcher, PreparedBatch
from emay_voice_async.sending.delivery import Batch, BatchDelivery
from emay_voice_async.sending.duplicates import SeenNumbers
from emay_voice_async.sending.gathering import gatherer
from emay_voice_async.sending.options import Options
from emay_voice_async.sending.reading import RecipientReader

if TYPE_CHECKING:
    from emay_voice_async.sending.reporting import SendReporter

__all__ = ["OnOutcome", "SendRun"]

logger: logging.Logger = logging.getLogger(__name__)

_AHEAD: Final = 16
"""Outcomes that may wait behind a slow first batch: at most this many times ``max_concurrency``."""
_FIGURES: Final = {Accepted: "accepted", Refused: "refused", Unknown: "unknown", NotSent: "not_sent"}
_FATAL: Final = (AccountError, BalanceError, JournalError)

OnOutcome = Callable[[Outcome], object]


class SendRun:
    """Reads the input, keeps requests in flight, and stops when the remaining batches would fail alike."""

    def __init__(
        self,
        exchanges: Exchanges,
        products: set[Product],
        message: Message | Template,
        reader: RecipientReader,
        options: Options,
        on_outcome: OnOutcome | None,
    ) -> None:
        self._exchanges = exchanges
        self._products = products
        self._message = message
        self._reader = reader
        self._options = options
        self._delivery = BatchDelivery(exchanges, message, options)
        self._on_outcome = on_outcome
        self._send_id = exchanges.ids.new()
        self._reporter: SendReporter | None = None
        self._stopped: EmayVoiceError | None = None
        self._batches: deque[tuple[Batch, asyncio.Task[Outcome]]] = deque()
        self._running: set[Batch] = set()
        self._seen: SeenNumbers | None = None
        # An Event, because two tasks wait; with a future both would need asyncio.wait (benchmark: codes).
        self._changed = asyncio.Event()

    async def outcomes(self, max_concurrency: int) -> AsyncGenerator[Outcome, None]:
        """Yield the outcomes in the order of ``index`` while batches are read and sent.

        The batches of one message are in input order. An outcome without a request can come before the batch that is
        being gathered.
        """
        if self._exchanges.event_handlers.active:
            self._reporter = self._start_reporting()
        try:
            reading = await self._begin(max_concurrency)
            try:
                while not reading.done() or self._batches:
                    while self._batches and self._batches[0][1].done():
                        yield self._batches.popleft()[1].result()
                        self._notify()
                    if not reading.done() or self._batches:
                        await self._next_change()
                reading.result()
            finally:
                await self._leave(reading)
        except Exception as error:
            if self._reporter is not None:
                self._reporter.failed(error)
            raise
        finally:
            if self._reporter is not None:
                self._reporter.left()

    def _start_reporting(self) -> "SendReporter":
        from emay_voice_async.sending.reporting import SendReporter  # noqa: PLC0415 - imported when needed

        handlers = self._exchanges.event_handlers
        return SendReporter(handlers, self._send_id, self._message.endpoint, self._reader.length)

    async def _leave(self, reading: "asyncio.Future[None]") -> None:
        """Call off the batches that are not in flight, and wait for everything that ends at once."""
        stopped = NotSentError("the send was stopped before this batch had its turn")
        ending: list[asyncio.Future[Any]] = [*self._stop(stopped), reading]
        reading.cancel()
        if self._seen is not None:
            self._seen.close()
        if self._options.journal is not None:
            # The client owns the task, so that the batches in flight are recorded even if the caller of the generator
            # is cancelled.
            end = self._exchanges.tasks.keep(asyncio.get_running_loop().create_task(self._wind_up(reading)))
            ending += [end] if len(ending) > len(self._batches) else []
        if pending := [task for task in ending if not task.done()]:
            await asyncio.wait(pending)
        retrieve(reading)

    async def _begin(self, max_concurrency: int) -> "asyncio.Future[None]":
        """Begin to read the input; a single checked batch needs no reading task (benchmark: codes)."""
        loop = asyncio.get_running_loop()
        if self._options.journal is None and self._is_one_batch:
            batcher = await self._open()
            while (prepared := await batcher.read()) is not None:
                self._start(prepared)
            done = loop.create_future()
            done.set_result(None)
            return done
        reading = loop.create_task(self._read_on(max_concurrency))
        reading.add_done_callback(self._notify)
        return reading

    async def _wind_up(self, reading: "asyncio.Future[None]") -> None:
        """Close the journal's run when the last batch has ended."""
        try:
            batches: list[asyncio.Future[Any]] = [task for _, task in self._batches]
            await asyncio.wait([reading, *batches])
        finally:
            await self._delivery.end()

    async def _read_on(self, max_concurrency: int) -> None:
        """Read the input to the end, in a single task, starting batches while there is room."""
        batcher = await self._open()
        while True:
            while not self._has_room(max_concurrency):
                await self._next_change()
            await self._exchanges.turns.step()
            prepared = await batcher.read()
            if prepared is None:
                return
            self._start(prepared)
            self._notify()

    async def _open(self) -> Batcher:
        """Open the journal and the input."""
        await self._delivery.start()
        session, size = self._delivery.journal, self._message.endpoint.max_batch
        sorter = None if session is None else session.sorter
        if session is None and not self._options.allow_duplicates:
            self._seen = SeenNumbers(remember=not self._reader.fits_one_piece)
        gathering = gatherer(self._message, size, self._options.max_calls)
        return Batcher(self._reader, gathering, sorter, self._seen)

    @property
    def _is_one_batch(self) -> bool:
        """Whether the input is a checked list for a single request."""
        is_one_text = not isinstance(self._message, Template) or self._reader.length == 1
        return self._reader.fits_one_piece and is_one_text

    def _has_room(self, max_concurrency: int) -> bool:
        """Return whether another batch may be read: as many as may be in flight, and no further ahead.

        More may be read only while the first batch keeps finished batches waiting: a slow response
        must not hold up the other batches.
        """
        if not self._batches:
            return True
        stuck = not self._batches[0][1].done()
        most = _AHEAD * max_concurrency if stuck else max_concurrency
        return len(self._running) < max_concurrency and len(self._batches) < most

    def _notify(self, _: object = None) -> None:
        self._changed.set()

    async def _next_change(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    def _start(self, prepared: PreparedBatch) -> None:
        send_id = self._send_id
        label = RequestLabel(f"{send_id}.{prepared.index}", send_id, len(prepared))
        batch = Batch(prepared, label)
        if self._stopped is not None:
            batch.call_off(self._stopped)
        # Before the task: an eager task may end at once.
        self._running.add(batch)
        if self._reporter is not None:
            self._reporter.batch_started(batch)
        # The client owns the task, which goes on if the caller leaves this run.
        task = self._exchanges.tasks.keep(asyncio.get_running_loop().create_task(self._finish(batch)))
        self._batches.append((batch, task))
        # For a task that was cancelled before the first step.
        task.add_done_callback(lambda _: self._ended(batch))

    def _ended(self, batch: Batch) -> None:
        """Take note of the end of a batch, once."""
        if batch in self._running:
            self._running.discard(batch)
            if self._reporter is not None:
                self._reporter.batch_ended(batch)
            self._notify()

    def _stop(self, error: EmayVoiceError) -> list[asyncio.Task[Any]]:
        """Call off every batch that is not in flight; return their tasks, which end at once."""
        self._stopped = error
        return [task for batch, task in self._batches if not batch.call_off_running(error, task)]

    async def _finish(self, batch: Batch) -> Outcome:
        """Send a batch, count the outcome, and call ``on_outcome``."""
        try:
            outcome, failure = await self._delivery.deliver(batch)
            self._take_note(outcome, failure, len(batch.prepared))
            if self._on_outcome is not None:
                try:
                    self._on_outcome(outcome)
                except (Exception, asyncio.CancelledError):
                    # The calls are made and the other batches are on their way: too late to stop. A CancelledError
                    # comes from another task, by result() of a cancelled task for example: no await is here.
                    logger.exception("on_outcome failed", extra=batch.label.extra())
            return outcome
        finally:
            # Not by a callback of the task, which would come a turn of the event loop later (benchmark: latency).
            self._ended(batch)

    def _take_note(self, outcome: Outcome, failure: JournalError | None, numbers: int) -> None:
        """Count an outcome, and stop the run if all other batches would have the same error."""
        if isinstance(outcome, Accepted | Unknown):
            self._products.add(self._message.endpoint.product)
            if outcome.recorded:
                return
        self._exchanges.count(_FIGURES[type(outcome)], numbers)
        fatal: EmayVoiceError | None = failure
        if isinstance(outcome, Refused | NotSent) and isinstance(outcome.error, _FATAL):
            fatal = outcome.error
        reason = self._delivery.proof.stop_reason if fatal is None else str(fatal)
        if reason is not None and self._stopped is None:
            self._stop(NotSentError(f"the send was stopped: {reason}", self._message.endpoint.path))
