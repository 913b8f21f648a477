"""Beijing timestamps and the MD5 signature (the parameter tables of sections 2.1 to 2.4)."""

from datetime import UTC, datetime, timedelta, timezone
from hashlib import md5

__all__ = ["BEIJING", "sign", "stamp"]

BEIJING = timezone(timedelta(hours=8))
"""UTC+8 without daylight saving, whatever the host's own time zone is."""


def stamp(at: float) -> str:
    """Write the instant ``at`` (POSIX seconds) as Beijing time, 14 digits ``yyyyMMddHHmmss``."""
    local = datetime.fromtimestamp(at, UTC).astimezone(BEIJING)
    # Not strftime: its %Y does not pad years below 1000 on every platform.
    return f"{local:%Y%m%d%H%M%S}".zfill(14)


def sign(app_id: str, secret_key: str, timestamp: str = "") -> str:
    """Return the signature: 32 lower-case hex digits over appId + secretKey + timestamp.

    Requests without a timestamp field (getBalance) are signed without one.
    """
    return md5(f"{app_id}{secret_key}{timestamp}".encode(), usedforsecurity=False).hexdigest()
