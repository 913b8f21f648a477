"""The plan of a send: calls, requests, time and cost, computed without sending."""

import math
from collections import Counter
from decimal import Decimal
from typing import Final

from attrs import define, field, frozen

from emay_voice_async.errors import InvalidRequestError
from emay_voice_async.journal.null_journal import NullJournal
from emay_voice_async.journal.protocol import MAX_REASONS
from emay_voice_async.journal.purpose import Purpose
from emay_voice_async.journal.session import Sorter
from emay_voice_async.model.limits import RateLimit
from emay_voice_async.model.templates import Spoken, Template
from emay_voice_async.pacing.window import tolerance
from emay_voice_async.sending.hours import CallingHours
from emay_voice_async.sending.options import Options
from emay_voice_async.sending.reading import RecipientReader
from emay_voice_async.sending.texts import TextCount

__all__ = ["Count", "Plan", "count", "count_entries", "plan_of", "seconds_under"]

SHOWN: Final = 1000
"""The most errors that a plan holds: a file of five million wrong lines must not fill the memory."""


def seconds_under(limit: RateLimit | None, requests: int) -> float:
    """Return the least seconds between the first and the last of ``requests`` requests with instant responses."""
    if limit is None or requests < 1:
        return 0.0
    return (requests - 1) // limit.requests * (limit.period + tolerance(limit.period))


def _count(values: tuple[object, ...]) -> str:
    return f"<{len(values)}>"


@frozen
class Plan:
    """The plan of a send. No request was sent.

    ``numbers`` would be called in ``requests`` requests. That takes about ``seconds``, pauses outside of the
    calling hours included; the time until each response comes on top.
    """

    numbers: int
    requests: int
    seconds: float
    invalid: tuple[InvalidRequestError, ...] = field(default=(), repr=_count)
    """The first 1,000 entries that cannot be sent to; each has a ``position``, counted from 0."""
    invalid_count: int = 0
    """The number of entries that cannot be sent to."""
    duplicates: int = 0
    """Entries with a number that came before: each number is called once, unless duplicates are allowed."""
    accepted_before: int = 0
    """Numbers that the journal knows as accepted: they are not sent again."""
    unknown_before: int = 0
    """Numbers of unknown outcome; with ``resend_unknown`` they are sent again and count as ``numbers``."""
    unknown_reasons: dict[str, int] = field(factory=dict)
    """How many of ``unknown_before`` have which reason, the most frequent first, at most 20."""
    over_max_calls: int = 0
    """Numbers beyond ``max_calls``."""
    texts: int = 0
    """The number of different messages: of a template many, else 1."""
    samples: tuple[Spoken, ...] = field(default=(), repr=_count)
    """Of a template, the first three different messages."""
    longest: Spoken | None = field(default=None, repr=False)
    """Of a template, the message with the longest texts; see ``len(plan.longest.content)``."""
    balance: Decimal | None = None
    """The balance in the unit of the account; None: not asked for."""
    cost: Decimal | None = None
    """The cost of ``numbers`` in the unit of the balance; None without a ``price``."""

    @property
    def enough(self) -> bool | None:
        """Whether the balance suffices; None when the balance or the price of a call is not known."""
        if self.balance is not None and self.balance <= 0 < self.numbers:
            return False
        return None if self.balance is None or self.cost is None else self.balance >= self.cost


@define(eq=False)
class Count:
    """The entries of the input, counted by the effect that a send would have."""

    fresh: int = 0
    accepted: int = 0
    unknown: int = 0
    reasons: Counter[str] = field(factory=Counter)
    duplicates: int = 0
    invalid_count: int = 0
    invalid: list[InvalidRequestError] = field(factory=list)
    texts: TextCount | None = None
    """The texts of a template."""


async def count_entries(reader: RecipientReader, options: Options, purpose: Purpose) -> Count:
    """Count the entries of the input, by the journal of the options.

    The journal is not written to. Raises :class:`JournalError` if this send cannot use the journal.
    """
    run = await (options.journal or NullJournal()).start(purpose, dry=True)
    sorter = Sorter(
        run.look,
        allow_duplicates=options.allow_duplicates and options.journal is not None,
        resend_unknown=options.resend_unknown,
    )
    message = purpose.message
    try:
        if not isinstance(message, Template):
            return await count(reader, sorter)
        with TextCount(message, message.endpoint.max_batch, options.max_calls) as texts:
            # Without a journal, duplicates that are allowed are not set aside.
            duplicates_too = options.allow_duplicates and options.journal is None
            return await count(reader, sorter, texts, duplicates_too=duplicates_too)
    finally:
        sorter.close()
        await run.end()


async def count(
    reader: RecipientReader,
    sorter: Sorter,
    texts: TextCount | None = None,
    *,
    duplicates_too: bool = False,
) -> Count:
    """Read the whole input and count the entries; with ``texts`` their texts, too, of duplicates if these are sent."""
    found = Count(texts=texts)
    while (piece := await reader.read()) is not None:
        if piece.error is not None:
            found.invalid_count += 1
            found.invalid += [piece.error] if len(found.invalid) < SHOWN else []
            continue
        selection = await sorter.sort(piece.recipients, piece.positions)
        found.fresh += len(selection.recipients)
        found.accepted += selection.accepted
        found.unknown += selection.unknown
        found.reasons.update(selection.reasons)
        found.duplicates += selection.duplicates
        if texts is not None:
            await texts.add(piece.recipients if duplicates_too else selection.recipients)
    if texts is not None:
        texts.end()
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
    requests = math.ceil(numbers / size) if found.texts is None else found.texts.requests
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
        unknown_reasons=dict(found.reasons.most_common(MAX_REASONS)),
        over_max_calls=wanted - numbers,
        texts=min(requests, 1) if found.texts is None else found.texts.texts,
        samples=() if found.texts is None else found.texts.samples,
        longest=None if found.texts is None else found.texts.longest,
        balance=balance,
        cost=None if price is None else price * numbers,
    )
