"""Instrumenting clients and receivers: accepted targets, and failures of an SDK."""

import asyncio
import importlib
import sys
from collections.abc import Sequence
from typing import Any

import pytest
from opentelemetry import metrics, trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from support.campaigns import voice_over
from support.event_log import EventLog
from support.http_transport import Script, accepts
from support.pushes import APP_ID, KEYS, PUSH
from support.telemetry import Telemetry
from support.virtual_time import run

from emay_voice_async import AsyncEmayVoice, InvalidRequestError, Notice, Report
from emay_voice_async.errors import UsageError
from emay_voice_async.events import Event
from emay_voice_async.receiver import PushReceiver
from emay_voice_async.telemetry import instrument, uninstrument


async def accept(reports: list[Report]) -> None:
    """Handle reports."""


def client(**options: Any) -> AsyncEmayVoice:
    """Make a client."""
    return AsyncEmayVoice("http://service", app_id="app", secret_key="secret", **options)


@pytest.mark.parametrize("make", [client, lambda: PushReceiver(KEYS, accept)], ids=["client", "receiver"])
class TestTargets:
    """Clients and receivers."""

    def test_twice(self, make: Any) -> None:
        """Instrumenting twice is refused with a sentence; after uninstrumenting it is accepted."""
        telemetry, target = Telemetry(), make()
        telemetry.instrument(target)
        with pytest.raises(UsageError) as caught:
            telemetry.instrument(target)
        assert str(caught.value) == "target: is instrumented already; call uninstrument(target) first"
        assert len(target.event_handlers.functions) == 2
        uninstrument(target)
        uninstrument(target)
        assert not target.event_handlers.active
        telemetry.instrument(target)

    def test_global_providers(self, make: Any) -> None:
        """Without providers the global providers are used, which have no effect until an SDK is set."""
        target = make()
        instrument(target)
        assert target.event_handlers.active


@pytest.mark.parametrize("target", [None, "client", AsyncEmayVoice, PushReceiver, object()])
@pytest.mark.parametrize("function", [instrument, uninstrument])
def test_other_targets(target: Any, function: Any) -> None:
    """Anything else is refused with a sentence."""
    with pytest.raises(InvalidRequestError) as caught:
        function(target)
    found = f"the class {target.__name__}" if isinstance(target, type) else type(target).__name__
    assert str(caught.value) == f"target: must be an AsyncEmayVoice or a PushReceiver (found {found})"


def test_beside_a_handler() -> None:
    """The client's own handler is called all the same, also after uninstrumenting."""
    log = EventLog()
    telemetry = Telemetry()
    script = Script(accepts())

    async def main() -> None:
        async with script.client() as http_client, voice_over(script, http_client, on_event=log) as voice:
            telemetry.instrument(voice)
            await voice.send(Notice("..."), "13800000000")
            uninstrument(voice)
            await voice.send(Notice("..."), "13800000000")

    run(main())
    log.check()
    assert log.names().count("SendEnded") == 2
    assert len(telemetry.spans) == 2


class _Failing(SpanProcessor):
    """A processor that raises on each call."""

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Raise."""
        raise RuntimeError("on_start")

    def on_end(self, span: ReadableSpan) -> None:
        """Raise."""
        raise RuntimeError("on_end")


class _FailingEnd(_Failing):
    """A processor that raises at the end of a span."""

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Do nothing."""


class _FailingExporter(SpanExporter):
    """An exporter that raises."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Raise."""
        raise RuntimeError("export")


@pytest.mark.parametrize(
    "processor",
    [_Failing(), _FailingEnd(), SimpleSpanProcessor(_FailingExporter())],
    ids=["on_start", "on_end", "export"],
)
def test_an_exporter_that_raises(processor: SpanProcessor, caplog: pytest.LogCaptureFixture) -> None:
    """A failure of the SDK or an exporter is logged; outcomes, metrics and pushes are the same."""
    telemetry = Telemetry()
    provider = TracerProvider()
    provider.add_span_processor(processor)
    script = Script(accepts(after=0.1))

    async def main() -> None:
        receiver = PushReceiver(KEYS, accept)
        instrument(receiver, tracer_provider=provider, meter_provider=telemetry.meter_provider)
        async with script.client() as http_client, voice_over(script, http_client) as voice:
            instrument(voice, tracer_provider=provider, meter_provider=telemetry.meter_provider)
            for _ in range(3):
                result = await voice.send(Notice("..."), ["13800000000", "13800000001"])
                assert len(result.tickets) == 2
            response = await receiver.handle("POST", "/", {"appId": APP_ID}, PUSH, None)
            assert response.status == 200
        assert not trace.get_current_span().get_span_context().is_valid

    run(main())
    assert telemetry.values("emay_voice.numbers", "emay_voice.outcome") == {("accepted",): 6}
    assert telemetry.values("emay_voice.pushes", "http.response.status_code") == {(200,): 1}
    assert caplog.records


def test_failing_metrics(caplog: pytest.LogCaptureFixture) -> None:
    """Metrics that fail cost no span and no outcome."""
    telemetry = Telemetry()
    script = Script(accepts())

    class Failing(metrics.NoOpMeterProvider):
        def get_meter(self, *args: Any, **kwargs: Any) -> Any:
            class Meter(metrics.NoOpMeter):
                def create_histogram(self, *args: Any, **kwargs: Any) -> Any:
                    return None

            return Meter("...")

    async def main() -> None:
        async with script.client() as http_client, voice_over(script, http_client) as voice:
            instrument(voice, tracer_provider=telemetry.tracer_provider, meter_provider=Failing())
            await voice.send(Notice("..."), "13800000000")

    run(main())
    assert len(telemetry.spans) == 2
    assert "AttributeError" in caplog.text


def test_a_missing_api(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without OpenTelemetry the import names the extra, with a command for a clone as well."""
    monkeypatch.setitem(sys.modules, "opentelemetry.metrics", None)
    monkeypatch.delitem(sys.modules, "emay_voice_async.telemetry")
    with pytest.raises(ImportError, match=r"opentelemetry\.metrics is missing") as caught:
        importlib.import_module("emay_voice_async.telemetry")
    assert 'pip install "emay_voice_async[otel]"' in str(caught.value)
    assert 'pip install ".[otel]"' in str(caught.value)


@pytest.mark.parametrize("target", [client(), PushReceiver(KEYS, accept)], ids=["client", "receiver"])
def test_other_events(target: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Unknown events, of a later version for example, are passed over."""
    telemetry = Telemetry()
    telemetry.instrument(target)
    target.event_handlers(Event(request_id="1"))
    assert not caplog.records
    assert not telemetry.spans


def test_many_clients_at_once() -> None:
    """Clients share providers, and each client has separate series and spans."""
    telemetry = Telemetry()

    async def one(app_id: str) -> None:
        script = Script(accepts(after=0.1))
        async with script.client() as http_client, voice_over(script, http_client, app_id=app_id) as voice:
            telemetry.instrument(voice)
            await voice.send(Notice("..."), "13800000000")

    async def main() -> None:
        await asyncio.gather(*(one(f"app-{number}") for number in range(5)))

    run(main())
    assert telemetry.values("emay_voice.numbers", "emay_voice.app_id") == {
        (f"app-{number}",): 1 for number in range(5)
    }
    assert len(telemetry.spans) == 10
