"""What one send looks up in its journal, and what it writes there."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from typing import Final

from attrs import define, field

from emay_voice_async.errors import DuplicateError, JournalError, OutcomeUnknownError, RefusedError
from emay_voice_async.journal.occurrences import Seen
from emay_voice_async.journal.protocol import Claim, JournalRun, Key, Standing, State
from emay_voice_async.model.recipients import Recipient
from emay_voice_async.model.results import Accepted, NotSent, Outcome, Refused, Ticket, Unknown

__all__ = ["Books", "Known", "Sorter", "as_journal_error"]

_LEFT: Final = "an earlier run left it open: look at its reports"
_UNDER_WAY: Final = "another run of this journal may be sending it at this moment"
_TAKEN: Final = "another run of this journal was quicker with some of these numbers; run again for the others"
_DUPLICATE: Final = "must not be a duplicate: each number is called once"
_STATES: Final = {Refused: State.REFUSED, Unknown: State.UNKNOWN, NotSent: State.NOT_SENT}

Look = Callable[[Sequence[Key]], Awaitable[Sequence[Standing | None]]]

Known = Callable[[int], Outcome]
"""Makes the outcome of recipients that are not sent now, given its index."""


@define
class Sorted:
    """A piece of the input: whom to call, by what the journal knows them, and the outcomes of the others.

    ``accepted``, ``unknown`` and ``repeated`` count the others.
    """

    recipients: list[Recipient] = field(factory=list)
    keys: list[Key] = field(factory=list)
    known: list[Known] = field(factory=list)
    accepted: int = 0
    unknown: int = 0
    duplicates: int = 0


class Sorter:
    """Tells apart whom to call and whom not, by a journal's ``look`` and by what came before in the input."""

    def __init__(self, look: Look, *, allow_duplicates: bool, resend_unknown: bool) -> None:
        self._look = look
        self._seen = Seen()
        self._allow_duplicates = allow_duplicates
        self._resend_unknown = resend_unknown

    def close(self) -> None:
        """Forget the input."""
        self._seen.close()

    async def sort(self, recipients: Sequence[Recipient], positions: Sequence[int]) -> Sorted:
        """Tell those who are to be called from those of whom the journal, or the input before, says otherwise."""
        pairs = [(one.mobile, one.custom_id or "" if self._allow_duplicates else "") for one in recipients]
        times = await asyncio.to_thread(self._seen.count, pairs)
        found = Sorted()
        places = list(range(len(recipients)))
        if not self._allow_duplicates and any(times):
            places = [place for place in places if not times[place]]
            _set_aside([place for place, count in enumerate(times) if count], recipients, positions, found)
        keys = [Key(*pairs[place], times[place]) for place in places]
        standings = await self._look(keys)
        self._split([recipients[place] for place in places], keys, standings, found)
        return found

    def _split(
        self,
        recipients: Iterable[Recipient],
        keys: Iterable[Key],
        standings: Iterable[Standing | None],
        found: Sorted,
    ) -> None:
        tickets: list[Ticket] = []
        open_: dict[State, list[Recipient]] = {}
        for one, key, standing in zip(recipients, keys, standings, strict=True):
            if standing is None:
                found.recipients.append(one)
                found.keys.append(key)
            elif standing.state is State.ACCEPTED:
                tickets.append(Ticket(one.mobile, standing.message_id, standing.custom_id))
            elif standing.state.is_free or (self._resend_unknown and standing.state is State.UNKNOWN):
                # Under the id that it had, so that a report finds it whichever of its requests it is of.
                found.recipients.append(Recipient(one.mobile, one.custom_id or standing.custom_id or None))
                found.keys.append(key)
            else:
                open_.setdefault(standing.state, []).append(Recipient(one.mobile, standing.custom_id))
        found.accepted, found.unknown = len(tickets), sum(map(len, open_.values()))
        if tickets:
            found.known.append(_accepted(tuple(tickets)))
        found.known += [_unknown(state, tuple(those)) for state, those in open_.items()]


class Books:
    """The dealings of one send with its journal.

    ``lasts``: no request is under way for longer than so many seconds.
    """

    def __init__(
        self, run: JournalRun, *, allow_duplicates: bool, resend_unknown: bool, lasts: float
    ) -> None:
        self.sorter = Sorter(run.look, allow_duplicates=allow_duplicates, resend_unknown=resend_unknown)
        self._run = run
        self._resend_unknown = resend_unknown
        self._lasts = lasts

    async def end(self) -> None:
        """Let go of the journal; an answer that comes later can be written all the same."""
        self.sorter.close()
        await self._run.end()

    async def begin(self, keys: Sequence[Key], recipients: Sequence[Recipient]) -> Claim:
        """Claim a batch; only then may its request leave.

        Raises :class:`JournalError`, or :class:`OutcomeUnknownError` when another run has claimed one of its
        numbers in the meantime: nothing of it leaves.
        """
        custom_ids = tuple(one.custom_id or "" for one in recipients)
        claim = Claim(secrets.token_hex(16), tuple(keys), custom_ids, self._lasts, self._resend_unknown)
        try:
            begun = await self._run.begin(claim)
        except asyncio.CancelledError:
            # Whether it was claimed or not: it is not posted any more.
            with suppress(JournalError):
                await self.release(claim)
            raise
        except Exception as error:
            raise as_journal_error(error) from error
        if not begun:
            raise OutcomeUnknownError(_TAKEN)
        return claim

    async def release(self, claim: Claim) -> None:
        """Take a claim back of which certainly nothing was acted on."""
        await self._run.close(claim, State.NOT_SENT, reason="nothing of it was acted on")

    async def close(self, claim: Claim, outcome: Outcome) -> None:
        """Write what became of a claimed batch."""
        if isinstance(outcome, Accepted):
            message_ids = [ticket.message_id for ticket in outcome.tickets]
            await self._run.close(claim, State.ACCEPTED, message_ids=message_ids)
        else:
            error = outcome.error
            reason = str.__str__(error.code) if isinstance(error, RefusedError) else str(error)
            await self._run.close(claim, _STATES[type(outcome)], reason=reason)


def as_journal_error(error: Exception) -> JournalError:
    """Return what a journal raised, as what it should have been: one of a user's own may raise anything."""
    return error if isinstance(error, JournalError) else JournalError(f"{type(error).__name__} in it")


def _set_aside(
    places: Sequence[int], recipients: Sequence[Recipient], positions: Sequence[int], found: Sorted
) -> None:
    """Make the outcome of those whose number came before in the same input."""
    those = tuple(recipients[place] for place in places)
    error = DuplicateError("mobile", _DUPLICATE, position=positions[places[0]])
    found.duplicates = len(those)
    found.known.append(lambda index: NotSent(index, those, error))


def _accepted(tickets: tuple[Ticket, ...]) -> Known:
    recipients = tuple(Recipient(one.mobile, one.custom_id) for one in tickets)
    return lambda index: Accepted(index, recipients, tickets, recorded=True)


def _unknown(state: State, recipients: tuple[Recipient, ...]) -> Known:
    reason = _UNDER_WAY if state is State.UNDER_WAY else _LEFT
    return lambda index: Unknown(index, recipients, OutcomeUnknownError(reason), recorded=True)
