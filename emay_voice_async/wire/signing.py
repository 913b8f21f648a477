"""Beijing timestamps and the MD5 signature (the parameter tables of sections 2.1 to 2.4)."""

from hashlib import md5
from time import gmtime
from typing import Final

__all__ = ["sign", "stamp"]

_OFFSET: Final = 8 * 3600
"""Seconds from UTC to Beijing time."""


def stamp(at: float) -> str:
    """Write the instant ``at`` (POSIX seconds) as Beijing time, 14 digits ``yyyyMMddHHmmss``."""
    year, month, day, hour, minute, second = gmtime(at + _OFFSET)[:6]
    # Not strftime: its %Y does not pad years below 1000 on every platform.
    return f"{year:04}{month:02}{day:02}{hour:02}{minute:02}{second:02}"


def sign(app_id: str, secret_key: str, timestamp: str = "") -> str:
    """Return the signature: 32 lower-case hex digits over appId + secretKey + timestamp.

    Requests without a timestamp field (getBalance) are signed without one.
    """
    return md5(f"{app_id}{secret_key}{timestamp}".encode(), usedforsecurity=False).hexdigest()
