"""The events of a send and of its batches.

This module is imported at the first send of a client with a handler: the classes of the events take time to make.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping
from typing import Final

from emay_voice_async.errors import RefusedError
from emay_voice_async.events.fields import error_names, shown_code
from emay_voice_async.events.handlers import EventHandlers
from emay_voice_async.events.values import BatchEnded, OutcomeName, SendEnded, SendStarted
from emay_voice_async.model.endpoints import Endpoint
from emay_voice_async.model.results import Accepted, NotSent, Outcome, Refused, Unknown
from emay_voice_async.sending.delivery import Batch

__all__ = ["SendReporter"]

_NAMES: Final[Mapping[type[Outcome], OutcomeName]] = {
    Accepted: "accepted",
    Refused: "refused",
    Unknown: "unknown",
    NotSent: "not_sent",
}


class SendReporter:
    """Makes the events of a send, beginning with the start. ``numbers``: the length of the input; None for a stream."""

    def __init__(
        self, handlers: EventHandlers, send_id: str, endpoint: Endpoint, numbers: int | None
    ) -> None:
        self._handlers = handlers
        self._send_id = send_id
        self._endpoint = endpoint
        self._started = _now()
        self._counts: Counter[OutcomeName] = Counter()
        self._unended: dict[Batch, float] = {}
        self._is_left = False
        self._error = ""
        handlers(
            SendStarted(request_id=send_id, path=endpoint.path, product=endpoint.product, numbers=numbers)
        )

    def batch_started(self, batch: Batch) -> None:
        """Count a batch, and keep the time of its start."""
        self._unended[batch] = _now()

    def failed(self, error: Exception) -> None:
        """Keep the error that ended the reading of the input, or the journal, for the end of the send."""
        self._error, _ = error_names(error)

    def left(self) -> None:
        """Report the end of the send, now or when the last batch in flight has ended."""
        self._is_left = True
        self._end_if_over()

    def batch_ended(self, batch: Batch) -> None:
        """Report the end of a batch."""
        name, numbers = _ending(batch)
        outcome = batch.outcome
        recorded = isinstance(outcome, Accepted | Unknown) and outcome.recorded
        error: BaseException | None = asyncio.CancelledError() if outcome is None else None
        if outcome is not None and not isinstance(outcome, Accepted):
            error = outcome.error
        self._counts[name] += numbers
        self._handlers(
            BatchEnded(
                request_id=batch.label.request_id,
                send_id=self._send_id,
                path=self._endpoint.path,
                product=self._endpoint.product,
                numbers=numbers,
                outcome=name,
                code=shown_code(error.code) if isinstance(error, RefusedError) else "",
                error="" if error is None else error_names(error)[0],
                recorded=recorded,
                seconds=_now() - self._unended.pop(batch),
            )
        )
        self._end_if_over()

    def _end_if_over(self) -> None:
        if self._unended or not self._is_left:
            return
        self._handlers(
            SendEnded(
                request_id=self._send_id,
                path=self._endpoint.path,
                product=self._endpoint.product,
                accepted=self._counts["accepted"],
                refused=self._counts["refused"],
                unknown=self._counts["unknown"],
                not_sent=self._counts["not_sent"],
                error=self._error,
                seconds=_now() - self._started,
            )
        )


def _ending(batch: Batch) -> tuple[OutcomeName, int]:
    """Return the outcome and the count of numbers; a task that was cancelled from outside left no outcome."""
    if batch.outcome is not None:
        return _NAMES[type(batch.outcome)], len(batch.prepared)
    return "unknown" if batch.abandoned_in_flight else "not_sent", len(batch.prepared)


def _now() -> float:
    return asyncio.get_running_loop().time()
