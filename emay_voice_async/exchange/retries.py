"""What the end of an exchange means, in one table: how certain its outcome is, and if it is repeated.

========================  =========  ===========================================================
the exchange ended with   outcome    repeated
========================  =========  ===========================================================
an answer with SUCCESS    accepted   never
ERROR_OVER_SPEED          refused    yes: the service did not act, and did not count it
ERROR_TIMESTAMP           refused    once, if the answer's Date corrected our clock
another result code       refused    never
no connection             not sent   yes
our own check             not sent   never
the journal failed        not sent   never
anything else             unknown    balance queries only: a send may have rung a person, and a
                                     getReport may have removed reports
========================  =========  ===========================================================
"""

from enum import Enum
from typing import Final

from emay_voice_async.errors import (
    EmayVoiceError,
    InvalidRequestError,
    JournalError,
    NotSentError,
    RefusedError,
)
from emay_voice_async.model.codes import ResultCode
from emay_voice_async.model.endpoints import Call

__all__ = ["Certainty", "Retry", "certainty_of", "retry_for"]


class Certainty(Enum):
    """What is known about a request that did not succeed."""

    REFUSED = "refused"
    NOT_SENT = "not sent"
    UNKNOWN = "unknown"


class Retry(Enum):
    """Whether the same request may go out again without a second effect."""

    NEVER = "never"
    AFTER_PAUSE = "after a pause"
    AFTER_SLOT = "with the next slot"
    ONCE_CORRECTED = "once, with the corrected clock"


_ALL: Final = frozenset(Call)
_BY_CODE: Final[dict[str, Retry]] = {
    ResultCode.ERROR_OVER_SPEED: Retry.AFTER_SLOT,
    ResultCode.ERROR_TIMESTAMP: Retry.ONCE_CORRECTED,
}
_TABLE: Final = (
    # class, certainty, the kinds of call that may be repeated
    (RefusedError, Certainty.REFUSED, frozenset[Call]()),
    (NotSentError, Certainty.NOT_SENT, _ALL),
    (InvalidRequestError, Certainty.NOT_SENT, frozenset[Call]()),
    # It is written before a request leaves; what fails after that is not the request.
    (JournalError, Certainty.NOT_SENT, frozenset[Call]()),
    (EmayVoiceError, Certainty.UNKNOWN, frozenset({Call.BALANCE})),
)


def certainty_of(error: EmayVoiceError) -> Certainty:
    """Return what ``error`` says about the request."""
    return next(certainty for kind, certainty, _ in _TABLE if isinstance(error, kind))


def retry_for(error: EmayVoiceError, call: Call) -> Retry:
    """Return whether a request of this kind may be repeated after ``error``."""
    if isinstance(error, RefusedError):
        return _BY_CODE.get(error.code, Retry.NEVER)
    calls = next(calls for kind, _, calls in _TABLE if isinstance(error, kind))
    return Retry.AFTER_PAUSE if call in calls else Retry.NEVER
