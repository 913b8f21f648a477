"""The delivery of a batch: calling hours, claim in the journal, request, and record of the outcome."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Final, cast

from attrs import define

from emay_voice_async.errors import (
    EmayVoiceError,
    JournalError,
    NotSentError,
    OutcomeUnknownError,
    RefusedError,
)
from emay_voice_async.exchange.attempts import CallStep, CallStoppedError
from emay_voice_async.exchange.exchanges import Exchanges
from emay_voice_async.exchange.labels import RequestLabel
from emay_voice_async.exchange.retries import Certainty, certainty_of
from emay_voice_async.journal.protocol import Claim
from emay_voice_async.journal.purpose import Purpose
from emay_voice_async.journal.session import JournalSession, as_journal_error
from emay_voice_async.model.beijing import BEIJING
from emay_voice_async.model.hidden import Hidden
from emay_voice_async.model.messages import Message
from emay_voice_async.model.results import Accepted, Outcome, Refused
from emay_voice_async.model.templates import Template
from emay_voice_async.sending.batches import PreparedBatch
from emay_voice_async.sending.options import Options
from emay_voice_async.sending.proof import AddressProof
from emay_voice_async.sending.state import ENDS, BatchEvent, BatchState, next_state
from emay_voice_async.wire.envelope import HttpResponse
from emay_voice_async.wire.forms import send_form
from emay_voice_async.wire.tickets import read_message_ids

__all__ = ["Batch", "BatchDelivery"]

logger: logging.Logger = logging.getLogger(__name__)

LONGEST_NAP: Final = 30.0
"""Seconds after which a wait for the calling hours reads the clock again: hosts sleep, clocks are set."""
_MARGIN: Final = 5.0

_ERRORS: Final = {
    Certainty.REFUSED: BatchEvent.REFUSED,
    Certainty.NOT_SENT: BatchEvent.NOT_SENT,
    Certainty.UNKNOWN: BatchEvent.UNKNOWN,
}
_GOES_ON: Final = frozenset({BatchState.CLAIMING, BatchState.IN_FLIGHT})
_MAY_BE_POSTED: Final = frozenset({BatchState.IN_FLIGHT, BatchState.LAST})
_IN_PROGRESS: Final = _MAY_BE_POSTED | {BatchState.CLAIMING, BatchState.WITHDRAWN}
_CALLED_OFF: Final = frozenset({BatchState.RECALLED, BatchState.WITHDRAWN})


class _OutOfHoursError(Exception):
    """The calling hours ended while the batch waited for a slot or a claim."""


@define(eq=False)
class Batch:
    """A batch on the way to an outcome: state, claim in the journal, and the outcome after the end."""

    prepared: PreparedBatch
    label: RequestLabel
    state: BatchState = BatchState.NEW
    claim: Claim | None = None
    stop: EmayVoiceError | None = None
    """The reason for calling off the batch."""
    outcome: Outcome | None = None
    abandoned_in_flight: bool = False
    """The task was cancelled from outside while a request may have been at the service."""

    def happened(self, event: BatchEvent) -> None:
        """Go to the next state."""
        self.state = next_state(self.state, event)

    def call_off(self, error: EmayVoiceError) -> None:
        """Prevent the batch from being sent, or sent again."""
        self.happened(BatchEvent.CALLED_OFF)
        self.stop = self.stop or error

    def call_off_running(self, error: EmayVoiceError, task: "asyncio.Task[Outcome]") -> bool:
        """Call off the batch that ``task`` delivers; return whether the task goes on until a response comes."""
        before = self.state
        self.call_off(error)
        if before is BatchState.WAITING:
            task.cancel()
        # At the end of an event loop every task is cancelled, so that none goes on.
        return before in _IN_PROGRESS and not task.cancelling()

    def ended(self, event: BatchEvent, detail: object) -> Outcome:
        """Go to the final state and return the outcome; ``detail``: the message ids or the error."""
        if self.state in _CALLED_OFF and isinstance(detail, NotSentError):
            detail = self.stop
        self.happened(event)
        self.outcome = self.prepared.outcome(ENDS[event], detail)
        return self.outcome


class BatchDelivery:
    """Delivers the batches of one send."""

    def __init__(self, exchanges: Exchanges, message: Message | Template, options: Options) -> None:
        self.journal: JournalSession | None = None
        self.proof: AddressProof = AddressProof()
        self._exchanges = exchanges
        self._message = message
        self._options = options
        self._pausing = False

    async def start(self) -> None:
        """Open the journal; raise :class:`JournalError` if this send cannot use it."""
        options = self._options
        if options.journal is not None:
            purpose = Purpose(self._exchanges.app_id, self._message, options.allow_duplicates)
            self.journal = JournalSession(
                await options.journal.start(purpose),
                allow_duplicates=options.allow_duplicates,
                resend_unknown=options.resend_unknown,
                # A request is given up for good after twice the timeout.
                lasts=2 * self._exchanges.timeout + _MARGIN,
            )

    async def end(self) -> None:
        """Close the journal's run."""
        if self.journal is not None:
            try:
                await self.journal.end()
            except Exception:
                # Every outcome is written by now.
                logger.exception("the journal could not be closed")

    async def deliver(self, batch: Batch) -> tuple[Outcome, JournalError | None]:
        """Return the outcome of a batch, and the error if the journal could not record the outcome."""
        if batch.prepared.known is not None:
            batch.happened(BatchEvent.KNOWN)
            batch.outcome = batch.prepared.known
            return batch.outcome, None
        outcome = await self._send(batch)
        return outcome, await self._write_down(batch, outcome)

    async def _send(self, batch: Batch) -> Outcome:
        path = self._message.endpoint.path
        try:
            batch.happened(BatchEvent.STARTED)
            return batch.ended(BatchEvent.ACCEPTED, await self._post(batch))
        except EmayVoiceError as error:
            return batch.ended(_ERRORS[certainty_of(error)], error)
        except Exception as error:
            # A fault of this package must not hide the outcomes of the other batches.
            logger.exception("a batch failed", extra=batch.label.extra())
            reason = f"{type(error).__name__} in the client"
            if batch.state in _MAY_BE_POSTED:
                return batch.ended(BatchEvent.UNKNOWN, OutcomeUnknownError(reason, path))
            return batch.ended(BatchEvent.NOT_SENT, NotSentError(reason, path))
        except asyncio.CancelledError:
            if batch.state is not BatchState.RECALLED:
                # The event loop is torn down.
                batch.abandoned_in_flight = batch.state in _MAY_BE_POSTED
                batch.happened(BatchEvent.CANCELLED)
                raise
            return batch.ended(BatchEvent.NOT_SENT, NotSentError("it was called off", path))

    async def _post(self, batch: Batch) -> tuple[str, ...]:
        """Post a batch within the calling hours, when the proof of the address allows it."""
        endpoint = self._message.endpoint
        # No local variable for the message, which an error tracker would show.
        form = Hidden(send_form(cast("Message", batch.prepared.message), batch.prepared.calls))
        while batch.state is BatchState.WAITING:
            await self._wait_for_hours()
            try:
                if not self.proof.may_post(batch):
                    turn = self.proof.wait(batch)
                    await self._exchanges.tasks.pause(turn, endpoint.path, self._options.deadline)
                return await self._exchanges.call(
                    endpoint,
                    form.value,
                    lambda response: self._read(batch, response),
                    prepare=self._prepare_for(batch),
                    deadline=self._options.deadline,
                    observe=lambda step: self._observe(batch, step),
                    label=batch.label,
                )
            except _OutOfHoursError:
                batch.happened(BatchEvent.PUT_BACK)
            except CallStoppedError:
                # Called off, or put back to wait for the proof of the address.
                continue
            except Exception as error:
                if batch.state in _MAY_BE_POSTED:
                    self.proof.failed(error)
                raise
            finally:
                self.proof.left(batch)
        raise NotSentError("it was called off", endpoint.path)

    def _observe(self, batch: Batch, step: CallStep) -> bool:
        """Follow a step of the call of a batch; return whether the call goes on."""
        if step is CallStep.RETRY:
            batch.happened(BatchEvent.RETRY)
            self.proof.returned(batch)
            return batch.state is BatchState.WAITING
        if step is CallStep.SLOT:
            batch.happened(BatchEvent.SLOT)
        if batch.state is BatchState.CLAIMING and not self.proof.may_post(batch):
            batch.happened(BatchEvent.PUT_BACK)
        elif step is CallStep.POSTED:
            batch.happened(BatchEvent.POSTED)
            self.proof.posted(batch)
        return batch.state in _GOES_ON

    async def _wait_for_hours(self) -> None:
        clock, hours, path = self._exchanges.clock, self._options.hours, self._message.endpoint.path
        while hours is not None and (pause := hours.wait(clock.now())):
            if not self._pausing:
                self._pausing = True
                begins = datetime.fromtimestamp(clock.now() + pause, BEIJING)
                logger.info("outside of the calling hours %s: going on at %s", hours, begins)
            nap = asyncio.sleep(min(pause, LONGEST_NAP))
            await self._exchanges.tasks.pause(nap, path, self._options.deadline)
        self._pausing = False

    def _prepare_for(self, batch: Batch) -> Callable[[], Awaitable[None]] | None:
        if self.journal is None and self._options.hours is None:
            return None
        return lambda: self._prepare(batch)

    async def _prepare(self, batch: Batch) -> None:
        """Check the calling hours once more, with the slot acquired, and claim the batch."""
        # A retry claims again, so that the claim covers the time of the new request.
        await self._release(batch)
        self._check_hours()
        if self.journal is None:
            return
        batch.claim = await self.journal.begin(batch.prepared.keys, batch.prepared.calls.custom_ids)
        try:
            # The claim may have waited for another writer of the journal.
            self._check_hours()
        except _OutOfHoursError:
            await self._release(batch)
            raise

    def _check_hours(self) -> None:
        if self._options.hours is not None and self._options.hours.wait(self._exchanges.clock.now()):
            raise _OutOfHoursError

    async def _release(self, batch: Batch) -> None:
        """Release the claim of a batch whose request certainly had no effect."""
        if self.journal is not None and batch.claim is not None:
            await self.journal.release(batch.claim)
            batch.claim = None

    def _read(self, batch: Batch, response: HttpResponse) -> tuple[str, ...]:
        """Read the response: the message ids; a late response is written to the journal."""
        try:
            message_ids = read_message_ids(self._message.endpoint, response, batch.prepared.calls)
        except RefusedError as error:
            self.proof.documented()
            self._write_down_late(batch, Refused, error)
            raise
        self.proof.documented()
        self._write_down_late(batch, Accepted, message_ids)
        return message_ids

    def _write_down_late(self, batch: Batch, kind: type[Outcome], detail: object) -> None:
        if batch.state is BatchState.UNKNOWN:
            batch.happened(BatchEvent.LATE)
            if batch.claim is not None:
                outcome = batch.prepared.outcome(kind, detail)
                writing = asyncio.get_running_loop().create_task(self._write_down(batch, outcome))
                self._exchanges.tasks.keep(writing)

    async def _write_down(self, batch: Batch, outcome: Outcome) -> JournalError | None:
        """Close the claim of a batch; return the error if that failed: to the next run the batch is unknown."""
        if self.journal is None or batch.claim is None:
            return None
        try:
            await self.journal.close(batch.claim, outcome)
        except Exception as error:
            logger.exception("the outcome of a batch could not be written down", extra=batch.label.extra())
            return as_journal_error(error)
        return None
