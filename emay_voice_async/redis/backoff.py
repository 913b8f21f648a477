"""Growing pauses between attempts to reach a Redis server that does not answer."""

import math
import random
from typing import Final

from attrs import define

__all__ = ["LONGEST_PAUSE", "Backoff", "UnavailableError"]

LONGEST_PAUSE: Final = 5.0
"""Seconds between two attempts while no request waits for a slot or for a response of the service."""
_FIRST_PAUSE: Final = 0.05


class UnavailableError(ConnectionError):
    """The server did not answer, or cannot work for now; the command may have been executed."""


@define
class Backoff:
    """Since when the server has failed, and when the next attempt is due."""

    since: float | None = None
    _failed_at: float = -math.inf
    _pause: float = 0.0

    def failed(self, now: float) -> bool:
        """Record a failure; return True for the first since the last success."""
        first = self.since is None
        if self.since is None:
            self.since, self._pause = now, _FIRST_PAUSE / 2
        self._failed_at = now
        self._pause = 2 * self._pause * random.uniform(0.75, 1.0)  # noqa: S311 - no secret
        return first

    def retry_at(self, *, longest: float) -> float:
        """Return when to try again, at the latest ``longest`` seconds after the last failure."""
        return self._failed_at + min(self._pause, longest)

    def succeeded(self) -> float | None:
        """Record a success; return when the previous failures began, None without any."""
        since, self.since, self._failed_at = self.since, None, -math.inf
        return since
