"""The service's clock, as far as known on this host."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

__all__ = ["LARGEST_CORRECTION", "SMALLEST_CORRECTION", "ServiceClock", "correction"]

logger: logging.Logger = logging.getLogger(__name__)

LARGEST_CORRECTION: Final = timedelta(days=36_525)
"""A Date header that is further off is not believed. (A host without a battery starts in 1970.)"""
SMALLEST_CORRECTION: Final = timedelta(seconds=2)
"""A Date header has whole seconds, so that a smaller difference means no error."""


def correction(date: str | None, now: float, signed_at: float) -> timedelta | None:
    """Return the offset of the service's clock from this host's, as a refused request's Date header says.

    ``date``: the Date header of the response. ``now``: this host's clock, POSIX seconds. ``signed_at``: the
    instant in the timestamp of the request, POSIX seconds. None: the header is missing or unreadable, agrees
    with the timestamp, or is further off than :data:`LARGEST_CORRECTION`; a retry would be refused again.
    """
    try:
        parsed = parsedate_to_datetime(date or "")
    except (ValueError, OverflowError):
        return None
    service_time = parsed if parsed.tzinfo is not None else parsed.replace(tzinfo=UTC)
    if abs(service_time - datetime.fromtimestamp(signed_at, UTC)) < SMALLEST_CORRECTION:
        return None
    offset = service_time - datetime.fromtimestamp(now, UTC)
    return offset if abs(offset) <= LARGEST_CORRECTION else None


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

    def correct(self, date: str | None, signed_at: float) -> bool:
        """Take over the offset that a Date header shows; return whether a retry makes sense."""
        offset = correction(date, self._clock(), signed_at)
        if offset is None:
            return False
        self.offset = offset
        logger.warning("the clock of this host is off by %s; requests are stamped accordingly", offset)
        return True
