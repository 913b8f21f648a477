"""The error tree: each class answers what the caller can do next.

::

    EmayVoiceError
    |- InvalidRequestError        our own check; nothing was sent (also a ValueError)
    |  |- DuplicateError           the number came before in the same input, and is called once
    |  `- UsageError              the client is closed or belongs to another loop (also a RuntimeError)
    |- RefusedError               the service said no: nobody is called, nothing is charged
    |  |- OverSpeedError          too many requests in the service's window
    |  |- AccountError            appId, signature, timestamp, address or service type
    |  |- BalanceError            the account has run out of money
    |  `- ContentError            the text is empty, too long or not a code
    |- NotSentError               certainly not acted on: safe to repeat
    |- OutcomeUnknownError        sent, no usable answer: may have been acted on and charged
    |  `- AnswerError             an answer outside the API document, kept whole
    |- JournalError               the journal cannot be used: nothing is sent without it
    |- ReportTimeoutError         no report came in time; it can still come (also a TimeoutError)
    |- TooManyReportsError        the store of reports is full: the fed reports were not stored
    |- SendError                  some batch of a send was not accepted
    `- PushError                  a push that could not be decoded

Every field goes to the base constructor, so that errors can be copied and pickled. Neither ``str``
nor ``repr`` shows a secret, a signature, the body of an answer or a whole phone number.
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
    """The root of everything this package raises on purpose."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"


class InvalidRequestError(EmayVoiceError, ValueError):
    """Our own check failed: nothing was sent and nothing was charged.

    ``field`` names the argument, ``rule`` says what must hold, ``limit`` is the bound of the rule
    where it has one, ``actual`` the length or number that broke it, and ``position`` the place in
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
    """The client cannot be used here: it is closed, or it belongs to another event loop.

    Nothing was sent. The message names the fix.
    """


class DuplicateError(InvalidRequestError):
    """The number came before in the same input: it is called once, and not for this entry.

    Nothing is wrong with the other entry. To call it again, send with ``allow_duplicates=True``.
    """


class RefusedError(EmayVoiceError):
    """The service answered with a result code other than SUCCESS: nobody is called or charged.

    ``code`` is a :class:`~emay_voice_async.model.codes.ResultCode`, or the plain text of a code that the
    API document does not list; ``meaning`` its meaning ("" when unknown); ``path`` the endpoint.
    """

    def __init__(self, code: str, meaning: str, path: str) -> None:
        super().__init__(code, meaning, path)
        self.code = code
        self.meaning = meaning
        self.path = path

    def __str__(self) -> str:
        meaning = f" ({self.meaning})" if self.meaning else ""
        return f"{self.path} was refused: {str.__str__(self.code)}{meaning}"


class OverSpeedError(RefusedError):
    """Too many requests of this kind within the service's window; the request did not count."""


class AccountError(RefusedError):
    """Wrong appId, signature, timestamp, client address or service type: repeats fail alike."""


class BalanceError(RefusedError):
    """The account has no money left; send again after it was charged up."""


class ContentError(RefusedError):
    """The text was refused: empty, too long, or not a verification code."""


class NotSentError(EmayVoiceError):
    """The request certainly did not reach the service: nobody is called, and a repeat is safe."""

    def __init__(self, reason: str, path: str = "") -> None:
        super().__init__(reason, path)
        self.reason = reason
        self.path = path

    def __str__(self) -> str:
        return f"{self.path} was not sent: {self.reason}" if self.path else f"not sent: {self.reason}"


class OutcomeUnknownError(EmayVoiceError):
    """The request left, and no usable answer came: it may have been acted on and charged.

    It is never repeated for you. Whether the calls were made shows in the status reports, which
    carry the custom ids of the recipients.
    """

    def __init__(self, reason: str, path: str = "") -> None:
        super().__init__(reason, path)
        self.reason = reason
        self.path = path

    def __str__(self) -> str:
        where = f" of {self.path}" if self.path else ""
        return f"the outcome{where} is unknown: {self.reason}"


class AnswerError(OutcomeUnknownError):
    """An answer that the API document does not know, such as an HTML page or half a JSON text.

    ``status`` is the HTTP status, ``body`` the whole body in bytes, shown neither in ``str`` nor
    in ``repr``. A getReport may have removed reports: they are in ``body`` and nowhere else.
    """

    def __init__(self, reason: str, path: str, status: int, body: bytes) -> None:
        super().__init__(reason, path)
        self.args = (reason, path, status, body)
        self.status = status
        self.body = body

    def __str__(self) -> str:
        return f"{super().__str__()} (HTTP {self.status}, {len(self.body)} bytes)"


class JournalError(EmayVoiceError):
    """The journal cannot be used: it is another campaign's, locked, damaged, or its disk is full.

    What was not claimed in it before was not sent. ``reason`` says what is wrong, ``where`` which journal.
    """

    def __init__(self, reason: str, where: str = "") -> None:
        super().__init__(reason, where)
        self.reason = reason
        self.where = where

    def __str__(self) -> str:
        return f"the journal {self.where}: {self.reason}" if self.where else f"the journal: {self.reason}"


class ReportTimeoutError(EmayVoiceError, TimeoutError):
    """The report that was awaited did not come in time: how the call ended is not known yet.

    The report is not lost: when it comes, it is there for whoever asks for it next. ``seconds`` is
    how long it was awaited.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds

    def __str__(self) -> str:
        return f"no report came within {self.seconds:.3g} seconds"


class TooManyReportsError(EmayVoiceError):
    """No more reports are stored before stored ones are taken: none of the fed reports was stored.

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
    """Some batch of a send was not accepted; look at each before sending anything again.

    ``result`` is the :class:`~emay_voice_async.model.results.SendResult` with every outcome, those of
    accepted batches included: their numbers are called whatever became of the others.
    """

    def __init__(self, result: Any) -> None:
        super().__init__(result)
        self.result = result

    def __str__(self) -> str:
        return str(self.result)


class PushError(EmayVoiceError):
    """A push that could not be decoded. The texts are constant and tell nothing about the key.

    ``stage`` says where it failed: "size", "decrypt", "inflate" or "decode". After "decode",
    ``reports`` holds the reports that could be read all the same, and ``broken`` pairs of a raw
    value and the reason why it could not.
    """

    def __init__(
        self, stage: str, reason: str, reports: tuple[Any, ...] = (), broken: tuple[tuple[Any, str], ...] = ()
    ) -> None:
        super().__init__(stage, reason, reports, broken)
        self.stage = stage
        self.reason = reason
        self.reports = reports
        self.broken = broken

    def __str__(self) -> str:
        return f"{self.stage}: {self.reason}"
