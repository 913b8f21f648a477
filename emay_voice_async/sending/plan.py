"""What a send would do, found out without sending anything."""

import math
from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from attrs import define, field

from emay_voice_async.errors import InvalidRequestError
from emay_voice_async.journal.protocol import Key
from emay_voice_async.journal.session import Sorter
from emay_voice_async.pacing.window import RateLimit
from emay_voice_async.sending.batches import Reader
from emay_voice_async.sending.hours import CallingHours, Plan, seconds_under

__all__ = ["Count", "count", "know_nothing", "plan_of"]

SHOWN: Final = 1000
"""Errors that a plan holds: a file of five million wrong lines must not fill the memory."""


@define
class Count:
    """What was found in the input."""

    fresh: int = 0
    accepted: int = 0
    unknown: int = 0
    repeated: int = 0
    invalid_count: int = 0
    invalid: list[InvalidRequestError] = field(factory=list)


async def know_nothing(keys: Sequence[Key]) -> Sequence[None]:
    """Look keys up where there is no journal."""
    return [None] * len(keys)


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
        found.repeated += sorted_.repeated
    return found


def plan_of(
    found: Count,
    *,
    size: int,
    repeats_are_sent: bool,
    max_calls: int | None,
    limit: RateLimit | None,
    hours: CallingHours | None,
    now: float,
    balance: Decimal | None,
    price: Decimal | None,
) -> Plan:
    """Make the plan of a send in requests of ``size`` numbers that would begin at ``now`` (POSIX seconds)."""
    wanted = found.fresh + (found.repeated if repeats_are_sent else 0)
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
        repeats=found.repeated,
        accepted_before=found.accepted,
        unknown_before=found.unknown,
        over_max_calls=wanted - numbers,
        balance=balance,
        cost=None if price is None else price * numbers,
    )
