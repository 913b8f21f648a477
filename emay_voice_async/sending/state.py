"""The life of a batch: states, events, and the table of transitions.

::

    NEW -> WAITING <-> CLAIMING -> IN_FLIGHT -> ACCEPTED, REFUSED, NOT_SENT or UNKNOWN -> SETTLED
              ^                        |
              `------- retry ----------'

A batch that is called off with no request in flight becomes RECALLED or WITHDRAWN, and then NOT_SENT. A batch
in flight becomes LAST: the response counts, and there is no retry.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Final

from emay_voice_async.model.results import Accepted, NotSent, Outcome, Refused, Unknown

__all__ = ["ENDS", "TRANSITIONS", "BatchEvent", "BatchState", "IllegalEventError", "next_state"]


class BatchState(Enum):
    """Where a batch stands."""

    NEW = "new"
    """The task of the batch has not begun."""
    WAITING = "waiting"
    """Waits for the calling hours, a slot, or the pause before a retry. No request is in flight."""
    CLAIMING = "claiming"
    """Has a slot, and is being claimed in the journal. No request is in flight."""
    IN_FLIGHT = "in flight"
    """A request may be at the service."""
    LAST = "last"
    """Called off in flight: the response is awaited, without a retry."""
    WITHDRAWN = "withdrawn"
    """Called off while being claimed: will not be posted."""
    RECALLED = "recalled"
    """Called off while waiting: the task is cancelled, or ends on its first step."""
    ACCEPTED = "accepted"
    REFUSED = "refused"
    NOT_SENT = "not sent"
    UNKNOWN = "unknown"
    """No usable response came in time; a late response is still written to the journal."""
    SETTLED = "settled"
    """Was unknown, until a late response came."""
    RECORDED = "recorded"
    """The outcome was known before: from the journal, or because the entries are invalid."""
    ABANDONED = "abandoned"
    """The task was cancelled from outside, as at the end of an event loop: no outcome."""


class BatchEvent(Enum):
    """The events in the life of a batch."""

    KNOWN = "known"
    """The task began, and the outcome was known before."""
    STARTED = "started"
    """The task began."""
    SLOT = "slot"
    """A slot was acquired."""
    POSTED = "posted"
    """The request is about to be handed to the transport."""
    PUT_BACK = "put back"
    """The calling hours ended before the request was posted."""
    RETRY = "retry"
    """The request failed without effect and may be sent again."""
    CALLED_OFF = "called off"
    """The run was stopped."""
    CANCELLED = "cancelled"
    """The task was cancelled from outside."""
    ACCEPTED = "accepted"
    REFUSED = "refused"
    NOT_SENT = "not sent"
    UNKNOWN = "unknown"
    LATE = "late"
    """A response came after the caller had left."""


_S, _E = BatchState, BatchEvent

TRANSITIONS: Final[Mapping[BatchState, Mapping[BatchEvent, BatchState]]] = {
    _S.NEW: {
        _E.KNOWN: _S.RECORDED,
        _E.STARTED: _S.WAITING,
        _E.CALLED_OFF: _S.RECALLED,
    },
    _S.WAITING: {
        _E.SLOT: _S.CLAIMING,
        _E.CALLED_OFF: _S.RECALLED,
        _E.CANCELLED: _S.ABANDONED,
        _E.NOT_SENT: _S.NOT_SENT,
    },
    _S.CLAIMING: {
        _E.POSTED: _S.IN_FLIGHT,
        _E.PUT_BACK: _S.WAITING,
        _E.CALLED_OFF: _S.WITHDRAWN,
        _E.CANCELLED: _S.ABANDONED,
        _E.NOT_SENT: _S.NOT_SENT,
        # Another run of the journal has claimed one of the numbers.
        _E.UNKNOWN: _S.UNKNOWN,
    },
    _S.IN_FLIGHT: {
        _E.RETRY: _S.WAITING,
        _E.CALLED_OFF: _S.LAST,
        _E.CANCELLED: _S.ABANDONED,
        _E.ACCEPTED: _S.ACCEPTED,
        _E.REFUSED: _S.REFUSED,
        _E.NOT_SENT: _S.NOT_SENT,
        _E.UNKNOWN: _S.UNKNOWN,
    },
    _S.LAST: {
        _E.RETRY: _S.LAST,
        _E.CALLED_OFF: _S.LAST,
        _E.CANCELLED: _S.ABANDONED,
        _E.ACCEPTED: _S.ACCEPTED,
        _E.REFUSED: _S.REFUSED,
        _E.NOT_SENT: _S.NOT_SENT,
        _E.UNKNOWN: _S.UNKNOWN,
    },
    _S.WITHDRAWN: {
        _E.POSTED: _S.WITHDRAWN,
        _E.PUT_BACK: _S.RECALLED,
        _E.CALLED_OFF: _S.WITHDRAWN,
        _E.CANCELLED: _S.ABANDONED,
        _E.NOT_SENT: _S.NOT_SENT,
        _E.UNKNOWN: _S.UNKNOWN,
    },
    _S.RECALLED: {
        _E.KNOWN: _S.RECORDED,
        _E.STARTED: _S.RECALLED,
        # A pacer may have swallowed the cancellation.
        _E.SLOT: _S.RECALLED,
        _E.CALLED_OFF: _S.RECALLED,
        _E.NOT_SENT: _S.NOT_SENT,
    },
    _S.ACCEPTED: {_E.CALLED_OFF: _S.ACCEPTED},
    _S.REFUSED: {_E.CALLED_OFF: _S.REFUSED},
    _S.NOT_SENT: {_E.CALLED_OFF: _S.NOT_SENT},
    _S.UNKNOWN: {_E.CALLED_OFF: _S.UNKNOWN, _E.LATE: _S.SETTLED},
    _S.SETTLED: {_E.CALLED_OFF: _S.SETTLED},
    _S.RECORDED: {_E.CALLED_OFF: _S.RECORDED},
    _S.ABANDONED: {_E.CALLED_OFF: _S.ABANDONED},
}
"""The state after each event. An event that is not listed for a state is a fault of this package."""

ENDS: Final[Mapping[BatchEvent, type[Outcome]]] = {
    _E.ACCEPTED: Accepted,
    _E.REFUSED: Refused,
    _E.NOT_SENT: NotSent,
    _E.UNKNOWN: Unknown,
}
"""The events that end a batch, and the outcome of each."""


class IllegalEventError(Exception):
    """An event that the table does not list for the current state: a fault of this package."""


def next_state(state: BatchState, event: BatchEvent) -> BatchState:
    """Return the state after an event; raise :class:`IllegalEventError` if the table has none."""
    try:
        return TRANSITIONS[state][event]
    except KeyError:
        raise IllegalEventError(f"{event.value} while {state.value}") from None
