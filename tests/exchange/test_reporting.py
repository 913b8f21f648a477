"""What happens to a call, as events and log records, with exact seconds in virtual time."""

import asyncio
import contextvars
import gc
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import httpx
import pytest
from support.event_log import EventLog
from support.exchange_world import BALANCE, SUCCESS, World, in_world
from support.http_transport import Step, answers, code, hangs, raises
from support.virtual_time import CancellingLoop, cancel_everywhere, now

from emay_voice_async.errors import NotSentError, OutcomeUnknownError, RefusedError
from emay_voice_async.events import (
    Event,
    LateAnswer,
    RequestAnswered,
    RequestNotSent,
    RequestRefused,
    RequestRetried,
    RequestSent,
    RequestUnknown,
    SlotWaited,
)
from emay_voice_async.exchange.attempts import PendingCall
from emay_voice_async.exchange.labels import RequestLabel
from emay_voice_async.model.endpoints import VOICE_BALANCE, VOICE_REPORTS, VOICE_SEND, Call, Product


def fields(label: str = "x-1", attempt: int = 1) -> dict[str, Any]:
    """Return the fields of a request that a test made."""
    return {
        "request_id": label,
        "send_id": "",
        "path": "/voice/send",
        "product": Product.VOICE,
        "call": Call.SEND,
        "numbers": 0,
        "attempt": attempt,
    }


def observed(main: Callable[[World], Awaitable[Any]], *steps: Step, **options: Any) -> EventLog:
    """Run a test in a world with a handler; return the events, which must keep the rules."""
    log = EventLog()

    async def living(world: World) -> None:
        world.exchanges.event_handlers.add(log)
        await main(world)

    in_world(World(*steps, **options), living)
    log.check()
    return log


async def call(world: World, **options: Any) -> Any:
    """Make a call with a known id."""
    return await world.call(label=RequestLabel("x-1"), **options)


def failing(error: type[Exception], **options: Any) -> Callable[[World], Awaitable[None]]:
    """Make a call that ends with an error, which has the id of the request."""

    async def main(world: World) -> None:
        with pytest.raises(error) as caught:
            await call(world, **options)
        assert caught.value.request_id == "x-1"  # type: ignore[attr-defined]

    return main


class TestEvents:
    """The events of one call."""

    def test_answered(self) -> None:
        """A request waits, is sent, and is answered: the seconds are those of the wait and of the round trip."""

        async def main(world: World) -> None:
            await world.seconds_until_a_slot()
            asyncio.get_running_loop().call_later(0.25, world.exchanges._pacer._queues[Call.SEND].give_back)  # type: ignore[attr-defined]
            await call(world)

        assert observed(main, answers(SUCCESS, after=0.5)) == [
            SlotWaited(**fields(), seconds=0.25),
            RequestSent(**fields()),
            RequestAnswered(**fields(), status=200, seconds=0.5),
        ]

    def test_refused(self) -> None:
        """A refusal has its code, and the HTTP status, which is that of a success."""
        log = observed(failing(RefusedError), code("ERROR_SIGN", after=0.5))
        assert log[2:] == [RequestRefused(**fields(), code="ERROR_SIGN", status=200, seconds=0.5)]

    def test_unknown(self) -> None:
        """A broken connection has the name of the exception of the HTTP client."""
        log = observed(failing(OutcomeUnknownError), raises(httpx.ReadError("..."), after=0.5))
        assert log[2:] == [
            RequestUnknown(
                **fields(), error="OutcomeUnknownError", cause="ReadError", status=None, seconds=0.5
            )
        ]

    def test_an_unusable_answer(self) -> None:
        """A response outside the document has its HTTP status."""
        [end] = observed(failing(OutcomeUnknownError), answers(b"<html>", status=502))[2:]
        assert isinstance(end, RequestUnknown)
        assert (end.error, end.status) == ("AnswerError", 502)

    def test_not_sent_with_a_status(self) -> None:
        """A status of "not acted on" is no unknown outcome."""
        [end] = observed(failing(NotSentError), answers(b"", status=404))[2:]
        assert isinstance(end, RequestNotSent)
        assert (end.error, end.status, end.seconds) == ("NotSentError", 404, 0.0)

    def test_the_deadline_before_a_slot(self) -> None:
        """A request that never had a slot has no seconds."""

        async def main(world: World) -> None:
            await world.seconds_until_a_slot()
            await failing(NotSentError, deadline=now() + 1)(world)

        assert observed(main, answers(SUCCESS)) == [
            RequestNotSent(
                **fields(attempt=0), error="NotSentError", cause="TimeoutError", status=None, seconds=None
            )
        ]

    def test_retried(self, caplog: pytest.LogCaptureFixture) -> None:
        """A retry has code, pause and seconds; the log record of the retry has the fields of the event."""
        caplog.set_level(logging.INFO)
        log = observed(call, code("ERROR_OVER_SPEED", after=0.5), answers(SUCCESS, after=0.25))
        retry = RequestRetried(
            **fields(),
            code="ERROR_OVER_SPEED",
            error="OverSpeedError",
            cause="",
            status=200,
            pause=0.0,
            seconds=0.5,
        )
        assert log[2] == retry
        assert [type(event) for event in log[3:]] == [SlotWaited, RequestSent, RequestAnswered]
        assert {event.attempt for event in log.of(SlotWaited)} == {1, 2}
        assert log[-1] == RequestAnswered(**fields(attempt=2), status=200, seconds=0.25)
        [record] = [one for one in caplog.records if "is sent again" in one.message]
        assert record.__dict__["emay_event"] == "RequestRetried"
        assert record.__dict__["emay_request_id"] == "x-1"
        assert record.__dict__["emay_code"] == "ERROR_OVER_SPEED"

    def test_a_late_answer(self, caplog: pytest.LogCaptureFixture) -> None:
        """A response after the caller's patience is an event of its own, and a log record with the same id."""
        caplog.set_level(logging.INFO)
        log = observed(failing(OutcomeUnknownError), answers(SUCCESS, after=40))
        assert log[2:] == [
            RequestUnknown(**fields(), error="OutcomeUnknownError", cause="", status=None, seconds=30),
            LateAnswer(**fields(), outcome="accepted", code="", seconds=40),
        ]
        [record] = [one for one in caplog.records if "after its caller left" in one.message]
        assert record.__dict__["emay_request_id"] == "x-1"

    @pytest.mark.parametrize(
        ("step", "outcome", "found"),
        [
            (code("ERROR_SIGN", after=40), "refused", "ERROR_SIGN"),
            (answers(b"<html>", after=40), "unknown", ""),
        ],
    )
    def test_a_late_failure(self, step: Step, outcome: str, found: str) -> None:
        """A late response may be a refusal, or say nothing."""
        late = observed(failing(OutcomeUnknownError), step)[-1]
        assert isinstance(late, LateAnswer)
        assert (late.outcome, late.code) == (outcome, found)

    def test_no_answer_at_all(self) -> None:
        """Without a response within twice the timeout, the late event says unknown."""
        late = observed(failing(OutcomeUnknownError), hangs)[-1]
        assert isinstance(late, LateAnswer)
        assert (late.outcome, late.seconds) == ("unknown", 60)

    @pytest.mark.parametrize("endpoint", [VOICE_REPORTS, VOICE_BALANCE], ids=lambda one: one.path)
    def test_other_calls(self, endpoint: Any) -> None:
        """A call without a label gets an id of its own."""

        async def main(world: World) -> None:
            for _ in range(2):
                await world.call(endpoint)

        log = observed(main, answers(SUCCESS if endpoint is VOICE_REPORTS else BALANCE, after=2))
        assert len({event.request_id for event in log}) == 2
        assert {(event.call, event.path) for event in log.of(RequestSent)} == {(endpoint.call, endpoint.path)}


class TestCancellation:
    """The end of a call whose caller is cancelled."""

    def cancelled(self, after: float, *steps: Step, **options: Any) -> EventLog:
        """Cancel a call after some seconds."""

        async def main(world: World) -> None:
            task = asyncio.ensure_future(call(world))
            await asyncio.sleep(after)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        return observed(main, *steps, **options)

    def test_in_flight(self) -> None:
        """The outcome is unknown to the caller; the response comes as a late one."""
        assert self.cancelled(1, answers(SUCCESS, after=3))[2:] == [
            RequestUnknown(**fields(), error="CancelledError", cause="", status=None, seconds=1),
            LateAnswer(**fields(), outcome="accepted", code="", seconds=3),
        ]

    @pytest.mark.parametrize("step", [code("ERROR_SIGN", after=1), answers(SUCCESS, after=1)])
    def test_at_every_turn(self, step: Step) -> None:
        """A request whose outcome the caller does not learn has a late end, also if it ends in that very turn."""
        failures: list[dict[str, Any]] = []
        ends: Counter[tuple[type[Event], ...]] = Counter()

        def scenario() -> Callable[[CancellingLoop], Awaitable[None]]:
            async def play(loop: CancellingLoop) -> None:
                loop.set_exception_handler(lambda _, context: failures.append(context))
                log = EventLog()
                async with World(step) as world:
                    world.exchanges.event_handlers.add(log)
                    loop.victim = asyncio.ensure_future(call(world))
                    await asyncio.wait([loop.victim])
                    await asyncio.sleep(3)
                log.check()
                posted = bool(log.of(RequestSent))
                assert len(log.of(LateAnswer)) == (posted and loop.victim.cancelled() and world.script.ended)
                ends[tuple(map(type, log[2:]))] += 1
                if not loop.victim.cancelled():
                    loop.victim.exception()

            return play

        cancel_everywhere(scenario)
        gc.collect()
        assert not failures
        assert ends[RequestUnknown, LateAnswer] > 2

    def test_while_connecting(self) -> None:
        """A request of which no byte was written is not sent, and has no late end."""
        log = self.cancelled(1, answers(SUCCESS), traced=True, connecting=5.0)
        assert log[2:] == [
            RequestNotSent(**fields(), error="CancelledError", cause="", status=None, seconds=1)
        ]

    def test_before_a_slot(self) -> None:
        """A request that waits is not sent."""

        async def main(world: World) -> None:
            await world.seconds_until_a_slot()
            task = asyncio.ensure_future(call(world))
            await asyncio.sleep(1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        [end] = observed(main, answers(SUCCESS))
        assert isinstance(end, RequestNotSent)
        assert (end.error, end.seconds, end.attempt) == ("CancelledError", None, 0)


class TestObserver:
    """The observer of the caller goes on observing."""

    def test_stopped_calls_have_no_end(self) -> None:
        """A call that its observer stops before posting goes on later, and has no end yet."""

        async def main(world: World) -> None:
            for steps in (("slot",), ("slot", "posted")):
                with pytest.raises(Exception, match="/voice/send"):
                    await call(world, observe=lambda step, steps=steps: step.value != steps[-1])

        assert [type(event) for event in observed(main, answers(SUCCESS))] == [SlotWaited, SlotWaited]

    def test_a_failed_preparation_has_no_end(self) -> None:
        """An error that is not of this package, such as the end of the calling hours, has no event."""

        async def prepare() -> None:
            raise ValueError("mine")

        async def main(world: World) -> None:
            with pytest.raises(ValueError, match=r"^mine$"):
                await call(world, prepare=prepare)

        assert [type(event) for event in observed(main, answers(SUCCESS))] == [SlotWaited]

    def test_a_fault_in_reading(self) -> None:
        """Any exception after posting is an unknown outcome."""

        async def main(world: World) -> None:
            def read(_: object) -> None:
                raise ZeroDivisionError

            with pytest.raises(ZeroDivisionError):
                await world.exchanges.call(VOICE_SEND, b"", read)

        [end] = observed(main, answers(SUCCESS))[2:]
        assert isinstance(end, RequestUnknown)
        assert end.error == "ZeroDivisionError"


def test_context_variables_of_a_handler() -> None:
    """What a handler sets for a request is seen by the HTTP client, and by no other code."""
    variable = contextvars.ContextVar("variable", default="")
    seen: list[str] = []

    def handler(event: Event) -> None:
        if isinstance(event, RequestSent):
            variable.set(event.request_id)

    async def step(request: httpx.Request) -> httpx.Response:
        seen.append(variable.get())
        return await answers(SUCCESS)(request)

    async def main(world: World) -> None:
        world.exchanges.event_handlers.add(handler)
        await call(world)
        assert variable.get() == ""

    in_world(World(step), main)
    assert seen == ["x-1"]


@pytest.mark.parametrize("step", [answers(SUCCESS), answers(SUCCESS, after=40)])
def test_a_call_is_freed_at_once(step: Step) -> None:
    """A call with a handler leaves no cycle of references: it would keep the numbers of a batch in memory."""
    label = RequestLabel("freed")

    async def main(world: World) -> None:
        gc.disable()
        with suppress(OutcomeUnknownError):
            await world.call(label=label)
        await asyncio.sleep(60)

    try:
        observed(main, step)
        assert not [one for one in gc.get_objects() if isinstance(one, PendingCall) and one.label is label]
    finally:
        gc.enable()


def test_no_event_without_a_handler(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a handler a retry makes no event unless it is logged; then the log record has the fields."""
    made: list[object] = []
    monkeypatch.setattr(
        "emay_voice_async.exchange.reporting.CallReporter.__init__", lambda self, *_: made.append(self)
    )

    async def main(world: World) -> None:
        await call(world)

    caplog.set_level(logging.WARNING, "emay_voice_async")
    in_world(World(code("ERROR_OVER_SPEED"), answers(SUCCESS)), main)
    assert not made
    monkeypatch.undo()
    caplog.set_level(logging.INFO, "emay_voice_async")
    in_world(World(code("ERROR_OVER_SPEED", after=1), answers(SUCCESS)), main)
    [record] = [one for one in caplog.records if "is sent again" in one.message]
    assert record.__dict__["emay_request_id"] == "x-1"
    assert record.__dict__["emay_seconds"] == 1
