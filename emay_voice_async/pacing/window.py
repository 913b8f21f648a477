"""The rate limit as arithmetic: how many requests may be in flight, by leases.

The service counts a request at an instant that only the service knows, between our send and its
response, in an exact sliding window of ``period`` seconds. A slot is therefore leased before a
request is sent, and is free again a period and a tolerance after the *response*: by then the service
has dropped the request from its window, however the network delayed it. This module reads no clock:
instants are seconds of any clock that never runs backwards.
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
"""Seconds between two different readings of this host's clock."""


def tolerance(period: float, tick: float = HOST_TICK) -> float:
    """Return the seconds that a slot is held beyond the period.

    A tick of the service's millisecond clock, a tick of ours, and a thousandth of the period for
    the drift between the two clocks.
    """
    return _SERVICE_TICK + tick + _DRIFT * period


class Window:
    """The slots of one kind of call. Every ``now`` must be at or after the previous ``now``.

    A refusal for speed (another program uses the account as well) halves the number of slots; each
    five calm periods give a slot back. ``tick`` is the tick of the clock that the instants come from.
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
        """Return the number of slots at this moment: the limit in force."""
        while now >= self._recovers_at:
            self._slots = min(self._limit.requests, self._slots + 1)
            full = self._slots == self._limit.requests
            self._recovers_at = math.inf if full else self._recovers_at + _CALM * self._hold
        return self._slots

    def take(self, now: float) -> bool:
        """Lease a free slot, if any. Each lease is ended by ``end`` or ``give_back``."""
        while self._ends and self._ends[0] <= now:
            heappop(self._ends)
        slots = self._slots if now < self._recovers_at else self.slots(now)
        if self._open + len(self._ends) >= slots:
            return False
        self._open += 1
        return True

    def next_change(self) -> float:
        """Return when to retry a :meth:`take` that returned False; infinity: when a lease has ended."""
        return min(self._ends[0], self._recovers_at) if self._ends else self._recovers_at

    def end(self, at: float) -> None:
        """End a lease: ``at`` is the last instant at which the service can have counted the request."""
        self._open -= 1
        heappush(self._ends, at + self._hold)

    def give_back(self) -> None:
        """End a lease whose request was certainly not written: the slot is free at once."""
        self._open -= 1

    def fill(self, now: float) -> None:
        """Lease every free slot, as if a process that just died had used them all at ``now``."""
        while self.take(now):
            self.end(now)

    def lower(self, now: float) -> bool:
        """Halve the slots, at most once a period; return whether they were all in force until now."""
        slots = self.slots(now)
        calm = self._recovers_at == math.inf
        if now >= self._lowers_again_at:
            self._lowers_again_at = now + self._hold
            self._slots = max(1, slots // 2)
            self._recovers_at = now + _CALM * self._hold
        return calm
