"""Polling: when the next getReport is made, and how transient errors are survived."""

import asyncio
import logging
import math
import random
from typing import Final, NamedTuple

from emay_voice_async.errors import (
    EmayVoiceError,
    NotSentError,
    OutcomeUnknownError,
    OverSpeedError,
    UsageError,
)
from emay_voice_async.exchange.transport import CLOSED_CLIENT
from emay_voice_async.model.endpoints import MAX_REPORTS, Product
from emay_voice_async.reports.requests import NOT_READABLE, ReportRequests
from emay_voice_async.reports.spool import Spool

__all__ = ["TRANSIENT", "Poller", "Streaming", "announced_pause", "backoff", "jittered", "may_pass"]

logger: logging.Logger = logging.getLogger(__name__)

TRANSIENT: Final = (NotSentError, OverSpeedError, OutcomeUnknownError)
"""Errors after which a follower may ask again (:func:`may_pass`); all others are permanent."""
LONGEST_BACKOFF: Final = 60.0
"""Seconds between two requests after many failures, unless the interval is longer."""
_JITTER: Final = 0.2


def jittered(seconds: float) -> float:
    """Return a time within a fifth of ``seconds``, so that many clients do not ask at the same moments."""
    return seconds * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311 - no secret


def backoff(interval: float, failures: int) -> float:
    """Return the pause after so many failures in a row: the interval, doubled each time, with jitter."""
    doubled = interval * 2 ** min(failures - 1, 16)
    return jittered(max(interval, min(LONGEST_BACKOFF, doubled)))


def announced_pause(interval: float, failures: int, reason: str, request_id: str = "") -> float:
    """Log after which pause the next getReport is made, and return the pause."""
    pause = backoff(interval, failures)
    text = "asking for reports goes on in %.1f s, after failure %d: %s"
    logger.warning(text, pause, failures, reason, extra={"emay_request_id": request_id})
    return pause


def may_pass(error: EmayVoiceError, *, proved: bool) -> bool:
    """Tell whether an error is transient; ``proved``: the service has answered a getReport of this client.

    A wrong setting or address fails until it is corrected. After good responses a failure of the same kind, such as a
    404 of a gateway or an unknown host, may pass, unless the shared HTTP client was closed.
    """
    if isinstance(error, NotSentError) and error.permanent:
        return proved and error.reason != CLOSED_CLIENT
    return isinstance(error, TRANSIENT)


class Streaming(NamedTuple):
    """The options of a stream.

    ``follow``: go on after an empty answer and after transient errors. ``deadline``: an instant of the event loop's
    clock.
    """

    product: Product
    follow: bool
    poll_interval: float
    spool: Spool | None
    deadline: float | None


class Poller:
    """The requests of one stream: at once after reports, else after a pause, until the deadline."""

    def __init__(self, requests: ReportRequests, options: Streaming) -> None:
        self._requests = requests
        self._options = options
        self._failures = 0
        self._next = -math.inf

    async def more(self) -> bool:
        """Make one getReport, or pause before; return whether the stream goes on.

        Raises :class:`UsageError` after the client was closed, permanent errors, and without ``follow`` all errors.
        """
        loop = asyncio.get_running_loop()
        end = math.inf if self._options.deadline is None else self._options.deadline
        now = loop.time()
        if end <= now:
            return False
        if now < self._next:
            await self._requests.mailbox.news(min(self._next, end) - now)
            self._check_open(None)
            return True
        try:
            received = await self._requests.request(
                self._options.product, MAX_REPORTS, self._options.deadline
            )
        except TRANSIENT as error:
            self._check_open(error)
            if not (self._options.follow and may_pass(error, proved=self._requests.proved)):
                raise
            if end > loop.time():
                self._requests.exchanges.count("report_failures")
                lost = "; reports may have been lost" if isinstance(error, OutcomeUnknownError) else ""
                self._pause(f"{error}{lost}", error.request_id)
            return True
        if received.unreadable and not received.readable:
            if self._failures:
                self._pause(NOT_READABLE)
            else:
                # The only report of a response may be one that cannot be read; the next response tells.
                self._failures = 1
            return True
        self._failures = 0
        if received.all or self._requests.mailbox.has(self._options.product):
            return True
        self._next = loop.time() + jittered(self._options.poll_interval)
        return self._options.follow

    def _check_open(self, error: EmayVoiceError | None) -> None:
        if self._requests.closed:
            raise UsageError("client", "was closed while reports were awaited") from error

    def _pause(self, reason: str, request_id: str = "") -> None:
        """Let the next request wait, and say so."""
        self._failures += 1
        pause = announced_pause(self._options.poll_interval, self._failures, reason, request_id)
        self._next = asyncio.get_running_loop().time() + pause
