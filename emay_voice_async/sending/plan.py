"""What a send would do, found out without sending anything."""

import math
from decimal import Decimal
from typing import Final

from attrs import define, field, frozen

from emay_voice_async.errors import InvalidRequestError
from emay_voice_async.journal.session import Sorter
from emay_voice_async.model.limits import RateLimit
from emay_voice_async.pacing.window import tolerance
from emay_voice_async.sending.batches import Reader
from emay_voice_async.sending.hours import CallingHours

__all__ = ["Count", "Plan", "count", "plan_of", "seconds_under"]

SHOWN: Final = 1000
"""Errors that a plan holds: a file of five million wrong lines must not fill the memory."""


def seconds_under(limit: RateLimit | None, requests: int) -> float:
    """Return the least seconds from the first of so many requests to the last, answers taking no time."""
    if limit is None or requests < 1:
        return 0.0
    return (requests - 1) // limit.requests * (limit.period + tolerance(limit.period))


def _count(errors: tuple[InvalidRequestError, ...]) -> str:
    return f"<{len(errors)}>"


@frozen
class Plan:
    """What a send would do. Nothing was sent.

    ``numbers`` would be called, in ``requests`` requests, which takes about ``seconds``, pauses outside of the
    calling hours included; the time of the answers comes on top.
    """

    numbers: int
    requests: int
    seconds: float
    invalid: tuple[InvalidRequestError, ...] = field(default=(), repr=_count)
    """The first 1,000 entries that cannot be sent; each has its ``position``, counted from 0."""
    invalid_count: int = 0
    """How many entries cannot be sent."""
    duplicates: int = 0
    """Entries whose number came before: with a journal they are not sent, without one they are."""
    accepted_before: int = 0
    """Numbers that the journal knows as accepted: they are not sent again."""
    unknown_before: int = 0
    """Numbers whose earlier outcome is unknown: sent again only if asked to (then they count as ``numbers``)."""
    over_max_calls: int = 0
    """Numbers that ``max_calls`` leaves out."""
    balance: Decimal | None = None
    """The account's balance in its own unit; None: it was not asked for."""
    cost: Decimal | None = None
    """What the numbers cost in the unit of the balance; None without a ``price``."""

    @property
    def enough(self) -> bool | None:
        """Whether the balance suffices; None when the balance or the price of a call is not known."""
        if self.balance is not None and self.balance <= 0 < self.numbers:
            return False
        return None if self.balance is None or self.cost is None else self.balance >= self.cost


@define
class Count:
    """What was found in the input."""

    fresh: int = 0
    accepted: int = 0
    unknown: int = 0
    duplicates: int = 0
    invalid_count: int = 0
    invalid: list[InvalidRequestError] = field(factory=list)


async def count(reader: Reader, sorter: Sorter) -> Count:
    """Read all of the input and count what would become of it."""
    found = Count()
    while (piece := await reader.read()) is not None:
        if piece.error is not None:
            found.invalid_count += 1
            found.invalid += [piece.error] if len(found.invalid) < SHOWN else []
            continue
        sorted_ = await sorter.sort(piece.recipients, piece.positions)
        found.fresh += len(sorted_.recipients)
        found.accepted += sorted_.accepted
        found.unknown += sorted_.unknown
        found.duplicates += sorted_.duplicates
    return found


def plan_of(
    found: Count,
    *,
    size: int,
    duplicates_are_sent: bool,
    max_calls: int | None,
    limit: RateLimit | None,
    hours: CallingHours | None,
    now: float,
    balance: Decimal | None,
    price: Decimal | None,
) -> Plan:
    """Make the plan of a send in requests of ``size`` numbers that would begin at ``now`` (POSIX seconds)."""
    wanted = found.fresh + (found.duplicates if duplicates_are_sent else 0)
    numbers = wanted if max_calls is None else min(wanted, max_calls)
    requests = math.ceil(numbers / size)
    seconds = seconds_under(limit, requests)
    if hours is not None and numbers:
        seconds = hours.stretched(now, seconds)
    return Plan(
        numbers=numbers,
        requests=requests,
        seconds=seconds,
        invalid=tuple(found.invalid),
        invalid_count=found.invalid_count,
        duplicates=found.duplicates,
        accepted_before=found.accepted,
        unknown_before=found.unknown,
        over_max_calls=wanted - numbers,
        balance=balance,
        cost=None if price is None else price * numbers,
    )
