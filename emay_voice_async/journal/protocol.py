"""What a journal promises: it remembers of every number whether it may be called again.

A send that is killed in the middle leaves three kinds of numbers: called, not called, and those whose
request was under way, of which nobody knows. A journal keeps them apart, because each batch is claimed
durably *before* its request leaves, and closed with its outcome after. What is claimed and not closed when
its process is gone, is unknown.

Calls are recognised by their :class:`Key` and not by their place in the input, so that an edited or
reordered list is safe. What is written here is the contract of every journal; the one on SQLite is
:class:`~emay_voice_async.journal.sqlite.SqliteJournal`.
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import datetime
from enum import Enum
from hashlib import blake2b
from types import TracebackType
from typing import NamedTuple, Protocol, Self

from attrs import field, frozen

from emay_voice_async.model.endpoints import Product
from emay_voice_async.model.messages import Message
from emay_voice_async.model.numbers import mask
from emay_voice_async.model.results import Accepted, NotSent, Refused, Report, Unknown
from emay_voice_async.wire.forms import message_form

__all__ = ["Claim", "Journal", "JournalRun", "Key", "Line", "Purpose", "Standing", "State", "Summary"]


class State(Enum):
    """What is known of one call; the value is the word in exports."""

    ACCEPTED = Accepted.name
    """The service took it, or a report of it came: it is never sent again."""
    REFUSED = Refused.name
    """The service said no: nobody was called, and a next run sends it."""
    NOT_SENT = NotSent.name
    """It certainly did not reach the service: a next run sends it."""
    UNKNOWN = Unknown.name
    """Its request left and no usable answer came, or its process was gone first: perhaps called."""
    UNDER_WAY = "under way"
    """Claimed, and perhaps being sent at this moment by a run that is alive."""

    @property
    def is_free(self) -> bool:
        """Whether nobody was called, so that the next run sends it without being asked."""
        return self in (State.REFUSED, State.NOT_SENT)


class Key(NamedTuple):
    """What a call is recognised by.

    When no number is called twice, that is the number alone: ``custom_id`` is "" and ``occurrence`` 0. When
    repeats are allowed, ``custom_id`` is the caller's own ("" for none), and ``occurrence`` counts from 0 how
    often the two came before in the same input.
    """

    mobile: str
    custom_id: str = ""
    occurrence: int = 0

    def __repr__(self) -> str:
        return f"Key({mask(self.mobile)!r}, {self.custom_id!r}, {self.occurrence})"


@frozen
class Purpose:
    """What one journal is for: one account, one message, and whether repeats are called again."""

    app_id: str
    message: Message
    allow_duplicates: bool = False

    @property
    def kind(self) -> str:
        """The class of the message, such as "Notice"."""
        return type(self.message).__name__

    @property
    def product(self) -> Product:
        """The product that the reports of its calls are asked of."""
        return self.message.endpoint.product

    def fingerprint(self, salt: bytes) -> str:
        """Return 32 hex digits that another account or another message would not have.

        ``salt``: up to 16 bytes of chance that are kept beside it, so that the text (a code, perhaps) cannot
        be looked up in a list of fingerprints.
        """
        said = f"{self.app_id}\n{self.message.endpoint.path}\n".encode() + message_form(self.message)
        return blake2b(said, digest_size=16, salt=salt).hexdigest()


@frozen
class Standing:
    """What a journal knows of a call: its state, and its ids ("" where there is none yet)."""

    state: State
    custom_id: str = ""
    message_id: str = ""


@frozen
class Claim:
    """A batch that is about to be sent.

    ``token`` is unique among all claims. ``keys`` and ``custom_ids`` are in the order of the recipients.
    ``lasts``: after so many seconds the request cannot be under way any more, whoever sent it.
    ``resend_unknown``: calls of unknown outcome may be claimed, too.
    """

    token: str
    keys: tuple[Key, ...]
    custom_ids: tuple[str, ...]
    lasts: float
    resend_unknown: bool = False


class JournalRun(Protocol):
    """One send's hold on a journal."""

    async def look(self, keys: Sequence[Key]) -> Sequence[Standing | None]:
        """Return what is known of each call; None: it was never claimed.

        A claim that was never closed is UNDER_WAY if the run that made it may be alive, else UNKNOWN.
        """
        ...

    async def begin(self, claim: Claim) -> bool:
        """Claim a batch durably, all of it or (False) nothing: its request may leave once this returned True.

        It can be claimed if each of its calls is new or free, or (``resend_unknown``) unknown. False:
        somebody else was quicker.
        """
        ...

    async def close(
        self, claim: Claim, state: State, *, reason: str = "", message_ids: Sequence[str] | None = None
    ) -> None:
        """Write durably what became of a claim; ``message_ids`` in the order of its keys, if accepted.

        ``reason`` is a result code or a sentence. Calls that were claimed anew since are left alone, and so
        are calls that a report has shown to be made. A claim closed as unknown may be closed once more, when
        its answer comes late.
        """
        ...

    async def end(self) -> None:
        """Let go of the journal: whatever this run claims and has not closed is unknown from now on.

        Late answers may be written (:meth:`close`) after it.
        """
        ...


@frozen
class Line:
    """All that a journal knows of one call; ``report`` is the last one that was recorded."""

    mobile: str = field(repr=mask)
    custom_id: str
    message_id: str
    state: State
    reason: str
    """The result code or sentence of the last outcome that was not an acceptance, else ""."""
    begun_at: datetime
    """When it was last claimed (aware, in Beijing time)."""
    report_state: str = ""
    """The report's ``raw_state``; "" until one was recorded."""
    report_description: str = ""
    called_at: datetime | None = None
    duration: float | None = None
    key_pressed: str | None = None


@frozen
class Summary:
    """The purpose of a journal, and how many calls are in which state.

    ``reported`` counts by the reports' ``raw_state``, best known first.
    """

    app_id: str
    kind: str
    allow_duplicates: bool
    made_at: datetime
    states: dict[State, int]
    reported: dict[str, int]


class Journal(Protocol):
    """Remembers what became of every call of a campaign, across runs, processes and crashes.

    Its methods raise :class:`~emay_voice_async.errors.JournalError` when it cannot be read or written.
    """

    async def start(self, purpose: Purpose, *, dry: bool = False) -> JournalRun:
        """Begin a run; a journal that does not exist yet is made.

        A ``dry`` run writes nothing, not even a journal that does not exist: it can look, and end.

        Raises :class:`~emay_voice_async.errors.JournalError` if it was made for another purpose.
        """
        ...

    async def record(self, reports: Iterable[Report]) -> int:
        """Join in status reports, and return how many belong to calls of this journal.

        A call that was unknown is accepted from then on: a report proves that it was made. One that was
        refused or not sent is left alone: a report with its custom id is that of another campaign. Safe to
        repeat.
        """
        ...

    async def summary(self) -> Summary:
        """Count the calls by state."""
        ...

    def lines(self) -> AsyncIterator[Line]:
        """Iterate over every call in the order in which they were first claimed, in flat memory."""
        ...

    async def aclose(self) -> None:
        """Let go of whatever is open; the journal can be used again after it."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
