"""Spans of pushes."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode
from support.pushes import APP_ID, KEYS, PUSH, entry, seal, text_of
from support.telemetry import Telemetry, attributes_of, parent_of
from support.virtual_time import run

from emay_voice_async import Report
from emay_voice_async.receiver import PushReceiver, RecentReports

Handler = Callable[[list[Report]], Awaitable[None]]


async def accept(reports: list[Report]) -> None:
    """Handle reports."""


def pushed(*bodies: bytes, handler: Handler = accept, app_id: str = APP_ID) -> Telemetry:
    """Push the bodies to an instrumented receiver."""
    telemetry = Telemetry()

    async def main() -> None:
        receiver = PushReceiver(KEYS, handler, deduplicate=RecentReports())
        telemetry.instrument(receiver)
        for body in bodies:
            await receiver.handle("POST", "/secret-path", {"appId": app_id}, body, None)
        assert not trace.get_current_span().get_span_context().is_valid

    run(main())
    return telemetry


def test_a_push() -> None:
    """A push is the span of a server, with counts, and the parent of what the handler does."""
    telemetry = Telemetry()

    async def handler(reports: list[Report]) -> None:
        with telemetry.tracer.start_as_current_span("insert"):
            await asyncio.sleep(0)

    found = pushed(PUSH, seal(text_of(entry("m1"), entry("m2"))), handler=handler)
    first, second = found.spans
    assert (first.name, first.kind, first.status.status_code) == (
        "push of reports",
        SpanKind.SERVER,
        StatusCode.UNSET,
    )
    assert (
        attributes_of(first).items()
        >= {
            "emay_voice.app_id": APP_ID,
            "emay_voice.reports": 1,
            "http.response.status_code": 200,
        }.items()
    )
    assert attributes_of(second)["emay_voice.reports.duplicates"] == 1
    assert [parent_of(span) for span in telemetry.named("insert")] == [
        first.context.span_id,
        second.context.span_id,
    ]
    assert "secret-path" not in str([span.to_json() for span in found.spans])


def test_below_a_framework() -> None:
    """Below the span of a framework the push is an internal span."""
    telemetry = Telemetry()

    async def main() -> None:
        receiver = PushReceiver(KEYS, accept)
        telemetry.instrument(receiver)
        with telemetry.tracer.start_as_current_span("POST /emay"):
            await receiver.handle("POST", "/", {"appId": APP_ID}, PUSH, None)

    run(main())
    framework, push = telemetry.spans
    assert (push.kind, parent_of(push)) == (SpanKind.INTERNAL, framework.context.span_id)


@pytest.mark.parametrize(
    ("body", "app_id", "error_type", "status"),
    [
        (b"\0" * 32, APP_ID, "decrypt", 400),
        (seal(text_of(entry("1"), 7)), APP_ID, "decode", 200),
        (PUSH, "stranger", "", 403),
    ],
)
def test_rejected(body: bytes, app_id: str, error_type: str, status: int) -> None:
    """A push that cannot be decoded is an ERROR with any response; a push of a stranger is no ERROR."""
    [span] = pushed(body, app_id=app_id).spans
    found = attributes_of(span)
    assert found["http.response.status_code"] == status
    assert found.get("error.type", "") == error_type
    assert (span.status.status_code is StatusCode.ERROR) is bool(error_type)
    assert "stranger" not in str(found)


def test_a_handler_that_fails() -> None:
    """A failure of the application is an ERROR with the class of the exception."""

    async def failing(reports: list[Report]) -> None:
        raise OSError("...")

    [span] = pushed(PUSH, handler=failing).spans
    assert span.status.description == "OSError"


def test_too_many_pushes() -> None:
    """A push without a place is an ERROR with the status."""
    telemetry = Telemetry()

    async def main() -> None:
        async def slow(reports: list[Report]) -> None:
            await asyncio.sleep(1)

        receiver = PushReceiver(KEYS, slow, max_requests=1)
        telemetry.instrument(receiver)
        first = asyncio.ensure_future(receiver.handle("POST", "/", {"appId": APP_ID}, PUSH, None))
        await asyncio.sleep(0.1)
        await receiver.handle("POST", "/", {"appId": APP_ID}, PUSH, None)
        first.cancel()
        await asyncio.wait([first])

    run(main())
    cancelled, refused = telemetry.spans
    assert refused.status.description == "503"
    assert cancelled.status.description == "CancelledError"


def test_instrumented_in_the_middle() -> None:
    """A push that came before makes no span."""
    telemetry = Telemetry()

    async def main() -> None:
        receiver: Any = None

        async def handler(reports: list[Report]) -> None:
            if not telemetry_added:
                telemetry_added.append(True)
                telemetry.instrument(receiver)

        telemetry_added: list[bool] = []
        receiver = PushReceiver(KEYS, handler, deduplicate=RecentReports(), on_event=print)
        broken = seal(text_of(entry("1"), entry("1"), 7))
        await receiver.handle("POST", "/", {"appId": APP_ID}, broken, None)

    run(main())
    assert not telemetry.spans
