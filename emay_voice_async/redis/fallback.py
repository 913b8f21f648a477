"""The fallback limit: what a process may send by itself while Redis cannot be reached.

The fallback limit applies from MOMENT + hold seconds after the first failure. By then the requests
that were granted before have been answered, and are out of the service's window. The leases that the
process holds from before count against the fallback limit until their slots are free.
"""

import math
from typing import Final

from emay_voice_async.model.limits import RateLimit
from emay_voice_async.pacing.window import Window, tolerance
from emay_voice_async.redis.ledger import Ledger

__all__ = ["MOMENT", "Fallback"]

MOMENT: Final = 1.0
"""Seconds that Redis may be unreachable before the hold of the fallback limit begins to run."""


class Fallback:
    """The slots of the fallback limit; none while Redis answers, or when no limit was given."""

    def __init__(self, limit: RateLimit | None) -> None:
        self._window = None if limit is None else Window(limit)
        self.hold: float = 0.0 if limit is None else limit.period + tolerance(limit.period)
        self._applies_from = math.inf

    def start(self, now: float) -> None:
        """Record that Redis does not answer."""
        if self._window is not None and self._applies_from == math.inf:
            self._applies_from = now + MOMENT + self.hold

    def applies(self, now: float) -> bool:
        """Tell whether slots are granted without Redis at this moment."""
        return now >= self._applies_from

    def stop(self) -> None:
        """Record that Redis has answered."""
        self._applies_from = math.inf

    def free(self, now: float, ledger: Ledger) -> int:
        """Return the number of slots that may be taken at once."""
        if self._window is None or not self.applies(now):
            return 0
        return max(0, self._window.slots(now) - ledger.held(now, self.hold))

    def next_change(self, now: float, ledger: Ledger) -> float:
        """Return when to look for free slots again; infinity: when a lease has ended."""
        if self._window is None or not self.applies(now):
            return self._applies_from
        return min(ledger.next_free(now, self.hold), self._window.next_change())

    def lower(self, now: float) -> None:
        """Halve the fallback limit while in force: the service refused a request for speed."""
        if self._window is not None and self.applies(now):
            self._window.lower(now)
