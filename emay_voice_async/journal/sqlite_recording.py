"""Adding status reports to the calls of a journal in an SQLite file, in a transaction of the caller."""

import sqlite3
from collections.abc import Iterable
from typing import Final

from attrs import define

from emay_voice_async.journal.protocol import State
from emay_voice_async.journal.sqlite_reading import stored_purpose
from emay_voice_async.journal.sqlite_rows import RowsStatement, as_bytes
from emay_voice_async.journal.sqlite_schema import NUMBERS
from emay_voice_async.model.results import Report

__all__ = ["record"]

_ACCEPTED: Final = NUMBERS[State.ACCEPTED]
_MADE: Final = ", ".join(str(NUMBERS[state]) for state in State if not state.is_free)
_CANDIDATES: Final = RowsStatement(
    "mobile",
    f"""
SELECT json_group_array(json_array(mobile, given, occurrence, custom_id, message_id))
FROM rows CROSS JOIN calls USING (mobile) WHERE state IN ({_MADE})
""",  # noqa: S608 - here and below: only numbers and names of our own
)
_RECORD: Final = RowsStatement(
    "mobile, given, occurrence, message_id, report_state, report_description, key_pressed, called_at, duration",
    f"""
INSERT INTO calls (
    mobile, given, occurrence, claim, state, custom_id,
    message_id, report_state, report_description, key_pressed, called_at, duration
)
SELECT mobile, given, occurrence, 0, {_ACCEPTED}, '', CAST(message_id AS TEXT),
    CAST(report_state AS TEXT), CAST(report_description AS TEXT), CAST(key_pressed AS TEXT), called_at, duration
FROM rows WHERE mobile IS NOT NULL
ON CONFLICT (mobile, given, occurrence) DO UPDATE
SET state = excluded.state, message_id = excluded.message_id, report_state = excluded.report_state,
    report_description = excluded.report_description, key_pressed = excluded.key_pressed,
    called_at = excluded.called_at, duration = excluded.duration
""",  # noqa: S608
)


@define
class _Call:
    """A call that a report may belong to, and the last of its reports."""

    mobile: int
    given: str
    occurrence: int
    custom_id: str
    message_id: str
    report: Report | None = None

    def matches(self, report: Report) -> bool:
        if self.message_id and report.message_id:
            return self.message_id == report.message_id
        return self.custom_id == report.custom_id

    def add(self, report: Report) -> None:
        self.message_id = report.message_id or self.message_id
        self.report = report


def record(db: sqlite3.Connection, reports: Iterable[Report]) -> int:
    """Add status reports to their calls; return how many belong to calls of this journal."""
    stored = stored_purpose(db)
    if stored is None:
        raise sqlite3.DatabaseError("no run has begun in it yet")
    own = [(_number(report.mobile), report) for report in reports if stored.covers(report)]
    candidates: dict[int | None, list[_Call]] = {number: [] for number, _ in own if number is not None}
    for mobile, *values in _CANDIDATES.read(db, ((mobile,) for mobile in candidates)):
        candidates[mobile].append(_Call(mobile, *values))
    count = 0
    for number, report in own:
        found = [call for call in candidates.get(number, ()) if call.matches(report)]
        for call in found:
            call.add(report)
        count += bool(found)
    calls = (call for of_number in candidates.values() for call in of_number)
    _RECORD.write(db, (_row_of(call, call.report) for call in calls if call.report is not None))
    return count


def _number(mobile: str) -> int | None:
    return int(mobile) if mobile.isdecimal() and len(mobile) <= 18 else None


def _row_of(call: _Call, report: Report) -> tuple[object, ...]:
    return (
        call.mobile,
        call.given,
        call.occurrence,
        as_bytes(call.message_id),
        as_bytes(report.raw_state),
        as_bytes(report.description),
        None if report.key_pressed is None else as_bytes(report.key_pressed),
        None if report.called_at is None else report.called_at.timestamp(),
        report.duration,
    )
