"""A server that is away: since when, and when to try again."""

import math
import random
from typing import Final

from attrs import define

__all__ = ["LONGEST_PAUSE", "Outage", "OutageError"]

LONGEST_PAUSE: Final = 5.0
"""Seconds between two attempts when nobody waits for a slot or an answer of the service."""
_FIRST_PAUSE: Final = 0.05


class OutageError(ConnectionError):
    """The server did not answer, or cannot do its work for now: what was said may have arrived."""


@define
class Outage:
    """How long the server has been away, and when it is tried again."""

    since: float | None = None
    retry_at: float = -math.inf
    _pause: float = _FIRST_PAUSE

    def failed(self, now: float, longest: float) -> bool:
        """Put off the next attempt; return whether this is the first one that failed."""
        first = self.since is None
        if self.since is None:
            self.since, self._pause = now, _FIRST_PAUSE
        pause = min(self._pause, longest)
        self.retry_at = now + pause * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
        self._pause *= 2
        return first

    def over(self) -> float | None:
        """Take note of an answer; return since when there was none before."""
        since, self.since, self.retry_at = self.since, None, -math.inf
        return since
