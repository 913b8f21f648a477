"""Beijing time, the clock of the service (section 2.1.1)."""

from datetime import timedelta, timezone

__all__ = ["BEIJING"]

BEIJING = timezone(timedelta(hours=8))
"""UTC+8 without daylight saving; the time zone of the host does not matter."""
