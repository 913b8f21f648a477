"""The contract of a journal: a record of every number, and whether the number may be called again.

A send that is killed in the middle leaves three kinds of numbers: called, not called, and numbers with a request
under way, with an unknown outcome. A journal tells the three apart. Each batch is claimed durably *before* the
request leaves, and closed with the outcome afterwards. A claim that is still open when the process has ended is
unknown.

Calls are identified by :class:`Key`, not by the place in the input, so an edited or reordered list is safe.
One send calls in this order::

    run = await journal.start(purpose)                  # at the first outcome that is asked for; a plan: dry=True
    standings = await run.look(keys)                    # for each part of the input, by one task
    if await run.begin(claim): ...                      # per batch, with a slot acquired, just before the request
    await run.close(claim, state, ...)                  # per batch, with its outcome; before a retry: NOT_SENT
    await run.end()                                     # when no batch is in flight any more

All methods are called in the event loop and thread of the client. ``look`` is called by one task at a time; ``begin``
and ``close`` by as many tasks at once as the client has requests in flight (``max_concurrency``), and beside ``look``
and ``record``. A journal may be used by several sends, processes and machines at once, if it says so. Blocking work
belongs in a thread: the event loop is the application's.

Failures: raise :class:`~emay_voice_async.errors.JournalError`; any other exception of a run becomes one. A failed
``start`` or ``look`` ends the send, before the batches concerned. A failed ``begin`` makes its batch NotSent. A failed
``close`` is logged, the outcome is handed out, and the send ends with the error: to the next run the batch is unknown.
A failed ``end`` is logged.

Cancelling: the caller of a send may be cancelled in any await. A cancelled ``begin`` has claimed the whole batch or
no call of it, and ``close`` with NOT_SENT follows. ``close`` and ``end`` run in tasks of the client's own; only the
end of the event loop cancels them. A cancelled call must leave the journal usable.

:class:`~emay_voice_async.journal.sqlite.SqliteJournal` and :class:`~emay_voice_async.sql.SqlJournal` implement this
contract, and :class:`emay_voice_async.testing.JournalSuite` has each of its promises as a rule.
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import datetime, timedelta
from enum import Enum
from types import TracebackType
from typing import Final, NamedTuple, Protocol, Self

from attrs import field, frozen

from emay_voice_async.journal.purpose import Purpose
from emay_voice_async.model.numbers import mask
from emay_voice_async.model.results import Accepted, NotSent, Refused, Report, Unknown

__all__ = [
    "MAX_REASONS",
    "REPORTS_PAGE",
    "SETTLED_AFTER",
    "Claim",
    "Journal",
    "JournalRun",
    "Key",
    "Line",
    "Standing",
    "State",
    "Summary",
]

MAX_REASONS: Final = 20
"""Reasons in a summary."""
REPORTS_PAGE: Final = 1000
"""Reports that are recorded in one durable write."""
SETTLED_AFTER: Final = timedelta(hours=24)
"""How long to wait for reports of an unknown call: a choice of this package, as the API document gives no time."""


class State(Enum):
    """The state of one call; the value is the word in exports."""

    ACCEPTED = Accepted.name
    """The service accepted the call, or a report of the call arrived: the call is never sent again."""
    REFUSED = Refused.name
    """The service refused the call: the number was not called, and the next run sends to the number."""
    NOT_SENT = NotSent.name
    """The request certainly did not reach the service: the next run sends to the number."""
    UNKNOWN = Unknown.name
    """The request left and no usable response came, or the process ended first: the number may have been called.

    Reports settle it. A call that still has no report after :data:`SETTLED_AFTER` was probably not made: only then
    ``resend_unknown`` is sensible.
    """
    UNDER_WAY = "under way"
    """Claimed by a run that is alive, and perhaps being sent at this moment."""

    @property
    def is_free(self) -> bool:
        """Whether the number was certainly not called, so that the next run sends to the number without being asked."""
        return self in (State.REFUSED, State.NOT_SENT)


class Key(NamedTuple):
    """The identity of a call.

    Without duplicates the number alone identifies a call: ``custom_id`` is "" and ``occurrence`` 0. When duplicates
    are allowed, ``custom_id`` is the caller's own ("" for none), and ``occurrence`` counts from 0 how often number
    and custom id came before in the same input.
    """

    mobile: str
    custom_id: str = ""
    occurrence: int = 0

    def __repr__(self) -> str:
        return f"Key({mask(self.mobile)!r}, {self.custom_id!r}, {self.occurrence})"


@frozen
class Standing:
    """The ``state`` of a call, and ``custom_id`` and ``message_id``; "" for an id that is not known yet.

    Of an unknown call also the ``reason``, and ``begun_at``, the instant of the claim; two standings are equal without
    them.
    """

    state: State
    custom_id: str = ""
    message_id: str = ""
    reason: str = field(default="", eq=False)
    begun_at: datetime | None = field(default=None, eq=False)


@frozen
class Claim:
    """A batch that is about to be sent.

    ``token`` is unique among all claims. ``keys`` and ``custom_ids`` are in the order of the recipients. ``lasts``:
    seconds after which the request cannot be under way any more, even if the process is alive. ``resend_unknown``:
    calls of unknown outcome may be claimed as well.
    """

    token: str
    keys: tuple[Key, ...]
    custom_ids: tuple[str, ...]
    lasts: float
    resend_unknown: bool = False


class JournalRun(Protocol):
    """A journal opened for one send."""

    async def look(self, keys: Sequence[Key]) -> Sequence[Standing | None]:
        """Return the standing of each call; None: the call was never claimed.

        An open claim is UNDER_WAY if the run that made the claim may be alive, else UNKNOWN.
        """
        ...

    async def begin(self, claim: Claim) -> bool:
        """Claim a batch durably; the request may leave once this returned True.

        A batch is claimed whole or not at all. A claim succeeds if each call is new or free, or
        (``resend_unknown``) unknown. False: another run has claimed one of the calls in the meantime.
        """
        ...

    async def close(
        self, claim: Claim, state: State, *, reason: str = "", message_ids: Sequence[str] | None = None
    ) -> None:
        """Write the outcome of a claim durably; ``message_ids`` in the order of the keys, if accepted.

        ``reason`` is a result code or a sentence, "" if accepted. A claim whose ``begin`` returned False closes no
        call. Calls that were claimed again since then stay unchanged, and so
        do calls that a report has proved. A claim closed as unknown may be closed once more, when the response comes
        late.
        """
        ...

    async def end(self) -> None:
        """Release the journal: claims of this run that are still open are unknown from now on.

        Late responses may be written (:meth:`close`) afterwards.
        """
        ...


@frozen
class Line:
    """One call and the outcome.

    ``mobile``, ``custom_id`` and ``message_id`` name the call, ``state`` is the last outcome. ``report_description``,
    ``called_at`` (aware, in Beijing time), ``duration`` (in seconds) and ``key_pressed`` are those of the last recorded
    report; "" or None without a report.
    """

    mobile: str = field(repr=mask)
    custom_id: str
    message_id: str
    state: State
    reason: str
    """The result code or sentence of the last outcome that was not an acceptance, else ""."""
    begun_at: datetime
    """The instant of the last claim (aware, in Beijing time)."""
    report_state: str = ""
    """The report's ``raw_state``; "" until a report was recorded."""
    report_description: str = ""
    called_at: datetime | None = None
    duration: float | None = None
    key_pressed: str | None = None


@frozen
class Summary:
    """The purpose of a journal, and the number of calls in each state.

    ``app_id`` is the account, ``kind`` the class of the message, ``allow_duplicates`` that of the sends, ``made_at``
    the instant at which the journal was made. ``states`` has the number of calls in each state. ``reported`` counts by
    the reports' ``raw_state``, the most frequent first; ``reasons`` counts the unknown calls by reason, the most
    frequent first, at most :data:`MAX_REASONS`.
    """

    app_id: str
    kind: str
    allow_duplicates: bool
    made_at: datetime
    states: dict[State, int]
    reported: dict[str, int]
    reasons: dict[str, int] = field(factory=dict)


class Journal(Protocol):
    """Records the outcome of every call of a campaign, across runs, processes and crashes.

    All methods raise :class:`~emay_voice_async.errors.JournalError` when the journal cannot be read or written.
    """

    async def start(self, purpose: Purpose, *, dry: bool = False) -> JournalRun:
        """Begin a run; a journal that does not exist yet is created.

        A ``dry`` run writes no data and creates no journal: only look and end are possible.

        Raises :class:`~emay_voice_async.errors.JournalError` if the journal was made for another purpose.
        """
        ...

    async def record(self, reports: Iterable[Report]) -> int:
        """Add status reports to the calls; return how many reports belong to calls of this journal.

        A report belongs to a call of the same number, account (or no account) and product with its message id; to a
        call whose message id is not known, by the custom id. The last report of a call is kept.

        An unknown call is accepted from then on: a report proves that the call was made. A call that was refused or
        not sent stays unchanged: a report with the same custom id belongs to another campaign. Recording a report again
        changes no call. Reports are read and written in pages of :data:`REPORTS_PAGE`, a durable write for each page:
        pass many at once. After an error some pages may have been recorded.
        """
        ...

    async def summary(self) -> Summary:
        """Count the calls by state."""
        ...

    def lines(self) -> AsyncIterator[Line]:
        """Iterate over all calls in the order of their first claims, in flat memory."""
        ...

    async def aclose(self) -> None:
        """Release all resources; the journal can be used again afterwards."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
