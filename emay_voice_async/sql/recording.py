"""Adding status reports to the calls of a campaign."""

import json
from collections.abc import Sequence
from typing import Any, Final

from attrs import define
from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncConnection

from emay_voice_async.journal.pages import pages_of
from emay_voice_async.journal.protocol import State
from emay_voice_async.model.results import Report
from emay_voice_async.sql.campaigns import Campaign, lock
from emay_voice_async.sql.tables import Tables

__all__ = ["record"]

_PAGE: Final = 250
"""Reports that are added at a time: more would block the event loop for long."""


@define
class _Candidate:
    """A call that a report may belong to."""

    key: str
    custom_id: str
    message_id: str
    has_report: bool

    def matches(self, report: Report) -> bool:
        if self.message_id and report.message_id:
            return self.message_id == report.message_id
        return bool(report.custom_id) and self.custom_id == report.custom_id


async def record(db: AsyncConnection, tables: Tables, campaign: Campaign, reports: Sequence[Report]) -> int:
    """Add status reports to their calls; return how many belong to calls of this campaign."""
    await lock(db, tables, campaign)
    own = (report for report in reports if campaign.purpose.covers(report))
    return sum([await _record(db, tables, campaign, page) for page in pages_of(own, _PAGE)])


async def _record(db: AsyncConnection, tables: Tables, campaign: Campaign, reports: Sequence[Report]) -> int:
    numbers = [campaign.number(report.mobile) for report in reports]
    candidates = await _candidates(db, tables, set(numbers))
    rows: dict[str, dict[str, Any]] = {}
    count = 0
    for number, report in zip(numbers, reports, strict=True):
        found = [call for call in candidates.get(number, ()) if call.matches(report)]
        if found:
            count += 1
            # Of several calls with one custom id: the call with this message id, else a call without a report.
            call = min(found, key=lambda call: (call.message_id != report.message_id, call.has_report))
            call.message_id, call.has_report = call.message_id or report.message_id, True
            rows[call.key] = _row_of(campaign, call, report)
    if rows:
        await db.execute(delete(tables.reports).where(tables.dialect.is_among(tables.reports.c.key, rows)))
        await tables.dialect.insert_rows(db, tables.reports, list(rows.values()))
    return count


async def _candidates(db: AsyncConnection, tables: Tables, numbers: set[int]) -> dict[int, list[_Candidate]]:
    """Find the calls to these numbers that may have been made, by number."""
    calls, reports = tables.calls.c, tables.reports.c
    columns = (
        calls.key,
        calls.number,
        calls.custom_id,
        tables.tickets.c.message_id,
        reports.message_id,
        tables.state,
    )
    wanted = tables.known(*columns).where(tables.dialect.is_among(calls.number, numbers))
    found: dict[int, list[_Candidate]] = {}
    for key, number, custom_id, ticket, reported, state in await db.execute(wanted.order_by(calls.position)):
        if not State(state).is_free:
            call = _Candidate(key, custom_id, ticket or reported or "", reported is not None)
            found.setdefault(number, []).append(call)
    return found


def _row_of(campaign: Campaign, call: _Candidate, report: Report) -> dict[str, Any]:
    rest = [
        report.raw_state,
        report.description,
        None if report.called_at is None else report.called_at.timestamp(),
        report.duration,
        report.key_pressed,
    ]
    return {
        "campaign": campaign.id,
        "key": call.key,
        "message_id": call.message_id,
        "state": report.raw_state[:40],
        "rest": json.dumps(rest),
    }
