"""The events and log records of a call.

This module is imported at the first event or retry: the classes of the events take time to make.
"""

import asyncio
import logging
from contextvars import copy_context
from typing import Any

from emay_voice_async.errors import EmayVoiceError, RefusedError
from emay_voice_async.events.fields import error_names, log_fields, shown_code
from emay_voice_async.events.handlers import EventHandlers
from emay_voice_async.events.values import (
    LateAnswer,
    OutcomeName,
    RequestAnswered,
    RequestEvent,
    RequestNotSent,
    RequestRefused,
    RequestRetried,
    RequestSent,
    RequestUnknown,
    SlotWaited,
)
from emay_voice_async.exchange.attempts import CallStep, PendingCall
from emay_voice_async.exchange.retries import Certainty, certainty_of

__all__ = ["CallReporter"]

logger: logging.Logger = logging.getLogger(__name__)


class CallReporter:
    """The observer of a call that makes events, and passes the steps on to the observer of the caller."""

    def __init__(self, call: PendingCall, handlers: EventHandlers) -> None:
        self._call = call
        self._handlers = handlers
        self._observe = call.observe
        endpoint, label = call.endpoint, call.label
        self._common: dict[str, Any] = {
            "request_id": label.request_id,
            "send_id": label.send_id,
            "path": endpoint.path,
            "product": endpoint.product,
            "call": endpoint.call,
            "numbers": label.numbers,
        }
        call.on_late = self._late

    def __call__(self, step: CallStep) -> bool:
        """Report a step, unless the observer of the caller stops the call."""
        call, label = self._call, self._call.label
        if step is CallStep.SLOT:
            self._handlers(SlotWaited(**self._common, attempt=label.attempt + 1, seconds=call.waited))
        goes_on = self._observe(step)
        if step is CallStep.POSTED and goes_on:
            # A copy, so that a handler can set context variables for this request and no other.
            call.context = copy_context()
            call.context.run(self._handlers, RequestSent(**self._common, attempt=label.attempt + 1))
        return goes_on

    def retried(self, error: EmayVoiceError, pause: float) -> None:
        """Report that the request will be sent again."""
        name, cause = error_names(error)
        event = RequestRetried(
            **self._fields(),
            code=_code_of(error),
            error=name,
            cause=cause,
            status=self._call.status,
            pause=pause,
            seconds=self._seconds(),
        )
        logger.info("%s is sent again: %s", self._call.endpoint.path, error, extra=log_fields(event))
        self._handlers(event)

    def answered(self) -> None:
        """Report the end of an answered call."""
        self._handlers(
            RequestAnswered(
                **self._fields(),
                status=self._call.status,
                seconds=self._seconds(),
            )
        )
        self._release()

    def failed(self, error: BaseException) -> None:
        """Report the end of a call with an error.

        A call that was stopped before posting, and will be made again, gets no event.
        """
        event = self._end(error)
        if event is not None:
            self._handlers(event)
        self._release()

    def _release(self) -> None:
        """Break the cycle of references to the call: it would keep the numbers until the garbage collector runs."""
        self._call.observe = self._observe
        if not self._call.left:
            self._call.on_late = None

    def _late(self, error: BaseException | None) -> None:
        outcome: OutcomeName = "accepted"
        if error is not None:
            outcome = "refused" if isinstance(error, RefusedError) else "unknown"
        self._handlers(
            LateAnswer(
                **self._fields(),
                outcome=outcome,
                code=_code_of(error),
                seconds=self._seconds(),
            )
        )
        self._call.on_late = None

    def _end(self, error: BaseException) -> RequestEvent | None:
        name, cause = error_names(error)
        if self._call.sent_at is None:
            if not isinstance(error, EmayVoiceError | asyncio.CancelledError):
                return None
            return RequestNotSent(
                **self._fields(),
                error=name,
                cause=cause,
                status=None,
                seconds=None,
            )
        seconds, status = self._seconds(), self._call.status
        if isinstance(error, RefusedError):
            return RequestRefused(
                **self._fields(),
                code=_code_of(error),
                status=status,
                seconds=seconds,
            )
        certain = isinstance(error, EmayVoiceError) and certainty_of(error) is Certainty.NOT_SENT
        if certain or self._call.left is False:
            return RequestNotSent(
                **self._fields(),
                error=name,
                cause=cause,
                status=status,
                seconds=seconds,
            )
        return RequestUnknown(
            **self._fields(),
            error=name,
            cause=cause,
            status=status,
            seconds=seconds,
        )

    def _fields(self) -> dict[str, Any]:
        return {**self._common, "attempt": self._call.label.attempt}

    def _seconds(self) -> float:
        """Return the seconds since the request was sent."""
        now = asyncio.get_running_loop().time()
        return now - (self._call.sent_at or now)


def _code_of(error: BaseException | None) -> str:
    return shown_code(error.code) if isinstance(error, RefusedError) else ""
