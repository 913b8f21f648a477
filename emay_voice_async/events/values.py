"""The events, as frozen values: ids, counts, codes and seconds; never a number, a secret, a custom id or content."""

from collections.abc import Mapping
from typing import Literal

from attrs import field, frozen

from emay_voice_async.model.codes import CallState
from emay_voice_async.model.endpoints import Call, Product

__all__ = [
    "BatchEnded",
    "DuplicatesSkipped",
    "Event",
    "LateAnswer",
    "OutcomeName",
    "PushAnswered",
    "PushEvent",
    "PushReceived",
    "PushRejected",
    "ReportsTaken",
    "RequestAnswered",
    "RequestEvent",
    "RequestNotSent",
    "RequestRefused",
    "RequestRetried",
    "RequestSent",
    "RequestUnknown",
    "SendEnded",
    "SendStarted",
    "SlotWaited",
]

OutcomeName = Literal["accepted", "refused", "unknown", "not_sent"]


@frozen(kw_only=True)
class Event:
    """The root of all events.

    ``request_id`` is the id of the request, the send or the push; log records have the same id, and errors of a
    request have the attribute ``request_id``. The ids of the requests of a send are the id of the send, a dot, and the
    index of the batch.
    """

    request_id: str


@frozen(kw_only=True)
class SendStarted(Event):
    """A send began: a call of ``send``, or the first iteration of ``send_batches``.

    ``path`` is the endpoint, ``product`` its product. ``numbers`` is the length of the input; None for a stream.
    """

    path: str
    product: Product
    numbers: int | None


@frozen(kw_only=True)
class SendEnded(Event):
    """A send and all its batches have ended. No further event of the send follows.

    ``path`` and ``product`` as in :class:`SendStarted`. ``accepted``, ``refused``, ``unknown`` and ``not_sent`` count
    numbers by outcome, outcomes of an earlier run (of the journal) included. ``error`` is the class of the error that
    ended the reading of the input, or "". ``seconds``: since the start of the send.
    """

    path: str
    product: Product
    accepted: int
    refused: int
    unknown: int
    not_sent: int
    error: str
    seconds: float


@frozen(kw_only=True)
class BatchEnded(Event):
    """A batch of a send ended.

    ``send_id`` is the id of the send; ``path`` and ``product`` are its endpoint; ``outcome`` is the word for the
    outcome. ``numbers`` is the count of numbers. ``code`` is the result code of a refusal, ``error`` the class of the
    error; both may be "". ``recorded``: the journal had the outcome from an earlier run. ``seconds``: since the batch
    began to wait.
    """

    send_id: str
    path: str
    product: Product
    numbers: int
    outcome: OutcomeName
    code: str
    error: str
    recorded: bool
    seconds: float


@frozen(kw_only=True)
class RequestEvent(Event):
    """An event of a request: of a batch, a getReport or a balance query.

    ``path`` is the endpoint, ``product`` its product, ``call`` the kind of call whose limit counts.
    ``send_id`` is the id of the send, or ""; ``numbers`` the count of numbers in the request. ``attempt`` counts
    from 1 how often the request is sent.
    """

    send_id: str
    path: str
    product: Product
    call: Call
    numbers: int
    attempt: int


@frozen(kw_only=True)
class SlotWaited(RequestEvent):
    """A slot was acquired after ``seconds`` of waiting; ``attempt`` is the attempt that is about to be made."""

    seconds: float


@frozen(kw_only=True)
class RequestSent(RequestEvent):
    """The request is handed to the HTTP client.

    One more event of the same attempt follows: ``RequestRetried``, ``RequestAnswered``, ``RequestRefused``,
    ``RequestUnknown`` or ``RequestNotSent``. Handlers are called in the context of the request: context variables
    that a handler sets are seen by the hooks of the HTTP client.
    """


@frozen(kw_only=True)
class RequestRetried(RequestEvent):
    """An attempt had no effect, and the request will be sent again: after ``pause`` seconds, and with a slot.

    ``code`` is the result code of a refusal, ``error`` the class of the error, ``cause`` the class of its cause; "" if
    there is none. ``status`` is the HTTP status, None without a response. ``seconds``: since the request was sent.
    """

    code: str
    error: str
    cause: str
    status: int | None
    pause: float
    seconds: float


@frozen(kw_only=True)
class RequestAnswered(RequestEvent):
    """The service answered with SUCCESS. ``status``: the HTTP status. ``seconds``: the round trip."""

    status: int | None
    seconds: float


@frozen(kw_only=True)
class RequestRefused(RequestEvent):
    """The service refused the request, for good.

    ``code``: the result code. ``status``: the HTTP status. ``seconds``: the round trip.
    """

    code: str
    status: int | None
    seconds: float


@frozen(kw_only=True)
class RequestUnknown(RequestEvent):
    """The request was sent, and no usable response came, or the caller left before.

    ``error`` is the class of the error, ``cause`` the class of its cause, such as ``ReadTimeout``, or "". ``status``
    is the HTTP status of an unusable response. ``seconds``: since the request was sent.
    """

    error: str
    cause: str
    status: int | None
    seconds: float


@frozen(kw_only=True)
class RequestNotSent(RequestEvent):
    """The request was certainly not acted on, and will not be sent again.

    ``error`` is the class of the error, ``cause`` the class of its cause, or "".
    ``seconds``: since the request was handed to the HTTP client; None if it was not (``attempt`` counts the earlier
    attempts then). ``status``: an HTTP status that says that the request was not acted on.
    """

    error: str
    cause: str
    status: int | None
    seconds: float | None


@frozen(kw_only=True)
class LateAnswer(RequestEvent):
    """The response to an unknown request came after all, when the caller had left.

    ``outcome`` is "accepted", "refused" (with the ``code``) or "unknown". ``seconds``: since the request was sent.
    """

    outcome: OutcomeName
    code: str
    seconds: float


@frozen(kw_only=True)
class ReportsTaken(Event):
    """A getReport returned reports, which are stored now; also when the response came late.

    ``path`` is the endpoint, ``product`` its product. ``reports`` counts the reports, ``states`` the readable reports
    by state; ``broken`` counts the unreadable reports.
    """

    path: str
    product: Product
    reports: int
    broken: int
    states: Mapping[CallState, int] = field(hash=False)


@frozen(kw_only=True)
class PushEvent(Event):
    """An event of a push. ``app_id`` is the account; "" until the account is known to the receiver."""

    app_id: str


@frozen(kw_only=True)
class PushReceived(PushEvent):
    """A request came to the receiver. Handlers are called in the context in which ``on_reports`` is called."""


@frozen(kw_only=True)
class PushRejected(PushEvent):
    """A push, or a part of it, could not be decoded.

    ``stage`` is that of the ``PushError``; ``broken`` counts the unreadable reports. ``complete`` is False if the body
    was not read to the end.
    """

    stage: str
    broken: int
    complete: bool


@frozen(kw_only=True)
class DuplicatesSkipped(PushEvent):
    """Reports of a push were not handed over, because they were handed over before: ``reports`` of them."""

    reports: int


@frozen(kw_only=True)
class PushAnswered(PushEvent):
    """A push was answered: the last event of a push.

    ``status`` is the HTTP status; None if the client was gone, or the handling was cancelled. ``reports`` counts the
    reports that were handed over, ``states`` those reports by state. ``error`` is the class of an unexpected error, or
    "". ``seconds``: since the push was received.
    """

    status: int | None
    reports: int
    states: Mapping[CallState, int] = field(hash=False)
    error: str
    seconds: float
