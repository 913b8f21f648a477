"""What happens to a push, as events and log records."""

import asyncio
import logging
from typing import Any

import pytest
from support.event_log import EventLog
from support.pushes import APP_ID, KEY, KEYS, OTHER_ID, PUSH, entry, seal, text_of
from support.virtual_time import run

from emay_voice_async import CallState, InvalidRequestError, Report
from emay_voice_async.events import DuplicatesSkipped, PushAnswered, PushReceived, PushRejected
from emay_voice_async.receiver import PushReceiver, RecentReports, Rejected
from emay_voice_async.receiver.asgi import ClientGoneError


async def accept(reports: list[Report]) -> None:
    """Handle reports in half a second."""
    await asyncio.sleep(0.5)


def pushed(*bodies: Any, app_id: str = APP_ID, method: str = "POST", **options: Any) -> EventLog:
    """Push the bodies one after the other; return the events, which must keep the rules."""
    log = EventLog()

    async def main() -> None:
        receiver = PushReceiver(KEYS, options.pop("on_reports", accept), on_event=log, **options)
        for body in bodies:
            await receiver.handle(method, "/secret-path", {"appId": app_id}, body, "203.0.113.9")

    run(main())
    log.check()
    return log


def answered(log: EventLog) -> PushAnswered:
    """Return the last event, without the id."""
    event = log[-1]
    assert isinstance(event, PushAnswered)
    return event


def test_a_push() -> None:
    """A push of three reports: its states, its seconds, and an account only when the key is found."""
    body = seal(text_of(entry("1"), entry("2", "FAIL_CALL"), entry("3")))
    log = pushed(body)
    key = log[0].request_id
    assert log == [
        PushReceived(request_id=key, app_id=""),
        PushAnswered(
            request_id=key,
            app_id=APP_ID,
            status=200,
            reports=3,
            states={CallState.SUCCESS: 2, CallState.FAIL_CALL: 1},
            error="",
            seconds=0.5,
        ),
    ]


def test_duplicates() -> None:
    """Reports that were handed over before are counted as duplicates, and not as reports."""
    log = pushed(
        seal(text_of(entry("1"), entry("2"))),
        seal(text_of(entry("2"), entry("3"), entry("2"))),
        deduplicate=RecentReports(),
    )
    [duplicates] = log.of(DuplicatesSkipped)
    assert (duplicates.reports, duplicates.app_id, duplicates.request_id) == (2, APP_ID, log[-1].request_id)
    assert [one.reports for one in log.of(PushAnswered)] == [2, 1]


@pytest.mark.parametrize(
    ("body", "stage", "broken", "status", "reports"),
    [
        (b"\0" * 32, "decrypt", 0, 400, 0),
        (seal(text_of(entry("1"), 7, 8)), "decode", 2, 200, 1),
        (seal(b"{}" * 40_000), "size", 0, 413, 0),
    ],
)
def test_rejected(body: bytes, stage: str, broken: int, status: int, reports: int) -> None:
    """A push that cannot be decoded has the stage and the count of broken entries."""
    log = pushed(body, max_size=1000)
    [rejected] = log.of(PushRejected)
    assert (rejected.stage, rejected.broken, rejected.complete, rejected.app_id) == (
        stage,
        broken,
        True,
        APP_ID,
    )
    assert (answered(log).status, answered(log).reports) == (status, reports)


def test_a_stranger() -> None:
    """The app_id of a request without a known account is not in the events."""
    log = pushed(PUSH, app_id="stranger")
    assert (answered(log).status, answered(log).app_id) == (403, "")
    assert "stranger" not in repr(log)
    assert answered(pushed(PUSH, method="GET")).status == 405


def test_another_key_in_pieces(caplog: pytest.LogCaptureFixture) -> None:
    """A body that was not read to the end is marked, and the log records have the id of the push."""

    async def body() -> Any:
        yield b"\0" * 5000
        yield b"\0" * 5000

    caplog.set_level(logging.INFO)
    log = pushed(body(), app_id=OTHER_ID)
    assert [one.complete for one in log.of(PushRejected)] == [False]
    assert answered(log).status == 400
    assert len(caplog.records) == 2
    assert {record.__dict__["emay_request_id"] for record in caplog.records} == {log[0].request_id}
    assert {record.__dict__["emay_app_id"] for record in caplog.records} == {OTHER_ID}


def test_a_handler_that_fails() -> None:
    """The class of the error is in the last event; the reports were not handed over."""

    async def failing(reports: list[Report]) -> None:
        raise OSError(reports[0].mobile)

    log = pushed(PUSH, on_reports=failing)
    assert (answered(log).status, answered(log).reports, answered(log).error) == (500, 0, "OSError")
    assert "138" not in repr(log)


def test_a_client_that_is_gone() -> None:
    """A push without a response has no status."""
    log = EventLog()

    async def body() -> Any:
        yield PUSH[:1]
        raise ClientGoneError

    async def main() -> None:
        receiver = PushReceiver({APP_ID: KEY}, accept, on_event=log)
        with pytest.raises(ClientGoneError):
            await receiver.handle("POST", "/", {"appId": APP_ID}, body(), None)

    run(main())
    log.check()
    assert (answered(log).status, answered(log).error) == (None, "ClientGoneError")


def test_cancelled() -> None:
    """A push whose handling is cancelled ends, too."""
    log = EventLog()

    async def main() -> None:
        receiver = PushReceiver(KEYS, accept, on_event=log)
        task = asyncio.ensure_future(receiver.handle("POST", "/", {"appId": APP_ID}, PUSH, None))
        await asyncio.sleep(0.25)
        task.cancel()
        await asyncio.wait([task])

    run(main())
    log.check()
    assert (answered(log).status, answered(log).error, answered(log).seconds) == (
        None,
        "CancelledError",
        0.25,
    )


def test_without_a_handler() -> None:
    """A receiver without a handler makes no event, and accepts one later."""

    async def main() -> None:
        receiver = PushReceiver(KEYS, accept)
        assert not receiver.event_handlers.active
        rejected: list[Rejected] = []
        await receiver.handle("POST", "/", {"appId": APP_ID}, PUSH, None)
        log = EventLog()
        receiver.event_handlers.add(log)
        await receiver.handle("POST", "/", {"appId": APP_ID}, PUSH, None)
        assert log.names() == ["PushReceived", "PushAnswered"]
        assert not rejected

    run(main())


def test_an_async_handler_is_refused() -> None:
    """The receiver refuses an async handler when it is made."""
    with pytest.raises(InvalidRequestError, match="on_event: must be a plain function, not an async one"):
        PushReceiver(KEYS, accept, on_event=accept)  # type: ignore[arg-type]
