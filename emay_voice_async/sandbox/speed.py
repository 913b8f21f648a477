"""The service's speed limit: an exact sliding window on a millisecond clock."""

from collections import deque
from math import floor
from typing import Final, Protocol

from attrs import field, frozen, validators

from emay_voice_async.model.endpoints import Call

__all__ = ["DEFAULT_LIMITS", "AnyLimit", "AnyLimits", "Limit", "Limits", "SpeedWindow", "limit_of"]

_DEFAULT_REQUESTS: Final = 10
_DEFAULT_PERIOD: Final = 1.0


class AnyLimit(Protocol):
    """The protocol of a limit; the client's ``RateLimit`` follows it."""

    @property
    def requests(self) -> int:
        """Requests in any period."""

    @property
    def period(self) -> float:
        """Seconds."""


class AnyLimits(Protocol):
    """The protocol of limits; the client's ``RateLimits`` follow it."""

    @property
    def send(self) -> AnyLimit | None:
        """The limit of sends; None is unlimited."""

    @property
    def reports(self) -> AnyLimit | None:
        """The limit of getReport; None is unlimited."""

    @property
    def balance(self) -> AnyLimit | None:
        """The limit of getBalance; None is unlimited."""


@frozen
class Limit:
    """At most ``requests`` requests are accepted in any ``period`` seconds."""

    requests: int = field(default=_DEFAULT_REQUESTS, validator=validators.ge(1))
    period: float = field(default=_DEFAULT_PERIOD, validator=validators.ge(0.001))


@frozen
class Limits:
    """The limits of an account, over both products: ``send``, ``reports`` and ``balance``; None is unlimited."""

    send: AnyLimit | None = Limit()
    reports: AnyLimit | None = Limit()
    balance: AnyLimit | None = Limit()


DEFAULT_LIMITS: Final = Limits()
"""Ten requests a second of each kind."""


def limit_of(limits: AnyLimits, call: Call) -> AnyLimit | None:
    """Return the limit of one kind of call."""
    match call:
        case Call.SEND:
            return limits.send
        case Call.REPORTS:
            return limits.reports
        case _:
            return limits.balance


class SpeedWindow:
    """The requests counted within the period, for an account and a kind of call."""

    def __init__(self, limit: AnyLimit) -> None:
        self.refused: int = 0
        self._counted: deque[int] = deque()
        self.change(limit)

    def change(self, limit: AnyLimit) -> None:
        """Apply another limit from now on; the counted requests stay counted."""
        self.limit = limit
        self._requests = limit.requests
        self._period = _milliseconds(limit.period)

    def used(self, now: float) -> int:
        """Return the number of requests that count at ``now``."""
        arrival = _milliseconds(now)
        return sum(arrival - one <= self._period for one in self._counted)

    def admit(self, now: float) -> bool:
        """Count a request that arrives at ``now`` (POSIX seconds), or refuse it without counting it.

        A request is dropped once *more* than the period has passed: exactly a period later, the request
        still counts.
        """
        arrival = _milliseconds(now)
        while self._counted and arrival - self._counted[0] > self._period:
            self._counted.popleft()
        if len(self._counted) >= self._requests:
            self.refused += 1
            return False
        self._counted.append(arrival)
        return True


def _milliseconds(seconds: float) -> int:
    # Rounded to the microsecond first: 1.001 s is slightly less than 1001 ms as a float.
    return floor(round(seconds * 1000, 3))
