"""The cost of events and of OpenTelemetry, against a client without a handler."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import NoOpTracerProvider

from benchmarks import server
from benchmarks.clients import client
from benchmarks.findings import Finding, Plot, Reach, Table, compared
from benchmarks.measuring import interleaved
from benchmarks.samples import CONTENT, mobiles
from emay_voice_async import AsyncEmayVoice, Notice, VerificationCode
from emay_voice_async.telemetry import instrument

__all__ = ["measure"]

OFF = "no handler"
AGAIN = "no handler, a second client"
ON = "a handler that keeps the last event"
API = "instrumented, without an SDK"
SDK = "instrumented, spans and metrics by an SDK"
NUMBERS = 500


def _instrumented(voice: AsyncEmayVoice) -> None:
    spans = TracerProvider()
    spans.add_span_processor(BatchSpanProcessor(InMemorySpanExporter()))
    instrument(voice, tracer_provider=spans, meter_provider=MeterProvider([InMemoryMetricReader()]))


async def _measure(url: str, *, quick: bool) -> Finding:
    each = 2 if quick else 20
    numbers = mobiles(NUMBERS)
    async with (
        client(url) as off,
        client(url) as again,
        client(url) as on,
        client(url) as api,
        client(url) as sdk,
    ):
        on.event_handlers.add(deque[object](maxlen=1).append)
        instrument(api, tracer_provider=NoOpTracerProvider(), meter_provider=NoOpMeterProvider())
        _instrumented(sdk)
        clients = {OFF: off, AGAIN: again, ON: on, API: api, SDK: sdk}

        def repeated(send: Callable[[], Awaitable[object]]) -> Callable[[], Awaitable[None]]:
            async def run() -> None:
                for _ in range(each):
                    await send()

            return run

        def one_code(voice: AsyncEmayVoice) -> Callable[[], Awaitable[None]]:
            return repeated(lambda: voice.send(VerificationCode("4711"), numbers[0]))

        def one_batch(voice: AsyncEmayVoice) -> Callable[[], Awaitable[None]]:
            return repeated(lambda: voice.send(Notice(CONTENT), numbers))

        rounds = 3 if quick else 61
        codes = await interleaved(
            {name: one_code(voice) for name, voice in clients.items()}, rounds=rounds, each=each
        )
        batches = await interleaved(
            {name: one_batch(voice) for name, voice in clients.items()}, rounds=rounds, each=each
        )
    code_rows, code_ratios = compared(codes, [OFF])
    batch_rows, batch_ratios = compared(batches, [OFF])
    return Finding(
        name="events",
        title="What do events and OpenTelemetry cost?",
        meaning="Without a handler events cost nothing; spans and metrics cost less than half of a request.",
        text=(
            "CPU time of the client's process for one send over loopback, one after the other: of one verification"
            f" code, and of {NUMBERS} numbers. A send of one request has six events and two spans. The second client"
            " without a handler shows the noise of the measurement."
        ),
        tables=[
            Table(
                ("client", "one code", "/ no handler", f"{NUMBERS} numbers", "/ no handler"),
                [
                    (name, *code, *batch)
                    for (name, *code), (_, *batch) in zip(code_rows, batch_rows, strict=True)
                ],
            )
        ],
        reaches=[
            Reach(
                "a handler, one code",
                1.15,
                code_ratios[ON, OFF].middle,
                "Six values of attrs are made for each request, and the handler is called with each.",
            ),
            Reach(f"a handler, {NUMBERS} numbers", 1.1, batch_ratios[ON, OFF].middle),
        ],
        plots=[
            Plot(
                "CPU of one send",
                "us",
                {
                    "one code": [1e6 * sorted(found)[len(found) // 2] for found in codes.values()],
                    f"{NUMBERS} numbers": [
                        1e6 * sorted(found)[len(found) // 2] for found in batches.values()
                    ],
                },
                list(clients),
            )
        ],
    )


def measure(*, quick: bool = False) -> Finding:
    """Measure; return the table, the goals and the plots."""
    with server.running() as url:
        return asyncio.run(_measure(url, quick=quick))
