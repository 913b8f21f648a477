"""Tickets, status reports, and the outcomes of the batches of a send."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar, TypeVar

from attrs import define, field, frozen

from emay_voice_async.errors import EmayVoiceError, OutcomeUnknownError, RefusedError
from emay_voice_async.model.codes import CallState
from emay_voice_async.model.endpoints import Product
from emay_voice_async.model.freezing import frozen_as
from emay_voice_async.model.numbers import mask
from emay_voice_async.model.raw_fields import NO_FIELDS, names_of
from emay_voice_async.model.recipients import Recipient

__all__ = [
    "Accepted",
    "NotSent",
    "Outcome",
    "Refused",
    "Report",
    "ReportDraft",
    "SendResult",
    "Ticket",
    "Unknown",
    "accepted_later",
    "frozen_reports",
    "made_tickets",
]


@define(eq=False, repr=False)
class _TicketFields:
    mobile: str
    message_id: str
    custom_id: str


@frozen(repr=False)
class Ticket(_TicketFields):
    """The service's receipt for one accepted call (sections 2.1.1.2 and 2.4.1.2).

    ``mobile`` is the number. ``message_id`` is the service's id of the call (``voiceId`` or ``joinId``), "" when
    the response did not name this number. ``custom_id`` is the caller's id, or the id that the client made.
    """

    def __repr__(self) -> str:
        return f"Ticket({mask(self.mobile)!r}, message_id={self.message_id!r}, custom_id={self.custom_id!r})"


def made_tickets(
    mobiles: Iterable[str], message_ids: Iterable[str], custom_ids: Iterable[str]
) -> tuple[Ticket, ...]:
    """Make many tickets without the cost of ``Ticket(...)`` (benchmark: send)."""
    return frozen_as(Ticket, map(_TicketFields, mobiles, message_ids, custom_ids))


def _length(recording: bytes | None) -> str:
    return "None" if recording is None else f"<{len(recording)} bytes>"


@define(eq=False, repr=False)
class ReportDraft:
    """The fields of a :class:`Report` that is not frozen yet."""

    product: Product
    app_id: str = ""
    message_id: str = ""
    custom_id: str = ""
    mobile: str = field(default="", repr=mask)
    state: CallState = CallState.OTHER
    raw_state: str = ""
    description: str = ""
    called_at: datetime | None = None
    duration: float | None = None
    key_pressed: str | None = None
    recording: bytes | None = field(default=None, repr=_length)
    unreadable: Mapping[str, object] = field(default=NO_FIELDS, repr=names_of, hash=False)


@frozen
class Report(ReportDraft):
    """The end of one call; voice and join reports are the same class (sections 2.1.2, 2.4.2).

    ``product`` tells the two apart; ``app_id`` is the account. ``message_id`` and ``custom_id`` are those of the
    ticket; ``mobile`` is the number; ``description`` is the text that the service adds to the state.

    ``state`` is the listed state or ``CallState.OTHER``; ``raw_state`` is the state as received, without
    the blanks around it. ``called_at`` is aware, in Beijing time; ``duration`` is in seconds;
    ``key_pressed`` has the pressed keys; ``recording`` has the bytes of the voice message. A missing
    value is None, a missing text "".

    ``unreadable`` maps the names of the wire to the raw values of fields that could not be read, which are
    None or "" in the report; it is nearly always empty.
    """

    @property
    def succeeded(self) -> bool:
        """Whether the call was answered."""
        return self.state is CallState.SUCCESS


def frozen_reports(drafts: Iterable[ReportDraft]) -> tuple[Report, ...]:
    """Freeze filled drafts into reports; the drafts are the same objects."""
    return frozen_as(Report, drafts)


def _count(items: tuple[object, ...]) -> str:
    return f"<{len(items)}>"


class _Later:
    """Fields that are made when they are first read: a campaign has two objects for each call (benchmark: loop)."""

    __slots__ = ("_makers",)

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> object:
            # Called for a slot without a value.
            make = None if name == "_makers" else getattr(self, "_makers", {}).get(name)
            if make is None:
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
            value = make()
            object.__setattr__(self, name, value)
            return value


@frozen
class Accepted(_Later):
    """A batch that the service accepted: the numbers are called and charged.

    ``index`` counts the outcomes of a send from 0. ``recipients`` are those of the batch, with their custom ids.
    ``tickets`` has a ticket for each recipient, in the order of the recipients. After a send both are made when they
    are first read.
    ``recorded``: an earlier run sent the batch, as the journal says; this run sent no request for it.
    """

    name: ClassVar[str] = "accepted"
    index: int
    recipients: tuple[Recipient, ...] = field(repr=_count)
    tickets: tuple[Ticket, ...] = field(repr=_count)
    recorded: bool = field(default=False, kw_only=True)


def accepted_later(
    index: int, recipients: Callable[[], tuple[Recipient, ...]], tickets: Callable[[], tuple[Ticket, ...]]
) -> Accepted:
    """Make an :class:`Accepted` whose recipients and tickets are made when they are first read."""
    outcome = Accepted.__new__(Accepted)
    makers = {"recipients": recipients, "tickets": tickets}
    for name, value in (("index", index), ("recorded", False), ("_makers", makers)):
        object.__setattr__(outcome, name, value)
    return outcome


@frozen
class Refused:
    """A batch that the service refused: no number of the batch is called or charged.

    ``index`` and ``recipients`` as in :class:`Accepted`. ``error`` has the result code and its meaning.
    """

    name: ClassVar[str] = "refused"
    index: int
    recipients: tuple[Recipient, ...] = field(repr=_count)
    error: RefusedError


@frozen
class Unknown:
    """A batch that was sent and has no usable response: perhaps called and charged.

    ``index`` and ``recipients`` as in :class:`Accepted`. ``error`` has the reason.
    Do not send the batch again before the reports, found by the recipients' custom ids, have settled it.
    ``recorded``: another run sent the batch, as the journal says; this run sent no request for it.
    """

    name: ClassVar[str] = "unknown"
    index: int
    recipients: tuple[Recipient, ...] = field(repr=_count)
    error: OutcomeUnknownError
    recorded: bool = field(default=False, kw_only=True)


@frozen
class NotSent:
    """A batch, or a single bad number of a stream, that certainly was not sent.

    ``index`` and ``recipients`` as in :class:`Accepted`. ``error`` has the reason: a failed check
    (``InvalidRequestError``), no connection (``NotSentError``), or the refusal that stopped the run.
    """

    name: ClassVar[str] = "not sent"
    index: int
    recipients: tuple[Recipient, ...] = field(repr=_count)
    error: EmayVoiceError


Outcome = Accepted | Refused | Unknown | NotSent
"""The end of a batch, or of entries without a request; ``index`` counts the outcomes of a send from 0.

The batches of one message are in input order. An outcome without a request (an invalid entry of a stream, a duplicate,
or a call that the journal knows) can come before the batch that is being gathered.
"""

_Kind = TypeVar("_Kind", Accepted, Refused, Unknown, NotSent)


@frozen
class SendResult:
    """Every outcome of a send, in the order of ``index``: ``outcomes`` names each recipient exactly once."""

    outcomes: tuple[Outcome, ...] = ()

    @property
    def tickets(self) -> tuple[Ticket, ...]:
        """The tickets of the accepted batches, in the order of the outcomes."""
        return tuple(ticket for outcome in self.accepted for ticket in outcome.tickets)

    @property
    def accepted(self) -> tuple[Accepted, ...]:
        """The batches that were accepted."""
        return _of(Accepted, self.outcomes)

    @property
    def refused(self) -> tuple[Refused, ...]:
        """The batches that were refused."""
        return _of(Refused, self.outcomes)

    @property
    def unknown(self) -> tuple[Unknown, ...]:
        """The batches whose outcome is unknown."""
        return _of(Unknown, self.outcomes)

    @property
    def not_sent(self) -> tuple[NotSent, ...]:
        """The batches that were not sent."""
        return _of(NotSent, self.outcomes)

    def __str__(self) -> str:
        groups: tuple[tuple[Outcome, ...], ...] = (self.accepted, self.refused, self.unknown, self.not_sent)
        return ", ".join(
            f"{group[0].name}: {_counted(sum(len(outcome.recipients) for outcome in group), 'number', 'numbers')}"
            f" in {_counted(len(group), 'batch', 'batches')}"
            for group in groups
            if group
        )


def _counted(count: int, singular: str, plural: str) -> str:
    return f"{count} {singular if count == 1 else plural}"


def _of(kind: type[_Kind], outcomes: Iterable[Outcome]) -> tuple[_Kind, ...]:
    return tuple(outcome for outcome in outcomes if isinstance(outcome, kind))
