# The types of emay_voice_async.errors. Results and reports are defined above the errors, in the package's order
# of imports: only a stub can name their types here. tests/test_errors.py compares the stub with the module.

from typing import Any

from emay_voice_async.model.results import Report, SendResult

__all__ = [
    "AccountError",
    "AnswerError",
    "BalanceError",
    "ContentError",
    "DuplicateError",
    "EmayVoiceError",
    "InvalidRequestError",
    "JournalError",
    "NotSentError",
    "OutcomeUnknownError",
    "OverSpeedError",
    "PushError",
    "RefusedError",
    "ReportTimeoutError",
    "SendError",
    "TooManyReportsError",
    "UsageError",
]

class EmayVoiceError(Exception):
    request_id: str

class InvalidRequestError(EmayVoiceError, ValueError):
    field: str
    rule: str
    limit: int | None
    actual: int | str | None
    position: int | None
    def __init__(
        self,
        field: str,
        rule: str,
        limit: int | None = None,
        actual: int | str | None = None,
        position: int | None = None,
    ) -> None: ...

class UsageError(InvalidRequestError, RuntimeError): ...
class DuplicateError(InvalidRequestError): ...

class RefusedError(EmayVoiceError):
    code: str
    meaning: str
    path: str
    def __init__(self, code: str, meaning: str, path: str) -> None: ...

class OverSpeedError(RefusedError): ...
class AccountError(RefusedError): ...
class BalanceError(RefusedError): ...
class ContentError(RefusedError): ...

class NotSentError(EmayVoiceError):
    reason: str
    path: str
    permanent: bool
    status: int | None
    body: bytes
    def __init__(
        self,
        reason: str,
        path: str = "",
        permanent: bool = False,
        status: int | None = None,
        body: bytes = b"",
    ) -> None: ...

class OutcomeUnknownError(EmayVoiceError):
    reason: str
    path: str
    def __init__(self, reason: str, path: str = "") -> None: ...

class AnswerError(OutcomeUnknownError):
    reason: str
    path: str
    status: int
    body: bytes
    def __init__(self, reason: str, path: str, status: int, body: bytes) -> None: ...

class JournalError(EmayVoiceError):
    reason: str
    where: str
    def __init__(self, reason: str, where: str = "") -> None: ...

class ReportTimeoutError(EmayVoiceError, TimeoutError):
    seconds: float
    def __init__(self, seconds: float) -> None: ...

class TooManyReportsError(EmayVoiceError):
    limit: int
    def __init__(self, limit: int) -> None: ...

class SendError(EmayVoiceError):
    result: SendResult
    reason: str
    def __init__(self, result: SendResult, reason: str = "") -> None: ...

class PushError(EmayVoiceError):
    stage: str
    reason: str
    reports: tuple[Report, ...]
    broken: tuple[tuple[Any, str], ...]
    broken_count: int
    def __init__(
        self,
        stage: str,
        reason: str,
        reports: tuple[Report, ...] = (),
        broken: tuple[tuple[Any, str], ...] = (),
        broken_count: int = 0,
    ) -> None: ...
