"""The share of the limit that a process may use by itself while the server cannot be reached.

It opens a moment and a period after the first failure: by then, nearly all that was granted before
has been answered and is out of the service's window. The leases that the process itself has from
before count against its share until their slots are free.
"""

import math
from typing import Final

from emay_voice_async.model.limits import RateLimit
from emay_voice_async.pacing.window import Window, tolerance
from emay_voice_async.redis.ledger import Ledger

__all__ = ["MOMENT", "Shelter"]

MOMENT: Final = 1.0
"""Seconds that the server may be away before anything is sent without it."""


class Shelter:
    """Nothing is granted here while the server answers, or when there is no share."""

    def __init__(self, share: RateLimit | None) -> None:
        self._window = None if share is None else Window(share)
        self.hold = 0.0 if share is None else share.period + tolerance(share.period)
        self._opens_at = math.inf

    def begin(self, now: float) -> None:
        """Take note that the server does not answer."""
        if self._window is not None and self._opens_at == math.inf:
            self._opens_at = now + MOMENT + self.hold

    def is_open(self, now: float) -> bool:
        """Tell whether slots are granted here at this moment."""
        return now >= self._opens_at

    def end(self) -> None:
        """Take note that the server has answered."""
        self._opens_at = math.inf

    def free(self, now: float, ledger: Ledger) -> int:
        """Return how many slots may be taken at once."""
        if self._window is None or not self.is_open(now):
            return 0
        return max(0, self._window.slots(now) - ledger.held(now, self.hold))

    def next_change(self, now: float, ledger: Ledger) -> float:
        """Return when to look for free slots again; infinity: when a lease has ended."""
        if self._window is None or not self.is_open(now):
            return self._opens_at
        return min(ledger.next_free(now, self.hold), self._window.next_change())

    def lower(self, now: float) -> None:
        """Halve the share if it is in use, as the service says that it is too much."""
        if self._window is not None and self.is_open(now):
            self._window.lower(now)
