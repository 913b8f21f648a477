"""The handlers of events: checked when added; failures are logged and have no other effect."""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from importlib import import_module
from typing import TYPE_CHECKING, Final

from emay_voice_async.errors import UsageError
from emay_voice_async.model.checks import check_callback

if TYPE_CHECKING:
    # Importing the classes of the events takes milliseconds, which a client without a handler saves.
    from emay_voice_async.events.values import Event

__all__ = ["EventHandlers", "OnEvent"]

logger: logging.Logger = logging.getLogger(__name__)

OnEvent = Callable[["Event"], object]

_PAUSE: Final = 60.0
"""Seconds between two log records about the failures of a handler with a kind of event."""


class _Failures:
    """The count of failures that were not logged, and the time from which the next failure is logged."""

    def __init__(self) -> None:
        self.unlogged = 0
        self.logged_from = 0.0


class _Handler:
    """A handler, and the failures by kind of event."""

    def __init__(self, function: OnEvent) -> None:
        self.function = function
        self.failures: dict[type, _Failures] = {}

    def call(self, event: "Event") -> None:
        """Call the handler; log a failure, at most once a minute for each kind of event."""
        try:
            result = self.function(event)
            if isinstance(result, Coroutine):
                result.close()
                raise TypeError("the handler returned a coroutine; it must be a plain function")
        except (Exception, asyncio.CancelledError) as error:
            # A CancelledError comes from another task, by result() of a cancelled task for example: no await is here.
            self._log(error, type(event))

    def _log(self, error: BaseException, kind: type) -> None:
        failures = self.failures.setdefault(kind, _Failures())
        failures.unlogged += 1
        now = time.monotonic()
        if now >= failures.logged_from:
            logger.error(
                "a handler of events failed with %s (failures since the last such record: %d)",
                kind.__name__,
                failures.unlogged,
                exc_info=error,
                extra={"emay_event": kind.__name__},
            )
            failures.unlogged, failures.logged_from = 0, now + _PAUSE


class EventHandlers:
    """The handlers of a client or a receiver, called in the order in which they were added.

    ``active``: there is a handler. Without a handler no event is made.
    """

    def __init__(self, on_event: OnEvent | None = None) -> None:
        self.active: bool = False
        self._handlers: tuple[_Handler, ...] = ()
        if on_event is not None:
            self.add(on_event)

    def add(self, function: OnEvent) -> None:
        """Add a handler: a plain function of one argument, the event."""
        check_callback("on_event", function, "the event")
        if any(one.function == function for one in self._handlers):
            raise UsageError("on_event", "was added before; a handler is called once for each event")
        # Now rather than at the first event, when requests are waiting.
        import_module("emay_voice_async.events.values")
        self._handlers = (*self._handlers, _Handler(function))
        self.active = True

    def remove(self, function: OnEvent) -> None:
        """Remove a handler that was added."""
        self._handlers = tuple(one for one in self._handlers if one.function != function)
        self.active = bool(self._handlers)

    @property
    def functions(self) -> tuple[OnEvent, ...]:
        """The handlers."""
        return tuple(one.function for one in self._handlers)

    def __call__(self, event: "Event") -> None:
        """Call each handler with an event. An exception of a handler is logged and has no other effect."""
        for handler in self._handlers:
            handler.call(event)
