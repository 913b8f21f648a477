"""Recording reports in a journal's file: many reports as one after another."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from emay_voice_async.journal import sqlite_file
from emay_voice_async.journal.protocol import Key, State
from emay_voice_async.journal.sqlite_recording import record
from emay_voice_async.journal.sqlite_rows import AT_ONCE, as_bytes
from emay_voice_async.journal.sqlite_schema import NUMBERS
from emay_voice_async.journal.sqlite_statements import begin_run
from emay_voice_async.model.results import Report
from emay_voice_async.testing.journal.values import PURPOSE, report_of

ONE_BY_ONE = """
UPDATE calls SET state = 1, called_at = :called_at, duration = :duration,
    report_state = CAST(:state AS TEXT), report_description = CAST(:description AS TEXT),
    key_pressed = CAST(:key_pressed AS TEXT),
    message_id = CASE WHEN :message_id = x'' THEN message_id ELSE CAST(:message_id AS TEXT) END
WHERE mobile = :mobile AND state IN (0, 1, 4)
    AND CASE WHEN message_id <> '' AND :message_id <> x'' THEN message_id = CAST(:message_id AS TEXT)
        ELSE custom_id = CAST(:custom_id AS TEXT) END
"""
"""Adds one report to its calls."""

MOBILES = st.sampled_from(["13800000001", "13800000002", "13800000003"])
IDS = st.sampled_from(["", "a", "A", "b", "c\0", "c", "\ud800", "📞"])
CALLS = st.lists(
    st.tuples(
        MOBILES,
        st.sampled_from(["", "a", "A", "c\0"]),
        st.integers(0, 2),
        IDS,
        IDS,
        st.sampled_from(sorted(NUMBERS.values())),
    ),
    max_size=8,
    unique_by=lambda call: call[:3],
)
REPORTS = st.lists(
    st.builds(
        lambda report, *values: evolve(
            report,
            **dict(zip(("description", "key_pressed", "called_at", "duration"), values, strict=True)),
        ),
        st.builds(
            lambda mobile, message_id, custom_id, state: report_of(
                Key(mobile), message_id=message_id, custom_id=custom_id, state=state
            ),
            MOBILES | st.sampled_from(["", "+86138", "1" * 19]),
            IDS,
            IDS,
            st.sampled_from(["SUCCESS", "FAIL", "odd \ud800"]),
        ),
        st.sampled_from(["", "busy"]),
        st.sampled_from([None, "", "1"]),
        st.none() | st.just(datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)),
        st.none() | st.floats(0, 1e6),
    ),
    max_size=8,
)


def new(path: Path | str, calls: Sequence[tuple[Any, ...]]) -> sqlite3.Connection:
    """Make a journal with calls: mobile, given, occurrence, custom id, message id, state."""
    db = sqlite_file.connect(Path(path), create=True, is_live=bool)
    begin_run(db, PURPOSE, "token", "file", bool)
    db.executemany(
        "INSERT INTO calls (mobile, given, occurrence, claim, custom_id, message_id, state)"
        " VALUES (?, CAST(? AS TEXT), ?, 1, CAST(? AS TEXT), CAST(? AS TEXT), ?)",
        [
            (int(mobile), as_bytes(own), occurrence, as_bytes(custom_id), as_bytes(message_id), state)
            for mobile, own, occurrence, custom_id, message_id, state in calls
        ],
    )
    return db


def recorded_one_by_one(db: sqlite3.Connection, reports: Sequence[Report]) -> int:
    """Add reports one after another."""
    count = 0
    for report in reports:
        done = db.execute(
            ONE_BY_ONE,
            {
                "mobile": int(report.mobile)
                if report.mobile.isdecimal() and len(report.mobile) < 19
                else None,
                "custom_id": as_bytes(report.custom_id),
                "message_id": as_bytes(report.message_id),
                "state": as_bytes(report.raw_state),
                "description": as_bytes(report.description),
                "called_at": report.called_at and report.called_at.timestamp(),
                "duration": report.duration,
                "key_pressed": None if report.key_pressed is None else as_bytes(report.key_pressed),
            },
        )
        count += done.rowcount > 0
    return count


def content(db: sqlite3.Connection) -> list[Any]:
    """Return all calls."""
    return db.execute("SELECT * FROM calls ORDER BY call").fetchall()


@given(CALLS, REPORTS)
def test_as_one_after_another(
    tmp_path_factory: pytest.TempPathFactory, calls: list[tuple[Any, ...]], reports: list[Report]
) -> None:
    """Reports that are recorded together change the same calls in the same way as one after another."""
    folder = tmp_path_factory.mktemp("journals")
    with closing(new(folder / "a.db", calls)) as db, closing(new(folder / "b.db", calls)) as other:
        assert record(db, reports) == recorded_one_by_one(other, reports)
        assert content(db) == content(other)


def test_more_than_a_statement_takes(tmp_path: Path) -> None:
    """Reports of more calls than a statement takes rows are all recorded."""
    numbers = [str(13_000_000_000 + number) for number in range(2 * AT_ONCE + 1)]
    calls = [(number, "", 0, number, "", NUMBERS[State.UNKNOWN]) for number in numbers]
    with closing(new(tmp_path / "run.db", calls)) as db:
        reports = [report_of(Key(number), custom_id=number) for number in numbers]
        assert record(db, reports) == len(numbers)
        states = db.execute("SELECT DISTINCT state, report_state FROM calls").fetchall()
        assert states == [(NUMBERS[State.ACCEPTED], "SUCCESS")]
