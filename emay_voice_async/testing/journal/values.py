"""Purposes, claims and reports for the rules of a journal."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from itertools import count
from typing import Final

from emay_voice_async.journal.protocol import Claim, Journal, JournalRun, Key, Line, State
from emay_voice_async.journal.purpose import Purpose
from emay_voice_async.model.codes import CallState
from emay_voice_async.model.endpoints import Product
from emay_voice_async.model.messages import Notice
from emay_voice_async.model.results import Report
from emay_voice_async.testing.rules import true

__all__ = [
    "BEIJING",
    "CLOSED",
    "FREE",
    "PURPOSE",
    "all_lines",
    "begun",
    "claim",
    "keys",
    "report_of",
    "settled",
    "states",
]

PURPOSE: Final = Purpose("app", Notice("您的快递已到"))
FREE: Final = (State.REFUSED, State.NOT_SENT)
CLOSED: Final = (State.ACCEPTED, State.REFUSED, State.NOT_SENT, State.UNKNOWN)
BEIJING: Final = timedelta(hours=8)

_STATES: Final = {state.name: state for state in CallState}
_serial = count()


def keys(*numbers: int) -> tuple[Key, ...]:
    """Make the keys of calls without duplicates."""
    return tuple(Key(f"138{number:08}") for number in numbers)


def claim(
    of: Sequence[Key], *, custom_ids: Iterable[str] = (), resend: bool = False, lasts: float = 3600.0
) -> Claim:
    """Make a claim with a new token, and new custom ids unless given."""
    serial = next(_serial)
    given = tuple(custom_ids) or tuple(f"c{serial}-{place}" for place in range(len(of)))
    return Claim(f"token-{serial}", tuple(of), given, lasts, resend)


def report_of(key: Key, *, message_id: str = "", custom_id: str = "", state: str = "SUCCESS") -> Report:
    """Make a report of a call."""
    return Report(
        Product.VOICE,
        app_id="app",
        message_id=message_id,
        custom_id=custom_id,
        mobile=key.mobile,
        state=_STATES.get(state, CallState.OTHER),
        raw_state=state,
    )


async def states(run: JournalRun, of: Sequence[Key]) -> list[State | None]:
    """Look at calls, and return their states."""
    return [None if standing is None else standing.state for standing in await run.look(of)]


async def begun(run: JournalRun, of: Sequence[Key], *, resend: bool = False) -> Claim:
    """Claim calls that can be claimed."""
    batch = claim(of, resend=resend)
    true(await run.begin(batch), "new calls and free calls are claimed")
    return batch


async def settled(run: JournalRun, of: Sequence[Key], state: State, *, reason: str = "") -> Claim:
    """Claim calls and close the claim; message ids of accepted calls follow from the custom ids."""
    batch = await begun(run, of)
    ids = [f"m-{custom_id}" for custom_id in batch.custom_ids] if state is State.ACCEPTED else None
    await run.close(batch, state, reason=reason, message_ids=ids)
    return batch


async def all_lines(journal: Journal) -> list[Line]:
    """Read every line of a journal."""
    return [line async for line in journal.lines()]
