"""Reading the calls of a campaign: lines and the summary."""

import json
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from emay_voice_async.journal.protocol import Line, State, Summary
from emay_voice_async.model.beijing import BEIJING, beijing_time
from emay_voice_async.sql.campaigns import Campaign
from emay_voice_async.sql.tables import Tables

__all__ = ["RUN_ENDED", "beijing", "page", "summary"]

PAGE: Final = 250
"""Calls that are read at a time: more would block the event loop for long."""
RUN_ENDED: Final = "the run that sent it ended before the answer came"


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
        reason = RUN_ENDED
    report_state, description, called_at, duration, key_pressed = json.loads(
        row.rest or '["", "", null, null, null]'
    )
    return Line(
        mobile=f"{row.mobile:011}",
        custom_id=row.custom_id,
        message_id=row.ticket or row.reported or "",
        state=state,
        reason="" if state is State.ACCEPTED else reason,
        begun_at=beijing(row.begun_at),
        report_state=report_state,
        report_description=description,
        called_at=None if called_at is None else beijing_time(called_at),
        duration=duration,
        key_pressed=key_pressed,
    )


async def summary(db: AsyncConnection, tables: Tables, campaign: Campaign) -> Summary:
    """Count the calls by state."""
    states = dict.fromkeys(State, 0)
    for state, number in await db.execute(tables.counts(campaign.id)):
        states[State(state)] = number
    reported = {row[0]: row[1] for row in await db.execute(tables.reported(campaign.id))}
    purpose, made_at = campaign.purpose, beijing(campaign.made_at)
    reasons = {row[0] or RUN_ENDED: row[1] for row in await db.execute(tables.reasons(campaign.id))}
    return Summary(purpose.app_id, purpose.kind, purpose.allow_duplicates, made_at, states, reported, reasons)


def beijing(at: int) -> datetime:
    """Return an instant of the database's clock."""
    return datetime.fromtimestamp(at / 1e6, BEIJING)
