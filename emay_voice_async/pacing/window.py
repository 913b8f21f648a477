"""The speed limit as arithmetic: how many requests may be under way, by leases.

The service counts a request at a moment that only it knows, somewhere between our send and its
answer, in an exact sliding window of ``period`` seconds. So a slot is leased before a request is
sent, and is free again a period and a tolerance after the *answer* came: by then the service must
have dropped the request from its window, however the network delayed it. Nothing here reads a
clock: instants are seconds of any clock that never runs backwards.
"""

import math
import time
from heapq import heappop, heappush
from typing import Final

from emay_voice_async.model.limits import RateLimit

__all__ = ["HOST_TICK", "Window", "tolerance"]

_SERVICE_TICK: Final = 0.001
_DRIFT: Final = 0.001
_CALM: Final = 5


HOST_TICK: Final = time.get_clock_info("monotonic").resolution
"""Seconds between two readings of this host's clock that differ."""


def tolerance(period: float, tick: float = HOST_TICK) -> float:
    """Return the seconds that a slot is held beyond the period.

    One tick of the service's millisecond clock, one of ours, and a thousandth of the period for
    clocks that do not run alike.
    """
    return _SERVICE_TICK + tick + _DRIFT * period


class Window:
    """The slots of one kind of call. Every ``now`` must be at or after the one before.

    A refusal for speed (somebody else uses the account too) halves the number of slots, and each
    five calm periods give one back. ``tick`` is that of the clock that the instants are read from.
    """

    def __init__(self, limit: RateLimit, tick: float = HOST_TICK) -> None:
        self._limit = limit
        self._hold = limit.period + tolerance(limit.period, tick)
        self._open = 0
        self._ends: list[float] = []
        self._slots = limit.requests
        self._recovers_at = math.inf
        self._lowers_again_at = -math.inf

    def slots(self, now: float) -> int:
        """Return how many slots there are at this moment: the limit in force."""
        while now >= self._recovers_at:
            self._slots = min(self._limit.requests, self._slots + 1)
            full = self._slots == self._limit.requests
            self._recovers_at = math.inf if full else self._recovers_at + _CALM * self._hold
        return self._slots

    def take(self, now: float) -> bool:
        """Lease a slot if one is free. Each lease is ended by one of the calls below."""
        while self._ends and self._ends[0] <= now:
            heappop(self._ends)
        slots = self._slots if now < self._recovers_at else self.slots(now)
        if self._open + len(self._ends) >= slots:
            return False
        self._open += 1
        return True

    def next_change(self) -> float:
        """Return when to try :meth:`take` again after it said no; infinity: when a lease has ended."""
        return min(self._ends[0], self._recovers_at) if self._ends else self._recovers_at

    def end(self, at: float) -> None:
        """End a lease: ``at`` is the last moment at which the service can have counted its request."""
        self._open -= 1
        heappush(self._ends, at + self._hold)

    def give_back(self) -> None:
        """End a lease whose request was certainly not written: its slot is free at once."""
        self._open -= 1

    def fill(self, now: float) -> None:
        """Lease every slot as if a process that just died had used them all at ``now``."""
        while self.take(now):
            self.end(now)

    def lower(self, now: float) -> bool:
        """Halve the slots, at most once a period; return whether this ended a time of full speed."""
        slots = self.slots(now)
        calm = self._recovers_at == math.inf
        if now >= self._lowers_again_at:
            self._lowers_again_at = now + self._hold
            self._slots = max(1, slots // 2)
            self._recovers_at = now + _CALM * self._hold
        return calm
