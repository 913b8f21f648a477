"""The service's clock, as far as known on this host."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

__all__ = ["LARGEST_CORRECTION", "SMALLEST_CORRECTION", "ServiceClock", "advice_on", "correction"]

logger: logging.Logger = logging.getLogger(__name__)

LARGEST_CORRECTION: Final = timedelta(days=1)
"""A Date header that is further off is not believed.

Otherwise an attacker on an http path could choose the timestamp of signed requests, and collect signatures for later.
"""
SMALLEST_CORRECTION: Final = timedelta(seconds=2)
"""A Date header has whole seconds, so that a smaller difference means no error."""


def correction(date: str | None, now: float, signed_at: float) -> timedelta | None:
    """Return the offset of the service's clock from this host's, as a refused request's Date header says.

    ``date``: the Date header of the response. ``now``: this host's clock, POSIX seconds. ``signed_at``: the
    instant in the timestamp of the request, POSIX seconds. None: the header is missing or unreadable, or agrees
    with the timestamp; a retry would be refused again.
    """
    try:
        parsed = parsedate_to_datetime(date or "")
    except (ValueError, OverflowError):
        return None
    service_time = parsed if parsed.tzinfo is not None else parsed.replace(tzinfo=UTC)
    if abs(service_time - datetime.fromtimestamp(signed_at, UTC)) < SMALLEST_CORRECTION:
        return None
    return service_time - datetime.fromtimestamp(now, UTC)


def advice_on(offset: timedelta) -> str:
    """Return a sentence about an offset beyond :data:`LARGEST_CORRECTION`, "" for a smaller offset."""
    if abs(offset) <= LARGEST_CORRECTION:
        return ""
    direction = "ahead of" if offset > timedelta() else "behind"
    days = f"{abs(offset).days} day{'' if abs(offset).days == 1 else 's'}"
    return f"the Date of the response is {days} {direction} the clock of this host: set the clock"


class ServiceClock:
    """This host's clock plus the offset that a response has shown.

    ``clock`` returns POSIX seconds. ``offset``: the lead of the service's clock.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.offset: timedelta = timedelta()
        self._clock = clock

    def now(self) -> float:
        """Return the service's time (POSIX seconds)."""
        return self._clock() + self.offset.total_seconds()

    def shown_offset(self, date: str | None, signed_at: float) -> timedelta | None:
        """Return the offset that a Date header shows; see :func:`correction`."""
        return correction(date, self._clock(), signed_at)

    def correct(self, offset: timedelta) -> None:
        """Take over an offset."""
        self.offset = offset
        logger.warning("the clock of this host is off by %s; requests are stamped accordingly", offset)
