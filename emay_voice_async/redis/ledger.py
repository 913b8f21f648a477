"""The leases of a process, and which changes of them the Redis server has yet to be told.

Arithmetic only: instants are seconds of the event loop's clock; this module neither waits nor sends.
A lost response leaves open whether slots were granted and whether the changes arrived. The slots that
were asked for are then returned by number, and the changes are sent again: both are idempotent. A
state that is new to the process is told of every lease before a slot is asked for.
"""

import math
from typing import Final

from attrs import define, field

from emay_voice_async.redis.protocol import SyncRequest, SyncResponse, Terms, microseconds, pause

__all__ = ["Ledger"]

_SLEW: Final = 0.001
"""The largest difference between the rates of two clocks, as in the tolerance of the window."""
_STEP: Final = 2000
"""Microseconds that a clock may be ahead of our own without having stepped."""


@define
class _Lease:
    """``since``: the grant of the slot. ``last``: the last instant at which the request can be counted."""

    since: float
    last: float = math.inf


@define
class Ledger:
    """The leases of a process for one kind of call, the pending changes, and when they are due."""

    process: str
    terms: Terms
    epoch: str = ""
    expected_at: float | None = None
    """When the server expects the process again, for the slots; None: the process is not queued."""
    _leases: dict[int, _Lease] = field(factory=dict)
    _ended: dict[int, float] = field(factory=dict)
    """Leases that have ended, which the server has yet to be told, and since when."""
    _returned: dict[int, float] = field(factory=dict)
    """Leases that the server has yet to be told to free, and since when."""
    _in_flight: tuple[dict[int, float], dict[int, float]] = field(factory=lambda: ({}, {}))
    """The ended and returned leases of the request in flight."""
    _over_speed: bool = False
    _register: bool = False
    _fill: float = 0.0
    _next: int = 1
    _sequence: int = 0
    _acknowledged: int = 0
    _asked_at: float = -math.inf
    _heard_at: float = -math.inf
    """When the last request that was answered began."""
    _server_clock: int = 0
    """The server's clock in the last response, in microseconds."""
    _stepped: bool = False

    @property
    def hold(self) -> float:
        """Seconds from the instant at which a request can be counted until the slot is free."""
        return self.terms.hold / 1e6

    @property
    def pause(self) -> float:
        """The longest time between two requests to the server while requests of the process are in flight."""
        return pause(self.hold)

    def grant(self, now: float) -> int:
        """Record a lease that the server does not know yet; return the number."""
        number = self._next
        self._next += 1
        self._leases[number] = _Lease(now)
        return number

    def end(self, number: int, last: float, now: float, *, over_speed: bool = False) -> None:
        """End a lease: ``last`` is the last instant at which the request can be counted."""
        self._leases[number].last = last
        self._ended[number] = now
        self._over_speed |= over_speed

    def give_back(self, number: int, now: float) -> None:
        """End a lease of a request that was certainly not written."""
        del self._leases[number]
        self._returned[number] = now

    @property
    def unconfirmed(self) -> bool:
        """Tell whether a request can have been counted after the server was last heard of.

        A server that has lost the state must be told of that request before a hold is over.
        """
        return any(lease.last > self._heard_at for lease in self._leases.values())

    def held(self, now: float, hold: float) -> int:
        """Count the taken slots, if a slot is free ``hold`` seconds after the request was counted."""
        return sum(lease.last + hold > now for lease in self._leases.values())

    def next_free(self, now: float, hold: float) -> float:
        """Return when the next of these slots is free; infinity: when another lease has ended."""
        frees = (lease.last + hold for lease in self._leases.values())
        return min((free for free in frees if free > now), default=math.inf)

    def register_all(self, fill: float) -> None:
        """After slots were taken without the server: register every lease with the next request.

        ``fill``: seconds beyond a hold for which every slot counts as used, as other processes may
        have taken slots as well.
        """
        self._register, self._fill = True, fill

    def due(self, now: float, wanted: int, *, closing: bool = False) -> float:
        """Return when the next request is due; infinity: when a waiter or a lease changes."""
        if self._urgent(wanted):
            return now
        at = math.inf if self.expected_at is None else self.expected_at
        if self._ended:
            at = min(at, next(iter(self._ended.values())) + (0.0 if closing else self._delay()))
        if not closing and self.unconfirmed:
            at = min(at, self._heard_at + self.pause)
        return at

    def _urgent(self, wanted: int) -> bool:
        """Tell whether other processes wait for the news: free slots, or a place in the queue."""
        changes = self._returned or self._over_speed or self._register or self._stepped
        return bool(changes) or (wanted > 0) != (self.expected_at is not None)

    def _delay(self) -> float:
        # An ended lease frees the slot a hold later. Until then, more leases may end for the same request.
        return min(0.05, self.hold / 10)

    def next_request(self, now: float, wanted: int) -> SyncRequest:
        """Build the next request from all pending state; report the result to ``answered`` or ``lost``."""
        self._forget(now)
        self._asked_at = now
        self._sequence += 1
        wanted = min(wanted, self.terms.requests)
        first, self._next = self._next, self._next + wanted
        if now - self._heard_at > self.terms.longest / 2e6:
            # The server forgets the requests of an idle process.
            self._acknowledged = 0
        request = SyncRequest(
            process=self.process,
            sequence=self._sequence,
            acknowledged=self._acknowledged,
            epoch=self.epoch,
            wanted=wanted,
            first=first,
            ended=tuple(self._pair(number, now) for number in self._ended),
            registered=tuple(self._pair(number, now) for number in self._to_register(now)),
            returned=tuple(sorted(self._returned)),
            over_speed=self._over_speed,
            stepped=self._stepped,
            fill=microseconds(self._fill),
        )
        self._in_flight = self._ended, self._returned
        self._ended, self._returned, self._over_speed, self._register = {}, {}, False, False
        return request

    def _to_register(self, now: float) -> list[int]:
        """Choose the leases to register: those that the server forgets soon.

        A server whose state was lost gets every lease.
        """
        if self._register:
            return list(self._leases)
        old = now - self.terms.longest / 2e6
        found = [
            number for number, lease in self._leases.items() if lease.last == math.inf and lease.since <= old
        ]
        for number in found:
            self._leases[number].since = now
        return found

    def _pair(self, number: int, now: float) -> tuple[int, int]:
        lease = self._leases[number]
        last = lease.last if lease.last < math.inf else lease.since + self.terms.longest / 1e6
        return number, microseconds(last - now)

    def _forget(self, now: float) -> None:
        # By then the server has ended every old lease without being told.
        old = now - 2 * self.terms.longest / 1e6 - self.hold
        self._ended = {number: since for number, since in self._ended.items() if since > old}
        self._returned = {number: since for number, since in self._returned.items() if since > old}
        # A state that is lost from here on is replaced by a state that counts every slot as used.
        known = max(self._heard_at, old)
        gone = {number for number, lease in self._leases.items() if lease.last <= known}
        for number in gone - self._ended.keys():
            del self._leases[number]

    def answered(self, request: SyncRequest, response: SyncResponse, now: float) -> list[int]:
        """Take in a response; return the numbers of the leases that were granted."""
        self._acknowledged = request.sequence
        if request.epoch not in ("", response.epoch):
            self.epoch, self._register = response.epoch, True
            self._server_clock, self._stepped = response.now, False
            self._restore(request)
            return []
        if request.epoch and not request.stepped and self._has_stepped(response, now):
            # The slots were granted by the stepped clock, too early: return them, and begin a new state.
            self._stepped = True
            self.lost(request, now)
            return []
        self._server_clock, self._stepped = response.now, False
        self.epoch, self._fill, self._heard_at = response.epoch, 0.0, self._asked_at
        self.expected_at = None if response.wait is None else now + response.wait
        numbers = list(range(request.first, request.first + response.granted))
        self._leases |= {number: _Lease(now) for number in numbers}
        return numbers

    def _has_stepped(self, response: SyncResponse, now: float) -> bool:
        """Tell whether the server's clock went on by more than can have passed since the last response."""
        most = (now - self._heard_at) * 1e6
        return response.now - self._server_clock > most * (1 + _SLEW) + _STEP

    def lost(self, request: SyncRequest, now: float) -> None:
        """Record that no response came: the request may have been executed, or may still be."""
        self._restore(request)
        self._returned |= dict.fromkeys(range(request.first, request.first + request.wanted), now)
        self._register |= bool(request.registered)
        self.expected_at = None

    def _restore(self, request: SyncRequest) -> None:
        ended, returned = self._in_flight
        self._ended, self._returned = ended | self._ended, returned | self._returned
        self._over_speed |= request.over_speed

    def discard_changes(self) -> None:
        """Send none of the pending changes: the server ends the leases by itself."""
        self._ended, self._returned, self._over_speed, self._register = {}, {}, False, False
