"""Exit codes: the code of each error, and which of several codes wins."""

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
    TooManyReportsError,
)

__all__ = ["CommandError", "ExitCode", "exit_code_of", "worst"]


class ExitCode(IntEnum):
    """The exit code of a command."""

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


_BY_SEVERITY: Final = (
    ExitCode.UNKNOWN,
    ExitCode.JOURNAL,
    ExitCode.OUTPUT,
    ExitCode.BROKEN_PIPE,
    ExitCode.INTERRUPTED,
    ExitCode.ACCOUNT,
    ExitCode.REFUSED,
    ExitCode.WRONG,
    ExitCode.NOT_SENT,
    ExitCode.DONE,
)
"""The most severe code comes first; MISTAKE is never one of several."""
_BY_ERROR: Final[tuple[tuple[type[Exception], ExitCode], ...]] = (
    (OutcomeUnknownError, ExitCode.UNKNOWN),
    (JournalError, ExitCode.JOURNAL),
    (AccountError, ExitCode.ACCOUNT),
    (BalanceError, ExitCode.ACCOUNT),
    (RefusedError, ExitCode.REFUSED),
    (InvalidRequestError, ExitCode.WRONG),
    (PushError, ExitCode.WRONG),
    # Fed reports that were not stored are pushed again by the service.
    (TooManyReportsError, ExitCode.NOT_SENT),
    (ImportError, ExitCode.WRONG),
    (NotSentError, ExitCode.NOT_SENT),
    (OSError, ExitCode.OUTPUT),
)


class CommandError(Exception):
    """Ends a command with an exit code and one sentence; an empty sentence is not printed."""

    def __init__(self, message: str, exit_code: ExitCode = ExitCode.WRONG) -> None:
        super().__init__(message, exit_code)
        self.message = message
        self.exit_code = exit_code

    def __str__(self) -> str:
        return self.message


def exit_code_of(error: BaseException) -> ExitCode:
    """Return the exit code of an error; MISTAKE for an error that is in no table."""
    if isinstance(error, CommandError):
        return error.exit_code
    return next((code for kind, code in _BY_ERROR if isinstance(error, kind)), ExitCode.MISTAKE)


def worst(codes: Iterable[ExitCode]) -> ExitCode:
    """Return the most severe of the codes; DONE if the codes are empty."""
    return min(codes, key=_BY_SEVERITY.index, default=ExitCode.DONE)
