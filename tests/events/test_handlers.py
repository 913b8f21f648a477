"""Handlers of events: accepted functions, and the cost of a failure."""

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from support.event_log import EventLog

from emay_voice_async.errors import InvalidRequestError, UsageError
from emay_voice_async.events import Event, EventHandlers, PushReceived, SlotWaited
from emay_voice_async.model.endpoints import Call, Product

EVENT = PushReceived(request_id="1", app_id="")
OTHER = SlotWaited(
    request_id="2",
    send_id="",
    path="/voice/send",
    product=Product.VOICE,
    call=Call.SEND,
    numbers=1,
    attempt=1,
    seconds=0.5,
)


class Keeper:
    """An object that is called."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def __call__(self, event: Event) -> None:
        """Keep the event."""
        self.events.append(event)


class TestAccepted:
    """Handlers that are accepted."""

    def test_any_plain_callable(self) -> None:
        """Functions, methods, partials and objects are called with each event, in the order of their adding."""
        seen: list[Any] = []
        found = Keeper()
        handlers = EventHandlers(seen.append)
        handlers.add(found)
        handlers.add(partial(lambda mark, event: seen.append((mark, event)), "a"))
        handlers(EVENT)
        assert seen == [EVENT, ("a", EVENT)]
        assert found.events == [EVENT]

    def test_removed(self) -> None:
        """A handler that was removed is not called any more, and without a handler no event is made."""
        seen: list[Event] = []
        handlers = EventHandlers(seen.append)
        assert handlers.active
        handlers.remove(print)
        assert handlers.active
        handlers.remove(seen.append)
        assert not handlers.active
        handlers(EVENT)
        assert not seen

    def test_without_a_handler(self) -> None:
        """None is no handler."""
        assert not EventHandlers().active


class TestRefused:
    """Handlers that are refused with a sentence."""

    @pytest.mark.parametrize(
        ("handler", "sentence"),
        [
            ("print", "on_event: must be a function of one argument, the event (found str)"),
            (1, "on_event: must be a function of one argument, the event (found int)"),
            (Keeper, "on_event: must be a function that takes one argument, the event"),
            (lambda: None, "on_event: must be a function that takes one argument, the event"),
            (lambda one, two: None, "on_event: must be a function that takes one argument, the event"),
        ],
    )
    def test_no_function_of_one_argument(self, handler: Any, sentence: str) -> None:
        """Only a function of one argument is accepted."""
        with pytest.raises(InvalidRequestError) as caught:
            EventHandlers(handler)
        assert str(caught.value) == sentence

    def test_async(self) -> None:
        """Async functions, methods and objects are refused: no code would await the coroutine."""

        async def function(event: Event) -> None: ...

        class Asynchronous:
            async def __call__(self, event: Event) -> None: ...

            async def method(self, event: Event) -> None: ...

        for handler in (function, Asynchronous(), Asynchronous().method, partial(function)):
            with pytest.raises(
                InvalidRequestError, match="on_event: must be a plain function, not an async one"
            ):
                EventHandlers(handler)

    def test_twice(self) -> None:
        """The same handler is not added twice."""
        log = EventLog()
        handlers = EventHandlers(log.append)
        with pytest.raises(UsageError, match="on_event: was added before"):
            handlers.add(log.append)


class TestFailures:
    """Handlers that fail."""

    @pytest.fixture
    def at(self, monkeypatch: pytest.MonkeyPatch) -> list[float]:
        """Give the time of the log records' limit by hand."""
        at = [100.0]
        monkeypatch.setattr("emay_voice_async.events.handlers.time.monotonic", lambda: at[0])
        return at

    def failing(self, error: BaseException) -> Callable[[Event], None]:
        """Return a handler that raises."""

        def handler(event: Event) -> None:
            raise error

        return handler

    def test_others_are_called(self, caplog: pytest.LogCaptureFixture) -> None:
        """A handler that raises does not keep the event from the others."""
        log = EventLog()
        handlers = EventHandlers(self.failing(ValueError("mine")))
        handlers.add(log)
        handlers(EVENT)
        assert log == [EVENT]
        [record] = caplog.records
        assert record.levelno == logging.ERROR
        assert record.name == "emay_voice_async.events.handlers"
        assert record.__dict__["emay_event"] == "PushReceived"
        assert "ValueError: mine" in caplog.text

    def test_logged_once_a_minute(self, caplog: pytest.LogCaptureFixture, at: list[float]) -> None:
        """The failures of a handler with a kind of event are logged at most once a minute, with their number."""
        handlers = EventHandlers(self.failing(ValueError("mine")))
        for _ in range(1000):
            handlers(EVENT)
        assert len(caplog.records) == 1
        handlers(OTHER)
        assert len(caplog.records) == 2
        at[0] += 60
        handlers(EVENT)
        assert [record.args for record in caplog.records] == [
            ("PushReceived", 1),
            ("SlotWaited", 1),
            ("PushReceived", 1000),
        ]

    def test_a_cancelled_error(self, caplog: pytest.LogCaptureFixture) -> None:
        """A CancelledError that a handler raises cancels nothing."""
        EventHandlers(self.failing(asyncio.CancelledError()))(EVENT)
        assert len(caplog.records) == 1

    def test_the_end_of_the_program(self) -> None:
        """KeyboardInterrupt and SystemExit are passed on."""
        for error in (KeyboardInterrupt, SystemExit):
            with pytest.raises(error):
                EventHandlers(self.failing(error()))(EVENT)

    def test_a_coroutine_comes_back(self, caplog: pytest.LogCaptureFixture) -> None:
        """A coroutine that a plain function returns is closed, and logged as a failure."""

        async def handle(event: Event) -> None: ...

        EventHandlers(lambda event: handle(event))(EVENT)
        assert "the handler returned a coroutine; it must be a plain function" in caplog.text
