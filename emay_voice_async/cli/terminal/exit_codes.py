"""How a command ends: exit codes, which of several wins, and which error means which."""

from collections.abc import Iterable
from enum import IntEnum
from typing import Final

from emay_voice_async.errors import (
    AccountError,
    BalanceError,
    InvalidRequestError,
    JournalError,
    NotSentError,
    OutcomeUnknownError,
    PushError,
    RefusedError,
)

__all__ = ["CommandError", "Ending", "ending_of", "worst"]


class Ending(IntEnum):
    """An exit code."""

    DONE = 0
    REFUSED = 1
    WRONG = 2
    UNKNOWN = 3
    ACCOUNT = 4
    JOURNAL = 5
    NOT_SENT = 6
    OUTPUT = 7
    MISTAKE = 70
    INTERRUPTED = 130
    BROKEN_PIPE = 141


_BY_CARE: Final = (
    Ending.UNKNOWN,
    Ending.JOURNAL,
    Ending.OUTPUT,
    Ending.BROKEN_PIPE,
    Ending.INTERRUPTED,
    Ending.ACCOUNT,
    Ending.REFUSED,
    Ending.WRONG,
    Ending.NOT_SENT,
    Ending.DONE,
)
"""What needs most care comes first."""
_BY_ERROR: Final[tuple[tuple[type[Exception], Ending], ...]] = (
    (OutcomeUnknownError, Ending.UNKNOWN),
    (JournalError, Ending.JOURNAL),
    (AccountError, Ending.ACCOUNT),
    (BalanceError, Ending.ACCOUNT),
    (RefusedError, Ending.REFUSED),
    (InvalidRequestError, Ending.WRONG),
    (PushError, Ending.WRONG),
    (ImportError, Ending.WRONG),
    (NotSentError, Ending.NOT_SENT),
    (OSError, Ending.OUTPUT),
)


class CommandError(Exception):
    """Ends a command with this sentence ("": without a word) and exit code."""

    def __init__(self, message: str, ending: Ending = Ending.WRONG) -> None:
        super().__init__(message, ending)
        self.message = message
        self.ending = ending

    def __str__(self) -> str:
        return self.message


def ending_of(error: BaseException) -> Ending:
    """Return the exit code of an error; MISTAKE for one that nobody thought of."""
    if isinstance(error, CommandError):
        return error.ending
    return next((ending for kind, ending in _BY_ERROR if isinstance(error, kind)), Ending.MISTAKE)


def worst(endings: Iterable[Ending]) -> Ending:
    """Return the one that needs most care; DONE of none."""
    return min(endings, key=_BY_CARE.index, default=Ending.DONE)
