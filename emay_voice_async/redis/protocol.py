"""What a process says to the server in one turn at a line, and what it is told: ``turn.lua``'s wire.

A lease has the name ``process:number``. All times on the wire are whole microseconds; those that
make a slot free later are rounded up.
"""

import json
import math

from attrs import asdict, frozen

from emay_voice_async.model.limits import RateLimit
from emay_voice_async.pacing.window import tolerance

__all__ = ["Answer", "Ask", "Terms", "decode", "encode", "terms"]

_KEPT_IDLE = 86_400.0


@frozen
class Terms:
    """What is the same in each turn of a process, in microseconds where it is a time.

    ``longest``: from the grant of a slot to the last moment at which its request can be counted.
    ``grace``: how late a process may come and still find its slot. ``keep`` and ``fence`` are in
    milliseconds: how long idle keys are kept, those of the line and those of one process.
    """

    requests: int
    period: int
    hold: int
    longest: int
    grace: int
    keep: int
    fence: int


@frozen
class Ask:
    """One turn of a process.

    ``seq`` numbers its turns, and ``acked`` is the last of them that was answered. ``epoch`` is the
    state that it knows ("": none yet). It wants ``want`` slots, and the leases will have the numbers
    from ``first`` on. ``ends`` are pairs of a lease and the microseconds from now to the last moment
    at which its request can be counted (negative: ago); ``mine`` the same for leases that the state
    may not have; ``backs`` are leases of requests that were not written. ``over_speed``: the service
    said so. ``fill``: count every slot as used for so many microseconds more than a period.
    """

    process: str
    seq: int
    acked: int
    epoch: str
    want: int
    first: int
    ends: tuple[tuple[int, int], ...] = ()
    mine: tuple[tuple[int, int], ...] = ()
    backs: tuple[int, ...] = ()
    over_speed: bool = False
    fill: int = 0


@frozen
class Answer:
    """What the server says: ``granted`` slots, and to come again in ``wait`` seconds (None: need not).

    ``slots`` are those in force, ``requests`` and ``period`` (seconds) the limit that all keep to.
    """

    seq: int
    epoch: str
    granted: int
    wait: float | None
    slots: int
    requests: int
    period: float


def microseconds(seconds: float) -> int:
    """Round up, so that nothing is free too early."""
    return math.ceil(round(seconds * 1e6, 3))


def terms(limit: RateLimit, *, longest: float, grace: float) -> Terms:
    """Work out what a process says in each turn."""
    hold = limit.period + tolerance(limit.period)
    keep = _KEPT_IDLE + longest + 6 * hold
    return Terms(
        requests=limit.requests,
        period=microseconds(limit.period),
        hold=microseconds(hold),
        longest=microseconds(longest),
        grace=microseconds(grace),
        keep=math.ceil(keep * 1000),
        fence=math.ceil(longest * 1000),
    )


def encode(ask: Ask, terms: Terms, **more: int) -> str:
    """Write a turn; ``more`` may set the clock (``now``), in tests."""
    return json.dumps(asdict(terms) | asdict(ask) | more)


def decode(text: str | bytes) -> Answer:
    """Read the answer to a turn."""
    seq, epoch, granted, wait, slots, requests, period = json.loads(text)
    return Answer(seq, epoch, granted, None if wait < 0 else wait / 1e6, slots, requests, period / 1e6)
