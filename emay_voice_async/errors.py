"""The error tree: each class tells the caller the next step.

::

    EmayVoiceError
    |- InvalidRequestError        a check of the arguments failed; no request was sent (also a ValueError)
    |  |- DuplicateError           a duplicate number of the same input; the first is called
    |  `- UsageError              the client is closed or belongs to another loop (also a RuntimeError)
    |- RefusedError               the service refused: no call, no charge
    |  |- OverSpeedError          too many requests in the service's window
    |  |- AccountError            appId, signature, timestamp, address or service type
    |  |- BalanceError            the account has run out of money
    |  `- ContentError            the text is empty, too long or not a code
    |- NotSentError               certainly not acted on: safe to repeat
    |- OutcomeUnknownError        sent, no usable response: may have been acted on and charged
    |  `- AnswerError             a response outside the API document, kept whole
    |- JournalError               the journal cannot be used: no request is sent without a journal entry
    |- ReportTimeoutError         no report came in time, and may come later (also a TimeoutError)
    |- TooManyReportsError        the store of reports is full: the fed reports were not stored
    |- SendError                  some batch of a send was not accepted
    `- PushError                  a push that could not be decoded

Every field goes to the base constructor, so that errors can be copied and pickled. ``str`` and
``repr`` show no secret, no signature, no response body and no whole phone number.
"""

from typing import Any

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
    """The root of all errors that this package raises on purpose.

    ``request_id`` is the id of the request in events and log records; "" for an error without a request.
    """

    request_id: str = ""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"


class InvalidRequestError(EmayVoiceError, ValueError):
    """A check of the arguments failed: no request was sent, no charge was made.

    ``field`` names the argument, ``rule`` states the requirement, ``limit`` is the bound of the rule
    (None without a bound), ``actual`` the length, number or type found, and ``position`` the place in
    the list of recipients, counted from 0. The value itself is never part of the error.
    """

    def __init__(
        self,
        field: str,
        rule: str,
        limit: int | None = None,
        actual: int | str | None = None,
        position: int | None = None,
    ) -> None:
        super().__init__(field, rule, limit, actual, position)
        self.field = field
        self.rule = rule
        self.limit = limit
        self.actual = actual
        self.position = position

    def __str__(self) -> str:
        where = "" if self.position is None else f" at position {self.position}"
        found = "" if self.actual is None else f" (found {self.actual})"
        return f"{self.field}{where}: {self.rule}{found}"


class UsageError(InvalidRequestError, RuntimeError):
    """The client is closed, or belongs to another event loop.

    No request was sent. The message names the fix.
    """


class DuplicateError(InvalidRequestError):
    """A duplicate: an earlier entry of the same input has this number, and is the entry that is called.

    To call the number for each entry, send with ``allow_duplicates=True``.
    """


class RefusedError(EmayVoiceError):
    """The service answered with an error code: no call is made, no charge is made.

    ``code`` is a :class:`~emay_voice_async.model.codes.ResultCode`, or the plain text of an unlisted
    code; ``meaning`` is the meaning of the code ("" when unknown); ``path`` the endpoint.
    """

    def __init__(self, code: str, meaning: str, path: str) -> None:
        super().__init__(code, meaning, path)
        self.code = code
        self.meaning = meaning
        self.path = path

    def __str__(self) -> str:
        meaning = f" ({self.meaning})" if self.meaning else ""
        return f"{self.path} was refused: {self.code}{meaning}"


class OverSpeedError(RefusedError):
    """Too many requests of this kind within the service's window; the refused request does not count."""


class AccountError(RefusedError):
    """Wrong appId, signature, timestamp, client address or service type: a retry fails alike."""


class BalanceError(RefusedError):
    """The account has no money left; send again after a top-up."""


class ContentError(RefusedError):
    """The text was refused: empty, too long, or not a verification code."""


class NotSentError(EmayVoiceError):
    """The service certainly did not act on the request: no call is made, and a retry is safe.

    ``permanent``: a retry fails alike until a setting or the address is corrected. ``status`` and
    ``body`` belong to an HTTP response with a status of "not acted on", such as a redirect or 404
    (None and ``b""`` without a response); ``str`` and ``repr`` hide the body.
    """

    def __init__(
        self,
        reason: str,
        path: str = "",
        permanent: bool = False,
        status: int | None = None,
        body: bytes = b"",
    ) -> None:
        super().__init__(reason, path)
        self.args: tuple[object, ...] = (reason, path, permanent, status, body)
        self.reason = reason
        self.path = path
        self.permanent = permanent
        self.status = status
        self.body = body

    def __str__(self) -> str:
        text = f"{self.path} was not sent: {self.reason}" if self.path else f"not sent: {self.reason}"
        if self.status is None:
            return text
        return f"{self.path} was not acted on: {self.reason} (HTTP {self.status}, {len(self.body)} bytes)"


class OutcomeUnknownError(EmayVoiceError):
    """The request was sent, and no usable response came: the service may have acted and charged.

    The client never retries such a send. The status reports show which calls were made: they carry
    the custom ids of the recipients.
    """

    def __init__(self, reason: str, path: str = "") -> None:
        super().__init__(reason, path)
        self.reason = reason
        self.path = path

    def __str__(self) -> str:
        where = f" of {self.path}" if self.path else ""
        return f"the outcome{where} is unknown: {self.reason}"


class AnswerError(OutcomeUnknownError):
    """A response outside the API document, such as an HTML page or half a JSON text.

    ``status`` is the HTTP status, ``body`` the whole body in bytes; ``str`` and ``repr`` show only
    the length of the body. A getReport may have removed reports: the body is their only copy.
    """

    def __init__(self, reason: str, path: str, status: int, body: bytes) -> None:
        super().__init__(reason, path)
        self.args: tuple[object, ...] = (reason, path, status, body)
        self.status = status
        self.body = body

    def __str__(self) -> str:
        return f"{super().__str__()} (HTTP {self.status}, {len(self.body)} bytes)"


class JournalError(EmayVoiceError):
    """The journal belongs to another campaign, is locked or damaged, or the disk is full.

    Numbers without an entry in the journal were not sent. ``where`` names the journal, ``reason`` the
    fault.
    """

    def __init__(self, reason: str, where: str = "") -> None:
        super().__init__(reason, where)
        self.reason = reason
        self.where = where

    def __str__(self) -> str:
        return f"the journal {self.where}: {self.reason}" if self.where else f"the journal: {self.reason}"


class ReportTimeoutError(EmayVoiceError, TimeoutError):
    """The awaited report did not come in time: the end of the call is not known yet.

    A report that comes later goes to the next reader of reports. ``seconds`` is the time waited.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds

    def __str__(self) -> str:
        return f"no report came within {self.seconds:.3g} seconds"


class TooManyReportsError(EmayVoiceError):
    """The store of reports is full: none of the fed reports was stored. Take stored reports first.

    ``limit`` is the client's ``max_undelivered``. A receiver whose handler raises this answers 500, so that the
    service can push again.
    """

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.limit = limit

    def __str__(self) -> str:
        return (
            f"{self.limit} reports are stored and were not taken: take them by reports() or take_reports(), or raise"
            " max_undelivered"
        )


class SendError(EmayVoiceError):
    """Some batch of a send was not accepted; check every outcome before the next send.

    ``result`` is the :class:`~emay_voice_async.model.results.SendResult` with all outcomes. Numbers of
    accepted batches are called, in spite of the failure of other batches. ``reason`` is the failure of the
    input or of the journal ("" without such a failure). The text counts numbers and batches by outcome, and
    ends with that reason, or else with the reason of the first batch that was not accepted.
    """

    def __init__(self, result: Any, reason: str = "") -> None:
        super().__init__(result, reason)
        self.result = result
        self.reason = reason

    def __str__(self) -> str:
        reason = self.reason or _first_reason(self.result)
        return f"{self.result}; {reason}" if reason else str(self.result)


def _first_reason(result: Any) -> str:
    """Return the reason of the first outcome that is neither accepted nor a duplicate."""
    found = (getattr(outcome, "error", None) for outcome in result.outcomes)
    error = next((item for item in found if item is not None and not isinstance(item, DuplicateError)), "")
    if isinstance(error, RefusedError):
        return f"{error.code} {getattr(error.code, 'meaning', error.meaning)}".rstrip()
    return str(error)


class PushError(EmayVoiceError):
    """A push that could not be decoded. The texts are constant and reveal no detail about the key.

    ``stage`` names the failed step: "size", "decrypt", "inflate" or "decode". After "decode",
    ``reports`` holds the readable reports, ``broken`` pairs of an unreadable raw value and the reason, at
    most 100, and ``broken_count`` the number of unreadable values.
    """

    def __init__(
        self,
        stage: str,
        reason: str,
        reports: tuple[Any, ...] = (),
        broken: tuple[tuple[Any, str], ...] = (),
        broken_count: int = 0,
    ) -> None:
        broken_count = max(broken_count, len(broken))
        super().__init__(stage, reason, reports, broken, broken_count)
        self.stage = stage
        self.reason = reason
        self.reports = reports
        self.broken = broken
        self.broken_count = broken_count

    def __str__(self) -> str:
        return f"{self.stage}: {self.reason}"
