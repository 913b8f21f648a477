"""The wire format of ``sync.lua``: what a process tells the Redis server, and the response.

A lease is named ``process:number``. All times on the wire are whole microseconds, rounded up when a
later time makes a slot free later.
"""

import json
import math
from typing import Final

from attrs import asdict, frozen

from emay_voice_async.model.limits import RateLimit
from emay_voice_async.pacing.window import tolerance

__all__ = ["SyncRequest", "SyncResponse", "Terms", "decode", "encode", "longest_silence", "terms"]

_KEPT_IDLE: Final = 86_400.0


@frozen
class Terms:
    """The part that is equal in every request of a process; times are in microseconds.

    - ``hold``: from the instant at which a request can be counted until the slot is free.
    - ``longest``: from the grant of a slot to the last instant at which the request can be counted.
    - ``grace``: how late a waiting process may come and still find the slot that was kept.
    - ``silence``: the longest time without a sync of a live process that has requests in flight.
    - ``keep_ms``, ``keep_process_ms``: how long idle keys of the queue and of a process are kept,
      in milliseconds.
    """

    requests: int
    period: int
    hold: int
    longest: int
    grace: int
    silence: int
    keep_ms: int
    keep_process_ms: int


@frozen
class SyncRequest:
    """A command of a process: the changed leases, and the number of slots wanted.

    - ``sequence`` numbers the commands of the process; ``acknowledged`` is the last that was answered.
    - ``epoch`` is the state that the process knows, "" for none.
    - ``wanted`` slots are asked for; their leases get the numbers from ``first`` on.
    - ``ended`` are pairs: a lease, and the microseconds from now to the last instant at which the
      request can be counted (negative: ago).
    - ``registered`` are pairs of the same kind, of leases that the server may not know.
    - ``returned`` are leases whose requests were not written.
    - ``over_speed``: the service answered ERROR_OVER_SPEED.
    - ``stepped``: the server's clock has stepped forward since the last response.
    - ``fill``: count every slot as used for a hold and this many microseconds more.
    """

    process: str
    sequence: int
    acknowledged: int
    epoch: str
    wanted: int
    first: int
    ended: tuple[tuple[int, int], ...] = ()
    registered: tuple[tuple[int, int], ...] = ()
    returned: tuple[int, ...] = ()
    over_speed: bool = False
    stepped: bool = False
    fill: int = 0


@frozen
class SyncResponse:
    """The server's response: ``granted`` slots, and when to sync again for the rest.

    ``wait`` is in seconds; None: no slot is missing. ``slots`` are the slots in force; ``requests``
    and ``period`` (seconds) are the limit that all processes keep to. ``now`` is the server's clock, in
    microseconds.
    """

    sequence: int
    epoch: str
    granted: int
    wait: float | None
    slots: int
    requests: int
    period: float
    now: int


def microseconds(seconds: float) -> int:
    """Round up, so that no slot is free too early."""
    return math.ceil(round(seconds * 1e6, 3))


def pause(hold: float) -> float:
    """Return the longest time between two syncs while requests of the process are in flight, in seconds."""
    return min(2.0, max(0.05, hold / 2))


def longest_silence(limit: RateLimit, timeout: float) -> float:
    """Return the longest time in seconds without a sync of a process that has requests in flight.

    The process syncs after a pause, hangs for the ``timeout`` of a command if the server has vanished,
    retries after at most another pause, and succeeds within another timeout.
    """
    return 2 * (pause(limit.period + tolerance(limit.period)) + timeout)


def terms(limit: RateLimit, *, longest: float, grace: float, silence: float = 0.0) -> Terms:
    """Work out the terms of a process; ``longest``, ``grace`` and ``silence`` are in seconds."""
    hold = limit.period + tolerance(limit.period)
    keep = _KEPT_IDLE + longest + 6 * hold
    return Terms(
        requests=limit.requests,
        period=microseconds(limit.period),
        hold=microseconds(hold),
        longest=microseconds(longest),
        grace=microseconds(grace),
        silence=microseconds(silence),
        keep_ms=math.ceil(keep * 1000),
        keep_process_ms=math.ceil(longest * 1000),
    )


def encode(request: SyncRequest, terms: Terms, **more: int) -> str:
    """Write a request; tests set the server's clock with ``more`` (``now``)."""
    return json.dumps(asdict(terms) | asdict(request) | more)


def decode(text: str | bytes) -> SyncResponse:
    """Read a response."""
    sequence, epoch, granted, wait, slots, requests, period, now = json.loads(text)
    seconds = None if wait < 0 else wait / 1e6
    return SyncResponse(sequence, epoch, granted, seconds, slots, requests, period / 1e6, now)
