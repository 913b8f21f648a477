"""The events of a push.

This module is imported at the first push of a receiver with a handler: the classes of the events take time to make.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable

from emay_voice_async.events.fields import error_names
from emay_voice_async.events.handlers import EventHandlers
from emay_voice_async.events.values import DuplicatesSkipped, PushAnswered, PushReceived, PushRejected
from emay_voice_async.model.codes import CallState
from emay_voice_async.model.results import Report
from emay_voice_async.receiver.rejections import Rejected

__all__ = ["PushReporter"]


class PushReporter:
    """Makes the events of a push, beginning with the arrival, and counts the reports that were handed over.

    ``app_id``: the account, once the receiver has found its key.
    """

    def __init__(self, handlers: EventHandlers, request_id: str) -> None:
        self.app_id: str = ""
        self._handlers = handlers
        self._request_id = request_id
        self._started = _now()
        self._states: Counter[CallState] = Counter()
        self._error = ""
        handlers(PushReceived(request_id=request_id, app_id=""))

    def handed_over(self, reports: Iterable[Report]) -> None:
        """Count reports that the application has handled."""
        self._states.update(report.state for report in reports)

    def delivered(self, reports: int) -> None:
        """Report duplicates: of so many reports, those that were not handed over by this push."""
        if duplicates := reports - self._states.total():
            self._handlers(
                DuplicatesSkipped(request_id=self._request_id, app_id=self.app_id, reports=duplicates)
            )

    def rejected(self, rejected: Rejected) -> None:
        """Report a push that could not be decoded, or not completely."""
        self._handlers(
            PushRejected(
                request_id=self._request_id,
                app_id=rejected.app_id,
                stage=rejected.error.stage,
                broken=rejected.error.broken_count,
                complete=rejected.complete,
            )
        )

    def failed(self, error: BaseException) -> None:
        """Keep an unexpected error for the end of the push."""
        self._error, _ = error_names(error)

    def ended(self, status: int | None) -> None:
        """Report the end with the status of the response; None: no response."""
        self._handlers(
            PushAnswered(
                request_id=self._request_id,
                app_id=self.app_id,
                status=status,
                reports=self._states.total(),
                states=dict(self._states),
                error=self._error,
                seconds=_now() - self._started,
            )
        )


def _now() -> float:
    return asyncio.get_running_loop().time()
