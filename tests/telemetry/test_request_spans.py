"""Spans of sends and requests."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing, suppress
from typing import Any

import httpx
import pytest
from opentelemetry import trace
from opentelemetry.propagate import inject
from opentelemetry.trace import SpanKind, StatusCode
from support.campaigns import voice_over
from support.clients import page
from support.http_transport import Script, Step, accepts, answers, code, hangs, raises
from support.send_scenarios import stream_of
from support.telemetry import Telemetry, as_text, attributes_of, parent_of
from support.virtual_time import run

from emay_voice_async import AsyncEmayVoice, EmayVoiceError, Notice, RateLimit, RateLimits, VerificationCode

LIMITS = RateLimits(send=RateLimit(1, 1.0), reports=None, balance=None)
NOT_SHOWN = ("emay_voice.request_id", "emay_voice.send_id")
ACCEPTED = """\
GET /remind [INTERNAL] UNSET
  send /voice/send [INTERNAL] UNSET
      emay_voice.app_id = app
      emay_voice.endpoint = /voice/send
      emay_voice.numbers = 600
      emay_voice.numbers.accepted = 600
      emay_voice.numbers.not_sent = 0
      emay_voice.numbers.refused = 0
      emay_voice.numbers.unknown = 0
      emay_voice.product = voice
      server.address = service
      server.port = 80
    POST /voice/send [CLIENT] UNSET
        emay_voice.app_id = app
        emay_voice.endpoint = /voice/send
        emay_voice.numbers = 500
        emay_voice.outcome = accepted
        emay_voice.product = voice
        emay_voice.slot.wait = 0.0
        http.request.method = POST
        http.response.status_code = 200
        server.address = service
        server.port = 80
        url.full = http://service/voice/send
    POST /voice/send [CLIENT] UNSET
        emay_voice.app_id = app
        emay_voice.endpoint = /voice/send
        emay_voice.numbers = 100
        emay_voice.outcome = accepted
        emay_voice.product = voice
        emay_voice.slot.wait = 0.0
        http.request.method = POST
        http.response.status_code = 200
        server.address = service
        server.port = 80
        url.full = http://service/voice/send"""
REFUSED = """\
GET /remind [INTERNAL] UNSET
  send /voice/send [INTERNAL] ERROR ERROR_SIGN: 2 refused
      emay_voice.app_id = app
      emay_voice.endpoint = /voice/send
      emay_voice.numbers = 2
      emay_voice.numbers.accepted = 0
      emay_voice.numbers.not_sent = 0
      emay_voice.numbers.refused = 2
      emay_voice.numbers.unknown = 0
      emay_voice.product = voice
      error.type = ERROR_SIGN
      server.address = service
      server.port = 80
    POST /voice/send [CLIENT] ERROR ERROR_SIGN: refused
        emay_voice.app_id = app
        emay_voice.code = ERROR_SIGN
        emay_voice.endpoint = /voice/send
        emay_voice.numbers = 2
        emay_voice.outcome = refused
        emay_voice.product = voice
        emay_voice.slot.wait = 0.0
        error.type = ERROR_SIGN
        http.request.method = POST
        http.response.status_code = 200
        server.address = service
        server.port = 80
        url.full = http://service/voice/send"""


def mobiles(number: int) -> list[str]:
    """Make different numbers."""
    return [f"138{one:08}" for one in range(number)]


def observed(
    main: Callable[[AsyncEmayVoice, Telemetry], Awaitable[Any]], *steps: Step, **options: Any
) -> Telemetry:
    """Run a test with an instrumented client."""
    telemetry = Telemetry()
    script = Script(*steps)

    async def living() -> None:
        async with script.client() as http_client, voice_over(script, http_client, **options) as voice:
            telemetry.instrument(voice)
            await main(voice, telemetry)

    run(living())
    return telemetry


def sent(*steps: Step, numbers: int = 2, **options: Any) -> Telemetry:
    """Send below a span of the caller."""

    async def main(voice: AsyncEmayVoice, telemetry: Telemetry) -> None:
        with telemetry.tracer.start_as_current_span("GET /remind"), suppress(EmayVoiceError):
            await voice.send(Notice("..."), mobiles(numbers))

    return observed(main, *steps, **options)


@pytest.mark.parametrize(
    ("step", "numbers", "text"), [(accepts(), 600, ACCEPTED), (code("ERROR_SIGN"), 2, REFUSED)]
)
def test_the_spans_of_a_send(step: Step, numbers: int, text: str) -> None:
    """A send is below the span of the caller and above its requests; a refusal is an ERROR with the code."""
    assert as_text(sent(step, numbers=numbers).spans, NOT_SHOWN) == text


@pytest.mark.parametrize(
    ("step", "outcome", "error_type", "status"),
    [
        (raises(httpx.ReadError("...")), "unknown", "ReadError", None),
        (answers(b"<html>", status=502), "unknown", "AnswerError", 502),
        (answers(b"", status=404), "not_sent", "NotSentError", 404),
        (code("ERROR_NEEDMORE_BALANCE"), "refused", "ERROR_NEEDMORE_BALANCE", 200),
        (hangs, "unknown", "OutcomeUnknownError", None),
    ],
)
def test_failed_requests(step: Step, outcome: str, error_type: str, status: int | None) -> None:
    """Every failure is an ERROR span with a type; the span of the send has the type of the first error."""
    telemetry = sent(step)
    [send] = telemetry.named("send /voice/send")
    [request] = telemetry.named("POST /voice/send")
    for span in (send, request):
        assert span.status.status_code is StatusCode.ERROR
    found = attributes_of(request)
    assert found["emay_voice.outcome"] == outcome
    assert found["error.type"] == error_type
    assert found.get("http.response.status_code") == status
    assert attributes_of(send)[f"emay_voice.numbers.{outcome}"] == 2


def test_each_attempt_has_a_span() -> None:
    """A retry is a separate span, with the number of earlier attempts and the seconds of the wait."""
    telemetry = sent(code("ERROR_OVER_SPEED"), accepts(), rate_limits=LIMITS)
    first, second = telemetry.named("POST /voice/send")
    [send] = telemetry.named("send /voice/send")
    assert parent_of(first) == parent_of(second) == send.context.span_id
    assert (first.status.status_code, second.status.status_code) == (StatusCode.ERROR, StatusCode.UNSET)
    assert attributes_of(first)["error.type"] == "ERROR_OVER_SPEED"
    assert attributes_of(first)["emay_voice.outcome"] == "retried"
    assert attributes_of(second)["http.request.resend_count"] == 1
    assert attributes_of(second)["emay_voice.slot.wait"] > 1
    assert send.status.status_code is StatusCode.UNSET


def test_a_request_without_a_slot() -> None:
    """A request that is never sent has a span, too: an ERROR."""

    async def main(voice: AsyncEmayVoice, telemetry: Telemetry) -> None:
        await voice.send(VerificationCode("4711"), mobiles(1))
        with suppress(EmayVoiceError):
            await voice.send(VerificationCode("4711"), mobiles(1), deadline=0.5)

    telemetry = observed(main, accepts(), rate_limits=LIMITS)
    _, failed = telemetry.named("POST /voice/sendVFCode")
    assert failed.status.status_code is StatusCode.ERROR
    assert attributes_of(failed)["emay_voice.outcome"] == "not_sent"
    assert attributes_of(failed)["error.type"] == "TimeoutError"


def test_duplicates_are_no_error() -> None:
    """A duplicate number is called once, so that the send is no error."""

    async def main(voice: AsyncEmayVoice, telemetry: Telemetry) -> None:
        await voice.send(Notice("..."), mobiles(2) * 2)

    [send] = observed(main, accepts()).named("send /voice/send")
    assert send.status.status_code is StatusCode.UNSET
    assert attributes_of(send)["emay_voice.numbers.not_sent"] == 2


def test_a_failing_input() -> None:
    """An error of the input makes the span of the send an ERROR; a stream has no length."""

    async def failing() -> Any:
        yield mobiles(1)[0]
        raise OSError("...")

    async def main(voice: AsyncEmayVoice, telemetry: Telemetry) -> None:
        with suppress(EmayVoiceError):
            await voice.send(Notice("..."), failing())

    [send] = observed(main, accepts()).named("send /voice/send")
    assert send.status.description == "OSError: 1 accepted"
    assert "emay_voice.numbers" not in attributes_of(send)


class TestParents:
    """Parents across tasks."""

    def test_many_sends_at_once(self) -> None:
        """Batches of many sends, sent in tasks of the client, are below the span of their own caller."""

        async def caller(voice: AsyncEmayVoice, telemetry: Telemetry, name: str) -> None:
            with telemetry.tracer.start_as_current_span(name):
                outcomes = voice.send_batches(VerificationCode("4711"), stream_of(mobiles(4), gap=0.1))
                async with aclosing(outcomes):
                    async for _ in outcomes:
                        await asyncio.sleep(0.05)

        async def main(voice: AsyncEmayVoice, telemetry: Telemetry) -> None:
            await asyncio.gather(*(caller(voice, telemetry, f"caller {one}") for one in range(3)))

        telemetry = observed(main, accepts(after=0.3))
        by_id = {span.context.span_id: span for span in telemetry.spans}
        found: list[str] = []
        for request in telemetry.named("POST /voice/sendVFCode"):
            send = by_id[parent_of(request) or 0]
            assert send.name == "send /voice/sendVFCode"
            assert (
                attributes_of(request)["emay_voice.send_id"] == attributes_of(send)["emay_voice.request_id"]
            )
            found.append(by_id[parent_of(send) or 0].name)
        assert sorted(found) == [f"caller {one}" for one in range(3) for _ in range(4)]

    def test_a_caller_that_left(self) -> None:
        """After the caller left, the request in flight is below the span of the send, and both end together."""

        async def main(voice: AsyncEmayVoice, telemetry: Telemetry) -> None:
            with telemetry.tracer.start_as_current_span("caller"), suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await voice.send(Notice("..."), mobiles(2))

        telemetry = observed(main, accepts(after=5))
        caller, send, request = telemetry.spans
        assert parent_of(send) == caller.context.span_id
        assert parent_of(request) == send.context.span_id
        assert attributes_of(send)["emay_voice.numbers.accepted"] == 2
        assert (caller.end_time or 0) < (request.end_time or 0) <= (send.end_time or 0)

    def test_reports_and_balance(self) -> None:
        """A getReport and a balance query are below the span of their caller, with the counts of reports."""

        async def main(voice: AsyncEmayVoice, telemetry: Telemetry) -> None:
            with telemetry.tracer.start_as_current_span("caller"):
                await voice.take_reports()
                with suppress(EmayVoiceError):
                    await voice.get_balance()

        telemetry = observed(main, answers(page("1", "2")), code("ERROR_SIGN"))
        caller, reports, balance = telemetry.spans
        assert parent_of(reports) == parent_of(balance) == caller.context.span_id
        assert (reports.name, balance.name) == ("POST /voice/getReport", "POST /voice/getBalance")
        assert attributes_of(reports)["emay_voice.reports"] == 2
        assert balance.status.status_code is StatusCode.ERROR

    def test_the_background_reader(self) -> None:
        """The getReport requests of the background reader, which serves all waiters, have no parent."""

        async def main(voice: AsyncEmayVoice, telemetry: Telemetry) -> None:
            with telemetry.tracer.start_as_current_span("caller"):
                await voice.wait_for_report("c-1", timeout=10)

        data = {"code": "SUCCESS", "data": [{"voiceId": "1", "customVoiceId": "c-1", "state": "SUCCESS"}]}
        telemetry = observed(main, answers(page()), answers(data))
        requests = telemetry.named("POST /voice/getReport")
        assert [parent_of(span) for span in requests] == [None, None]

    def test_the_http_client(self) -> None:
        """The span of an attempt is the current one for the HTTP client, and for no other code."""
        seen: list[Any] = []

        async def step(request: httpx.Request) -> httpx.Response:
            headers: dict[str, str] = {}
            inject(headers)
            seen.append((trace.get_current_span().get_span_context().span_id, headers["traceparent"]))
            return await answers({"code": "SUCCESS", "data": "1.5"})(request)

        async def main(voice: AsyncEmayVoice, telemetry: Telemetry) -> None:
            before = trace.get_current_span()
            await voice.get_balance()
            assert trace.get_current_span() is before

        [span] = observed(main, step).spans
        [(current, traceparent)] = seen
        assert current == span.context.span_id
        assert f"{current:016x}" in traceparent
        assert span.kind is SpanKind.CLIENT


def test_instrumented_in_the_middle() -> None:
    """Requests and sends that began before make no span when they end."""
    telemetry = Telemetry()
    script = Script(answers(page("1"), after=1), accepts(after=1))

    async def main() -> None:
        async with script.client() as http_client, voice_over(script, http_client, on_event=print) as voice:
            reports = asyncio.ensure_future(voice.take_reports())
            send = asyncio.ensure_future(voice.send(Notice("..."), mobiles(1)))
            await asyncio.sleep(0.5)
            telemetry.instrument(voice)
            await asyncio.gather(reports, send)
            await voice.send(Notice("..."), mobiles(1))

    run(main())
    assert [span.name for span in telemetry.spans] == ["send /voice/send", "POST /voice/send"]


def test_a_late_answer_is_no_span() -> None:
    """A late response ends nothing twice."""
    telemetry = sent(accepts(after=40))
    assert [span.name for span in telemetry.spans] == ["GET /remind", "send /voice/send", "POST /voice/send"]
