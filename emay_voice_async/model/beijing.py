"""Beijing time, the clock of the service (section 2.1.1)."""

from datetime import datetime, timedelta, timezone

__all__ = ["BEIJING", "beijing_time"]

BEIJING = timezone(timedelta(hours=8))
"""UTC+8 without daylight saving; the time zone of the host does not matter."""


def beijing_time(seconds: float) -> datetime | None:
    """Return the instant of a POSIX time; None for an instant outside of the years 1 to 9999."""
    try:
        return datetime.fromtimestamp(seconds, BEIJING)
    except (ValueError, OverflowError, OSError):
        return None
