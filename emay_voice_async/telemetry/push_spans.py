"""Spans of pushes, made out of events.

The span of a push is the current span while the push is handled, so that spans of ``on_reports`` are children. Below
the span of a web framework the kind of the span is INTERNAL, else SERVER.
"""

from collections.abc import Callable, Mapping
from contextvars import Token
from typing import Any, Final

from attrs import define, field
from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer

from emay_voice_async.events.values import (
    DuplicatesSkipped,
    Event,
    PushAnswered,
    PushReceived,
    PushRejected,
)
from emay_voice_async.telemetry import attributes as names

__all__ = ["PushSpans"]

_SERVER_ERROR: Final = 500


@define(eq=False)
class _PushSpan:
    """The span of a push, the token that restores the previous current span, and the failed step of the decoding."""

    span: Span
    token: Token[Context]
    error_type: str = ""


@define(eq=False)
class PushSpans:
    """A handler of the events of a receiver that makes spans."""

    _tracer: Tracer
    _pushes: dict[str, _PushSpan] = field(factory=dict, init=False)
    _by_kind: Mapping[type[Event], Callable[[Any], None]] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._by_kind = {
            PushReceived: self._start,
            PushRejected: self._reject,
            DuplicatesSkipped: self._count_duplicates,
            PushAnswered: self._end,
        }

    def __call__(self, event: Event) -> None:
        """Begin or end a span, or add to a span."""
        handle = self._by_kind.get(type(event))
        if handle is not None:
            handle(event)

    def _start(self, event: PushReceived) -> None:
        below = trace.get_current_span().get_span_context().is_valid
        span = self._tracer.start_span(
            "push of reports",
            kind=SpanKind.INTERNAL if below else SpanKind.SERVER,
            attributes={names.REQUEST_ID: event.request_id},
        )
        # Receiving and answering are reported in the same context, so that the token is valid.
        self._pushes[event.request_id] = _PushSpan(span, context.attach(trace.set_span_in_context(span)))

    def _reject(self, event: PushRejected) -> None:
        push = self._pushes.get(event.request_id)
        if push is not None:
            push.error_type = event.stage
            push.span.set_attribute(names.BROKEN, event.broken)

    def _count_duplicates(self, event: DuplicatesSkipped) -> None:
        push = self._pushes.get(event.request_id)
        if push is not None:
            push.span.set_attribute(names.DUPLICATES, event.reports)

    def _end(self, event: PushAnswered) -> None:
        push = self._pushes.pop(event.request_id, None)
        if push is None:
            # The push came before the receiver was instrumented.
            return
        context.detach(push.token)
        span, status = push.span, event.status
        if event.app_id:
            span.set_attribute(names.APP_ID, event.app_id)
        span.set_attribute(names.REPORTS, event.reports)
        if status is not None:
            span.set_attribute(names.STATUS, status)
        failed = status is None or status >= _SERVER_ERROR
        error_type = event.error or push.error_type or (str(status) if failed else "")
        if error_type:
            span.set_attribute(names.ERROR_TYPE, error_type)
            span.set_status(StatusCode.ERROR, error_type)
        span.end()
