"""Reading the calls of a campaign: lines and the summary."""

import json
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from emay_voice_async.journal.protocol import Line, State, Summary
from emay_voice_async.model.beijing import BEIJING
from emay_voice_async.sql.campaigns import Campaign
from emay_voice_async.sql.tables import Tables

__all__ = ["page", "summary"]

PAGE: Final = 1000
"""Calls that are read at a time."""
_OPEN: Final = "the run that sent it ended before the answer came"


async def page(db: AsyncConnection, tables: Tables, campaign: Campaign, last: int) -> list[tuple[int, Line]]:
    """Return the calls after the position ``last``, as pairs of position and line."""
    calls, claims, reports = tables.calls.c, tables.claims.c, tables.reports.c
    columns = (
        calls.position,
        calls.mobile,
        calls.custom_id,
        tables.tickets.c.message_id.label("ticket"),
        tables.state,
        claims.reason,
        claims.begun_at,
        reports.message_id.label("reported"),
        reports.rest,
    )
    wanted = tables.known(*columns).where(calls.campaign == campaign.id, calls.position > last)
    found = await db.execute(wanted.order_by(calls.position).limit(PAGE))
    return [(row.position, _line(row)) for row in found]


def _line(row: Row[Any]) -> Line:
    state = State(row.standing)
    reason = row.reason
    if state is State.UNKNOWN and not reason:
        reason = _OPEN
    report_state, description, called_at, duration, key_pressed = json.loads(
        row.rest or '["", "", null, null, null]'
    )
    return Line(
        mobile=f"{row.mobile:011}",
        custom_id=row.custom_id,
        message_id=row.ticket or row.reported or "",
        state=state,
        reason="" if state is State.ACCEPTED else reason,
        begun_at=_beijing(row.begun_at / 1e6),
        report_state=report_state,
        report_description=description,
        called_at=None if called_at is None else _beijing(called_at),
        duration=duration,
        key_pressed=key_pressed,
    )


async def summary(db: AsyncConnection, tables: Tables, campaign: Campaign) -> Summary:
    """Count the calls by state."""
    states = dict.fromkeys(State, 0)
    for state, number in await db.execute(tables.counts(campaign.id)):
        states[State(state)] = number
    reported = {row[0]: row[1] for row in await db.execute(tables.reported(campaign.id))}
    purpose, made_at = campaign.purpose, _beijing(campaign.made_at / 1e6)
    return Summary(purpose.app_id, purpose.kind, purpose.allow_duplicates, made_at, states, reported)


def _beijing(at: float) -> datetime:
    return datetime.fromtimestamp(at, BEIJING)
