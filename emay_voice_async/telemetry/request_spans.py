"""Spans of sends and requests, made out of events.

The parent of a request of a send is the span of the send, and the parent of a send is the current span of the caller,
in whatever task a batch is sent. Each attempt of a request has a span, as the conventions for HTTP say. That span is
the current span of the HTTP client: spans of an instrumented HTTP client are children, and a ``traceparent`` header
names the span.
"""

from collections.abc import Callable, Mapping
from typing import Any

from attrs import define, field
from opentelemetry import context, trace
from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer

from emay_voice_async.events.values import (
    BatchEnded,
    Event,
    ReportsTaken,
    RequestAnswered,
    RequestEvent,
    RequestNotSent,
    RequestRefused,
    RequestRetried,
    RequestSent,
    RequestUnknown,
    SendEnded,
    SendStarted,
    SlotWaited,
)
from emay_voice_async.telemetry import attributes as names

__all__ = ["RequestSpans"]


@define(eq=False)
class _SendSpan:
    """The span of a send, and the code or the class of the first error of a batch."""

    span: Span
    error_type: str = ""


@define(eq=False)
class RequestSpans:
    """A handler of the events of a client that makes spans."""

    _tracer: Tracer
    _base_url: str
    _attributes: Mapping[str, Any]
    _sends: dict[str, _SendSpan] = field(factory=dict, init=False)
    _requests: dict[str, Span] = field(factory=dict, init=False)
    _waited: dict[str, float] = field(factory=dict, init=False)
    _by_kind: Mapping[type[Event], Callable[[Any], None]] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._by_kind = {
            SendStarted: self._start_send,
            SlotWaited: self._note_wait,
            RequestSent: self._start_request,
            RequestRetried: self._end_retried,
            RequestAnswered: self._end_answered,
            RequestRefused: self._end_refused,
            RequestUnknown: self._end_unknown,
            RequestNotSent: self._end_not_sent,
            ReportsTaken: self._count_reports,
            BatchEnded: self._note_batch,
            SendEnded: self._end_send,
        }

    def __call__(self, event: Event) -> None:
        """Begin or end a span, or add to a span."""
        handle = self._by_kind.get(type(event))
        if handle is not None:
            handle(event)

    def _start_send(self, event: SendStarted) -> None:
        found = {
            **self._attributes,
            names.REQUEST_ID: event.request_id,
            names.ENDPOINT: event.path,
            names.PRODUCT: event.product.value,
        }
        if event.numbers is not None:
            found[names.NUMBERS] = event.numbers
        # The current span is the span of the caller.
        span = self._tracer.start_span(f"send {event.path}", kind=SpanKind.INTERNAL, attributes=found)
        self._sends[event.request_id] = _SendSpan(span)

    def _note_batch(self, event: BatchEnded) -> None:
        self._waited.pop(event.request_id, None)
        send = self._sends.get(event.send_id)
        # A duplicate is called by another entry of the input.
        if send is not None and event.error != "DuplicateError" and not send.error_type:
            send.error_type = event.code or event.error

    def _end_send(self, event: SendEnded) -> None:
        send = self._sends.pop(event.request_id, None)
        if send is None:
            return
        counts = {
            "accepted": event.accepted,
            "refused": event.refused,
            "unknown": event.unknown,
            "not_sent": event.not_sent,
        }
        for outcome, numbers in counts.items():
            send.span.set_attribute(f"{names.NUMBERS}.{outcome}", numbers)
        if error_type := send.error_type or event.error:
            text = ", ".join(f"{numbers} {outcome}" for outcome, numbers in counts.items() if numbers)
            _fail(send.span, error_type, text.replace("_", " "))
        send.span.end()

    def _note_wait(self, event: SlotWaited) -> None:
        self._waited[event.request_id] = event.seconds

    def _start_request(self, event: RequestSent) -> None:
        span = self._request_span(event)
        self._requests[event.request_id] = span
        # Not detached: the context belongs to this attempt alone.
        context.attach(trace.set_span_in_context(span))

    def _request_span(self, event: RequestEvent) -> Span:
        found = {
            **self._attributes,
            names.METHOD: "POST",
            names.URL: self._base_url + event.path,
            names.REQUEST_ID: event.request_id,
            names.ENDPOINT: event.path,
            names.PRODUCT: event.product.value,
        }
        if event.attempt > 1:
            found[names.RESEND_COUNT] = event.attempt - 1
        if event.send_id:
            found.update({names.SEND_ID: event.send_id, names.NUMBERS: event.numbers})
        waited = self._waited.pop(event.request_id, None)
        if waited is not None:
            found[names.WAITED] = waited
        send = self._sends.get(event.send_id)
        parent = None if send is None else trace.set_span_in_context(send.span)
        return self._tracer.start_span(
            f"POST {event.path}", context=parent, kind=SpanKind.CLIENT, attributes=found
        )

    def _end_answered(self, event: RequestAnswered) -> None:
        self._end_request(event, event.status, "accepted")

    def _end_refused(self, event: RequestRefused) -> None:
        self._end_request(event, event.status, "refused", event.code, code=event.code)

    def _end_retried(self, event: RequestRetried) -> None:
        self._end_request(
            event, event.status, "retried", event.code or event.cause or event.error, code=event.code
        )

    def _end_unknown(self, event: RequestUnknown) -> None:
        self._end_request(event, event.status, "unknown", event.cause or event.error)

    def _end_not_sent(self, event: RequestNotSent) -> None:
        if event.seconds is None:
            # No attempt is under way: the request waited for its slot, or for a retry.
            self._requests[event.request_id] = self._request_span(event)
        self._end_request(event, event.status, "not_sent", event.cause or event.error)

    def _end_request(
        self, event: RequestEvent, status: int | None, outcome: str, error_type: str = "", *, code: str = ""
    ) -> None:
        span = self._requests.pop(event.request_id, None)
        if span is None:
            # The request began before the client was instrumented.
            return
        span.set_attribute(names.OUTCOME, outcome)
        if status is not None:
            span.set_attribute(names.STATUS, status)
        if code:
            span.set_attribute(names.CODE, code)
        if error_type:
            _fail(span, error_type, outcome.replace("_", " "))
        span.end()

    def _count_reports(self, event: ReportsTaken) -> None:
        span = self._requests.get(event.request_id)
        if span is not None:
            span.set_attribute(names.REPORTS, event.reports)
            span.set_attribute(names.BROKEN, event.broken)


def _fail(span: Span, error_type: str, description: str) -> None:
    span.set_attribute(names.ERROR_TYPE, error_type)
    span.set_status(StatusCode.ERROR, f"{error_type}: {description}")
