"""One send's journal session: recipients to call, claims, and outcomes."""

import asyncio
import re
import secrets
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from typing import Final

from attrs import define, field

from emay_voice_async.errors import (
    AnswerError,
    DuplicateError,
    EmayVoiceError,
    JournalError,
    NotSentError,
    OutcomeUnknownError,
    RefusedError,
)
from emay_voice_async.journal.protocol import SETTLED_AFTER, Claim, JournalRun, Key, Standing, State
from emay_voice_async.model.numbers import mask
from emay_voice_async.model.recipients import Recipient, identified
from emay_voice_async.model.results import Accepted, NotSent, Outcome, Refused, Ticket, Unknown

__all__ = ["JournalSession", "Known", "Sorter", "as_journal_error"]

_OPEN: Final = (
    "an earlier run left it unknown{at} ({reason}): its reports will settle it;"
    " without a report {hours} hours later, resend_unknown is sensible"
)
_UNDER_WAY: Final = "another run of this journal may be sending it at this moment"
_CLAIMED: Final = "another run of this journal is sending some of these numbers; run again for the others"
_MOBILE: Final = re.compile(r"\b1\d{10}\b")
_DUPLICATE: Final = "must not be a duplicate: each number is called once"
_STATES: Final = {Refused: State.REFUSED, Unknown: State.UNKNOWN, NotSent: State.NOT_SENT}
_STILL_UNKNOWN: Final = "{reason}; the outcome of an earlier request is still unknown"

Look = Callable[[Sequence[Key]], Awaitable[Sequence[Standing | None]]]

Known = Callable[[int], Outcome]
"""Makes the outcome of recipients that are not sent now, given the index of the outcome."""


@define
class Selection:
    """A part of the input, sorted: the recipients to call with their keys, and the outcomes of the others.

    ``accepted``, ``unknown`` and ``duplicates`` count the others; ``reasons`` counts the unknown recipients by reason.
    """

    recipients: list[Recipient] = field(factory=list)
    keys: list[Key] = field(factory=list)
    known: list[Known] = field(factory=list)
    accepted: int = 0
    unknown: int = 0
    duplicates: int = 0
    reasons: Counter[str] = field(factory=Counter)


class Sorter:
    """Separates recipients to call from others, by a journal's ``look`` and by earlier entries of the input."""

    def __init__(self, look: Look, *, allow_duplicates: bool, resend_unknown: bool) -> None:
        from emay_voice_async.journal.occurrences import OccurrenceCounter  # noqa: PLC0415 - imported when needed

        self.called_before: set[Key] = set()
        """The calls of unknown outcome that are sent again."""
        self._look = look
        self._occurrences = OccurrenceCounter()
        self._allow_duplicates = allow_duplicates
        self._resend_unknown = resend_unknown

    def close(self) -> None:
        """Delete the counts of the input."""
        self._occurrences.close()

    async def sort(self, recipients: Sequence[Recipient], positions: Sequence[int]) -> Selection:
        """Sort the next recipients of the input; ``positions`` are places in the input."""
        pairs = [
            (recipient.mobile, recipient.custom_id or "" if self._allow_duplicates else "")
            for recipient in recipients
        ]
        times = await asyncio.to_thread(self._occurrences.count, pairs)
        found = Selection()
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
        found: Selection,
    ) -> None:
        called: list[Recipient] = []
        tickets: list[Ticket] = []
        open_: dict[str, list[Recipient]] = {}
        for recipient, key, standing in zip(recipients, keys, standings, strict=True):
            if standing is None:
                found.recipients.append(recipient)
                found.keys.append(key)
            elif standing.state is State.ACCEPTED:
                called.append(identified(recipient, standing.custom_id))
                tickets.append(Ticket(recipient.mobile, standing.message_id, standing.custom_id))
            elif standing.state.is_free or (self._resend_unknown and standing.state is State.UNKNOWN):
                if standing.state is State.UNKNOWN:
                    self.called_before.add(key)
                # The earlier custom id is kept, so that a report of any of the requests finds the call.
                custom_id = recipient.custom_id or standing.custom_id or None
                found.recipients.append(identified(recipient, custom_id))
                found.keys.append(key)
            else:
                found.reasons[standing.reason if standing.state is State.UNKNOWN else _UNDER_WAY] += 1
                open_.setdefault(_reason_of_unknown(standing), []).append(
                    identified(recipient, standing.custom_id)
                )
        found.accepted, found.unknown = len(tickets), sum(map(len, open_.values()))
        if tickets:
            found.known.append(_accepted(tuple(called), tuple(tickets)))
        found.known += [_unknown(reason, tuple(recipients)) for reason, recipients in open_.items()]


class JournalSession:
    """A journal as one send uses it.

    ``lasts``: seconds after which no request of this send is under way any more.
    """

    def __init__(
        self, run: JournalRun, *, allow_duplicates: bool, resend_unknown: bool, lasts: float
    ) -> None:
        self.sorter: Sorter = Sorter(
            run.look, allow_duplicates=allow_duplicates, resend_unknown=resend_unknown
        )
        self._run = run
        self._resend_unknown = resend_unknown
        self._lasts = lasts

    async def end(self) -> None:
        """Release the journal; a response that comes later can still be written."""
        self.sorter.close()
        await self._run.end()

    async def begin(self, keys: Sequence[Key], custom_ids: Sequence[str]) -> Claim:
        """Claim a batch; the request may leave afterwards.

        Raises :class:`JournalError`, or :class:`OutcomeUnknownError` when another run has claimed one of the numbers
        in the meantime. In both cases no request of the batch leaves.
        """
        claim = Claim(
            secrets.token_hex(16), tuple(keys), tuple(custom_ids), self._lasts, self._resend_unknown
        )
        try:
            begun = await self._run.begin(claim)
        except asyncio.CancelledError:
            # The batch may have been claimed, and is not posted any more.
            with suppress(JournalError):
                await self.release(claim)
            raise
        except Exception as error:
            raise as_journal_error(error) from error
        if not begun:
            raise OutcomeUnknownError(_CLAIMED)
        return claim

    async def release(self, claim: Claim) -> None:
        """Close a claim as not sent, when the service certainly did not act on the request."""
        await self._close_without_call(claim, State.NOT_SENT, "the service did not act on it")

    async def close(self, claim: Claim, outcome: Outcome) -> None:
        """Write the outcome of a claimed batch."""
        if isinstance(outcome, Accepted):
            message_ids = [ticket.message_id for ticket in outcome.tickets]
            await self._run.close(claim, State.ACCEPTED, message_ids=message_ids)
        else:
            await self._close_without_call(claim, _STATES[type(outcome)], reason_of(outcome.error))

    async def _close_without_call(self, claim: Claim, state: State, reason: str) -> None:
        """Close a claim that is not accepted; no call of it is free if one may have been made by an earlier request."""
        if state.is_free and not self.sorter.called_before.isdisjoint(claim.keys):
            state, reason = State.UNKNOWN, _STILL_UNKNOWN.format(reason=reason)
        await self._run.close(claim, state, reason=reason)


def as_journal_error(error: Exception) -> JournalError:
    """Turn any exception of a journal into a JournalError; a custom journal may raise other classes."""
    return error if isinstance(error, JournalError) else JournalError(f"failed with {type(error).__name__}")


def _set_aside(
    places: Sequence[int], recipients: Sequence[Recipient], positions: Sequence[int], found: Selection
) -> None:
    """Add the outcome of recipients whose number came before in the same input."""
    duplicates = tuple(recipients[place] for place in places)
    error = DuplicateError("mobile", _DUPLICATE, position=positions[places[0]])
    found.duplicates = len(duplicates)
    found.known.append(lambda index: NotSent(index, duplicates, error))


def _accepted(recipients: tuple[Recipient, ...], tickets: tuple[Ticket, ...]) -> Known:
    return lambda index: Accepted(index, recipients, tickets, recorded=True)


def _reason_of_unknown(standing: Standing) -> str:
    """Return the reason of an outcome that is still unknown, with its time and with what to do."""
    if standing.state is State.UNDER_WAY:
        return _UNDER_WAY
    at = "" if standing.begun_at is None else f" on {standing.begun_at:%Y-%m-%d at %H:%M}"
    hours = SETTLED_AFTER.total_seconds() / 3600
    return _OPEN.format(at=at, reason=standing.reason or "no reason recorded", hours=f"{hours:g}")


def reason_of(error: EmayVoiceError) -> str:
    """Return a result code, or a sentence of the error, as a journal records it: without whole numbers."""
    if isinstance(error, RefusedError):
        return str(error.code)
    reason = error.reason if isinstance(error, OutcomeUnknownError | NotSentError) else str(error)
    if isinstance(error, AnswerError):
        reason = f"{reason} (HTTP {error.status})"
    return _MOBILE.sub(lambda found: mask(found[0]), reason)


def _unknown(reason: str, recipients: tuple[Recipient, ...]) -> Known:
    return lambda index: Unknown(index, recipients, OutcomeUnknownError(reason), recorded=True)
