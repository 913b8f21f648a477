"""OpenTelemetry: spans and metrics of a client or a receiver: ``pip install "emay_voice_async[otel]"``.

::

    from emay_voice_async.telemetry import instrument

    async with AsyncEmayVoice(...) as voice:
        instrument(voice)

Only the API of OpenTelemetry is used; the application chooses SDK and exporters. Spans: a send with its requests, a
getReport, a balance query, a push. A refusal by the service is an ERROR span with the result code, although the HTTP
status is 200; an unknown outcome is an ERROR span, too.
"""

from emay_voice_async.model.extras import missing_extra

try:
    import opentelemetry.metrics
    import opentelemetry.trace  # noqa: F401
except ModuleNotFoundError as _error:
    raise ImportError(missing_extra(_error.name, "otel"), name=_error.name) from _error

from emay_voice_async.telemetry.instrumentation import instrument, uninstrument

__all__ = ["instrument", "uninstrument"]
