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
    _failed_at: float = -math.inf
    _pause: float = 0.0

    def failed(self, now: float) -> bool:
        """Take note of a failure; return whether it is the first one."""
        first = self.since is None
        if self.since is None:
            self.since, self._pause = now, _FIRST_PAUSE / 2
        self._failed_at = now
        self._pause = 2 * self._pause * random.uniform(0.75, 1.0)  # noqa: S311 - no secret
        return first

    def retry_at(self, *, longest: float) -> float:
        """Return when to try again, ``longest`` seconds after the last failure at the latest."""
        return self._failed_at + min(self._pause, longest)

    def over(self) -> float | None:
        """Take note of an answer; return since when there was none before."""
        since, self.since, self._failed_at = self.since, None, -math.inf
        return since
