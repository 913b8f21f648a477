"""The figures of a client."""

from attrs import field, frozen

from emay_voice_async.model.limits import RateLimits

__all__ = ["Stats"]


@frozen
class Stats:
    """A snapshot of a client's counters.

    ``requests`` counts posted requests; ``accepted``, ``refused``, ``unknown`` and ``not_sent`` count
    numbers by outcome; ``over_speed`` counts ERROR_OVER_SPEED responses; ``waited`` is the total time
    in seconds that requests waited for slots; ``report_failures`` counts failed getReport requests after which
    a follower or a waiter went on; ``limits`` are the limits in force now.
    """

    requests: int = 0
    accepted: int = 0
    refused: int = 0
    unknown: int = 0
    not_sent: int = 0
    over_speed: int = 0
    waited: float = 0.0
    report_failures: int = 0
    limits: RateLimits = field(factory=RateLimits)
