"""One batch to its outcome: its hours, its claim in the journal, its request, and what is written down."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Final, cast

from attrs import define, field, frozen

from emay_voice_async.errors import (
    EmayVoiceError,
    JournalError,
    NotSentError,
    OutcomeUnknownError,
    RefusedError,
)
from emay_voice_async.exchange.exchanges import Attempts, Exchanges
from emay_voice_async.exchange.retries import Certainty, certainty_of
from emay_voice_async.journal.protocol import Claim, Journal, Purpose
from emay_voice_async.journal.session import Books, as_journal_error
from emay_voice_async.model.beijing import BEIJING
from emay_voice_async.model.messages import Message
from emay_voice_async.model.results import Accepted, NotSent, Outcome, Refused, Ticket, Unknown
from emay_voice_async.sending.batches import Cut
from emay_voice_async.sending.hours import CallingHours
from emay_voice_async.wire.envelope import HttpResponse
from emay_voice_async.wire.forms import send_form
from emay_voice_async.wire.tickets import read_tickets

__all__ = ["Batch", "Delivery", "Options"]

logger = logging.getLogger(__name__)

LONGEST_NAP: Final = 30.0
"""Seconds after which one who waits for the calling hours looks at the clock again: hosts sleep, clocks are set."""
_MARGIN: Final = 5.0

_OUTCOMES: Final[dict[Certainty, Callable[..., Outcome]]] = {
    Certainty.REFUSED: Refused,
    Certainty.NOT_SENT: NotSent,
    Certainty.UNKNOWN: Unknown,
}


class _CalledOffError(Exception):
    """The run was stopped while the batch was being claimed."""


class _OutOfHoursError(Exception):
    """The calling hours ended while the batch waited for its slot."""


@frozen
class Options:
    """How one send is held back, and what it writes down; see ``AsyncEmayVoice.send_batches``.

    ``deadline`` is an instant of the event loop's clock.
    """

    deadline: float | None = None
    journal: Journal | None = None
    resend_unknown: bool = False
    allow_duplicates: bool = False
    max_calls: int | None = None
    hours: CallingHours | None = None


@define(eq=False)
class Batch:
    """A batch on its way to its outcome."""

    cut: Cut
    error: EmayVoiceError | None = None
    """Set when it is called off."""
    waits: bool = False
    """Whether its task is waiting for its turn, or under way."""
    recalled: bool = False
    """Whether its task was cancelled by that, while it waited: nothing of it is under way."""
    given_up: bool = False
    """Whether its outcome is unknown, so that a late answer is still worth writing down."""
    claim: Claim | None = None
    attempts: Attempts = field(factory=Attempts)

    def call_off(self, error: EmayVoiceError, task: "asyncio.Task[Outcome]") -> bool:
        """Keep it from being sent, or sent again; return whether it is under way and goes on."""
        self.error = error
        self.attempts.last = True
        if self.waits and not self.attempts.under_way:
            self.recalled = True
            task.cancel()
        # When the loop is torn down, nothing goes on.
        return self.attempts.under_way and not task.cancelling()


class Delivery:
    """What the batches of one send have in common."""

    def __init__(self, exchanges: Exchanges, message: Message, options: Options) -> None:
        self.books: Books | None = None
        self._exchanges = exchanges
        self._message = message
        self._options = options
        self._resting = False

    async def start(self) -> None:
        """Open the journal, if there is one; raise :class:`JournalError` if it cannot be used for this send."""
        options = self._options
        if options.journal is not None:
            purpose = Purpose(self._exchanges.app_id, self._message, options.allow_duplicates)
            self.books = Books(
                await options.journal.start(purpose),
                allow_duplicates=options.allow_duplicates,
                resend_unknown=options.resend_unknown,
                # A request is given up for good after twice the timeout.
                lasts=2 * self._exchanges.timeout + _MARGIN,
            )

    async def end(self) -> None:
        """Let go of the journal."""
        if self.books is not None:
            try:
                await self.books.end()
            except Exception:
                # All that matters is written.
                logger.exception("the journal could not be closed")

    async def deliver(self, batch: Batch) -> tuple[Outcome, JournalError | None]:
        """Bring one batch to its outcome; return that, and why it could not be written down, if so."""
        if batch.cut.known is not None:
            return batch.cut.known, None
        batch.waits = True
        outcome = await self._send(batch)
        batch.waits = False
        batch.given_up = isinstance(outcome, Unknown)
        return outcome, await self._write_down(batch, outcome)

    async def _send(self, batch: Batch) -> Outcome:
        index, recipients = batch.cut.index, batch.cut.recipients
        path = self._message.endpoint.path
        try:
            if batch.error is None:
                return Accepted(index, recipients, await self._post(batch))
        except EmayVoiceError as error:
            return _OUTCOMES[certainty_of(error)](index, recipients, error)
        except _CalledOffError:
            pass
        except Exception as error:
            # Nobody thought of it, and one batch must not hide what became of the others.
            logger.exception("a batch failed")
            reason = f"{type(error).__name__} in the client"
            if batch.attempts.posted:
                return Unknown(index, recipients, OutcomeUnknownError(reason, path))
            return NotSent(index, recipients, NotSentError(reason, path))
        except asyncio.CancelledError:
            # If it was not called off, the loop is torn down around it, and it may be under way.
            if not batch.recalled:
                raise
        return NotSent(index, recipients, cast("EmayVoiceError", batch.error))

    async def _post(self, batch: Batch) -> tuple[Ticket, ...]:
        """Post one batch within the calling hours."""
        form = send_form(self._message, batch.cut.recipients)
        while True:
            await self._rest()
            try:
                return await self._exchanges.call(
                    self._message.endpoint,
                    form,
                    lambda answer: self._read(batch, answer),
                    prepare=self._prepare_for(batch),
                    deadline=self._options.deadline,
                    attempts=batch.attempts,
                )
            except _OutOfHoursError:
                continue

    async def _rest(self) -> None:
        """Wait for the calling hours to begin."""
        hours, path = self._options.hours, self._message.endpoint.path
        while hours is not None and (pause := hours.wait(self._exchanges.now())):
            if not self._resting:
                self._resting = True
                begins = datetime.fromtimestamp(self._exchanges.now() + pause, BEIJING)
                logger.info("outside of the calling hours %s: going on at %s", hours, begins)
            await self._exchanges.pause(min(pause, LONGEST_NAP), path, self._options.deadline)
        self._resting = False

    def _prepare_for(self, batch: Batch) -> Callable[[], Awaitable[None]] | None:
        if self.books is None and self._options.hours is None:
            return None
        return lambda: self._prepare(batch)

    async def _prepare(self, batch: Batch) -> None:
        """With the slot in hand, look at the clock once more, and claim the batch: only then may it leave."""
        # If it is posted again, certainly nobody was called; how long a claim lasts begins anew.
        await self._release(batch)
        self._check_hours()
        if self.books is None:
            return
        batch.claim = await self.books.begin(batch.cut.keys, batch.cut.recipients)
        if batch.error is not None:
            raise _CalledOffError
        try:
            # A claim may have waited for somebody else's writing.
            self._check_hours()
        except _OutOfHoursError:
            await self._release(batch)
            raise

    def _check_hours(self) -> None:
        if self._options.hours is not None and self._options.hours.wait(self._exchanges.now()):
            raise _OutOfHoursError

    async def _release(self, batch: Batch) -> None:
        """Let go of the claim of a batch of which certainly nothing was acted on, if it has one."""
        if self.books is not None and batch.claim is not None:
            await self.books.release(batch.claim)
            batch.claim = None

    def _read(self, batch: Batch, answer: HttpResponse) -> tuple[Ticket, ...]:
        """Read the answer, also one that comes when the batch was given up: the journal still wants it."""
        cut = batch.cut
        try:
            tickets = read_tickets(self._message.endpoint, answer, cut.recipients)
        except RefusedError as error:
            self._write_down_late(batch, Refused(cut.index, cut.recipients, error))
            raise
        self._write_down_late(batch, Accepted(cut.index, cut.recipients, tickets))
        return tickets

    def _write_down_late(self, batch: Batch, outcome: Outcome) -> None:
        if batch.given_up and batch.claim is not None:
            writing = asyncio.get_running_loop().create_task(self._write_down(batch, outcome))
            self._exchanges.keep(writing)

    async def _write_down(self, batch: Batch, outcome: Outcome) -> JournalError | None:
        """Close the claim of a batch; return why that failed, should it: its calls are unknown to the next run."""
        if self.books is None or batch.claim is None:
            return None
        try:
            await self.books.close(batch.claim, outcome)
        except Exception as error:
            logger.exception("what became of a batch could not be written down")
            return as_journal_error(error)
        return None
