"""OpenTelemetry's SDK with exporters in memory, and its spans and metrics as text and dicts."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from emay_voice_async import AsyncEmayVoice
from emay_voice_async.receiver import PushReceiver
from emay_voice_async.telemetry import instrument


class Telemetry:
    """A tracer provider and a meter provider of a test."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.tracer_provider = TracerProvider()
        self.tracer_provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.reader = InMemoryMetricReader()
        self.meter_provider = MeterProvider([self.reader])
        self.tracer = self.tracer_provider.get_tracer("test")

    def instrument(self, target: AsyncEmayVoice | PushReceiver) -> None:
        """Instrument a client or a receiver."""
        instrument(target, tracer_provider=self.tracer_provider, meter_provider=self.meter_provider)

    @property
    def spans(self) -> Sequence[ReadableSpan]:
        """The ended spans, in the order of their starts."""
        return sorted(self.exporter.get_finished_spans(), key=lambda span: span.start_time or 0)

    def named(self, name: str) -> list[ReadableSpan]:
        """List the spans of a name."""
        return [span for span in self.spans if span.name == name]

    def points(self, name: str) -> list[tuple[dict[str, Any], Any]]:
        """List attributes and data point of each series of a metric."""
        data = self.reader.get_metrics_data()
        return [
            (dict(point.attributes or {}), point)
            for resource in ([] if data is None else data.resource_metrics)
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
            for point in metric.data.data_points
        ]

    def values(self, name: str, *keys: str) -> dict[tuple[Any, ...], Any]:
        """Return the values of a counter or gauge, by these attributes."""
        return {
            tuple(attributes.get(key) for key in keys): point.value for attributes, point in self.points(name)
        }


def parent_of(span: ReadableSpan) -> int | None:
    """Return the id of the parent of a span."""
    return None if span.parent is None else span.parent.span_id


def attributes_of(span: ReadableSpan) -> dict[str, Any]:
    """Return the attributes of a span."""
    return dict(span.attributes or {})


def as_text(spans: Sequence[ReadableSpan], hidden: Sequence[str] = ()) -> str:
    """Write spans as a tree: name, kind, status, attributes; ``hidden`` attributes are left out."""
    children: defaultdict[int | None, list[ReadableSpan]] = defaultdict(list)
    known = {span.context.span_id for span in spans}
    for span in spans:
        parent = parent_of(span)
        children[parent if parent in known else None].append(span)

    def lines(parent: int | None, indent: str) -> list[str]:
        found = []
        for span in children[parent]:
            status = span.status.status_code
            text = f" {span.status.description}" if status is StatusCode.ERROR else ""
            found.append(f"{indent}{span.name} [{span.kind.name}] {status.name}{text}")
            found += [
                f"{indent}    {name} = {value}"
                for name, value in sorted(attributes_of(span).items())
                if name not in hidden
            ]
            found += lines(span.context.span_id, indent + "  ")
        return found

    return "\n".join(lines(None, ""))
