"""Instrumenting a client or a receiver: handlers of events that make spans and metrics."""

from typing import Final

from opentelemetry import metrics, trace
from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import TracerProvider

from emay_voice_async.client import AsyncEmayVoice
from emay_voice_async.errors import InvalidRequestError, UsageError
from emay_voice_async.events.handlers import OnEvent
from emay_voice_async.model.version import __version__
from emay_voice_async.receiver.app import PushReceiver
from emay_voice_async.telemetry import attributes as names
from emay_voice_async.telemetry.instruments import instruments_of
from emay_voice_async.telemetry.push_metrics import PushMetrics
from emay_voice_async.telemetry.push_spans import PushSpans
from emay_voice_async.telemetry.request_metrics import RequestMetrics
from emay_voice_async.telemetry.request_spans import RequestSpans

__all__ = ["instrument", "uninstrument"]

_KINDS: Final = (RequestSpans, RequestMetrics, PushSpans, PushMetrics)


def instrument(
    target: AsyncEmayVoice | PushReceiver,
    *,
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
) -> None:
    """Make spans and metrics of a client or a receiver, from now on, beside ``on_event``.

    None as a provider: the global one. A failure of an SDK or an exporter is logged and has no other effect. Raises
    :class:`UsageError` for a target that is instrumented already.
    """
    _check(target)
    if _handlers_of(target):
        raise UsageError("target", "is instrumented already; call uninstrument(target) first")
    tracer = trace.get_tracer("emay_voice_async", __version__, tracer_provider)
    instruments = instruments_of(metrics.get_meter_provider() if meter_provider is None else meter_provider)
    handlers: tuple[OnEvent, ...]
    if isinstance(target, PushReceiver):
        handlers = PushSpans(tracer), PushMetrics(instruments)
    else:
        account = {names.APP_ID: target.app_id}
        address = names.address_attributes(target.base_url)
        handlers = (
            RequestSpans(tracer, target.base_url, {**account, **address}),
            RequestMetrics(instruments, lambda: target.stats.limits, account),
        )
    for handler in handlers:
        target.event_handlers.add(handler)


def uninstrument(target: AsyncEmayVoice | PushReceiver) -> None:
    """Make no more spans and metrics of a client or a receiver; without effect on any other client or receiver."""
    _check(target)
    for handler in _handlers_of(target):
        target.event_handlers.remove(handler)


def _handlers_of(target: AsyncEmayVoice | PushReceiver) -> list[OnEvent]:
    return [one for one in target.event_handlers.functions if isinstance(one, _KINDS)]


def _check(target: object) -> None:
    if not isinstance(target, AsyncEmayVoice | PushReceiver):
        found = f"the class {target.__name__}" if isinstance(target, type) else type(target).__name__
        raise InvalidRequestError("target", "must be an AsyncEmayVoice or a PushReceiver", None, found)
