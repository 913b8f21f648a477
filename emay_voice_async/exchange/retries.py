"""The certainty of a failed exchange, and whether its request may be retried, as tables.

========================  =========  ===========================================================
the exchange ended with   outcome    retried
========================  =========  ===========================================================
a response with SUCCESS   accepted   never
ERROR_OVER_SPEED          refused    yes: the service did not act, and did not count the request
ERROR_TIMESTAMP           refused    once, if the Date header of the response corrected the clock
another result code       refused    never
no connection             not sent   yes
a wrong setting           not sent   never: a proxy, certificate file or address must be corrected
a status "not acted on"   not sent   never: such as a redirect or 404 (wire/statuses)
HTTP 429                  not sent   yes: the rate of requests may be accepted later
a failed argument check   not sent   never
a journal failure         not sent   never
any other failure         unknown    balance queries only: a send may have called people, and a
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

__all__ = ["Certainty", "Retry", "certainty_of", "is_permanent", "retry_for"]


class Certainty(Enum):
    """The known effect of a request without success."""

    REFUSED = "refused"
    NOT_SENT = "not sent"
    UNKNOWN = "unknown"


class Retry(Enum):
    """When the same request may be sent again without a second effect."""

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
    # error class, certainty, the kinds of request that are retried
    (RefusedError, Certainty.REFUSED, frozenset[Call]()),
    (NotSentError, Certainty.NOT_SENT, _ALL),
    (InvalidRequestError, Certainty.NOT_SENT, frozenset[Call]()),
    # The journal is written before the request is sent.
    (JournalError, Certainty.NOT_SENT, frozenset[Call]()),
    (EmayVoiceError, Certainty.UNKNOWN, frozenset({Call.BALANCE})),
)


def certainty_of(error: EmayVoiceError) -> Certainty:
    """Return the certainty of a request that ended with ``error``."""
    return next(certainty for kind, certainty, _ in _TABLE if isinstance(error, kind))


def retry_for(error: EmayVoiceError, call: Call) -> Retry:
    """Return when a request of this kind may be retried after ``error``."""
    if isinstance(error, RefusedError):
        return _BY_CODE.get(error.code, Retry.NEVER)
    if is_permanent(error):
        return Retry.NEVER
    calls = next(calls for kind, _, calls in _TABLE if isinstance(error, kind))
    return Retry.AFTER_PAUSE if call in calls else Retry.NEVER


def is_permanent(error: EmayVoiceError) -> bool:
    """Tell whether a request fails alike until a setting or the address is corrected."""
    return isinstance(error, NotSentError) and error.permanent
