"""Writing a journal in an SQLite file: runs, claims, outcomes and reports.

All functions block, and are called in a transaction.
"""

import sqlite3
import time
from collections.abc import Iterable, Sequence
from typing import Any, Final

from attrs import astuple

from emay_voice_async.journal.processes import ProcessIdentity
from emay_voice_async.journal.protocol import Claim, State
from emay_voice_async.journal.purpose import Purpose, StoredPurpose
from emay_voice_async.journal.sqlite_reading import bound, look, stored_purpose
from emay_voice_async.journal.sqlite_runs import IsLive, refuse_copy
from emay_voice_async.journal.sqlite_schema import NUMBERS
from emay_voice_async.model.results import Report

__all__ = ["begin", "begin_run", "close", "end_run", "record", "withdraw"]

_ACCEPTED, _UNDER_WAY, _UNKNOWN = (NUMBERS[one] for one in (State.ACCEPTED, State.UNDER_WAY, State.UNKNOWN))
_BY_KEY: Final = "mobile = ? AND given = ? AND occurrence = ?"
_TAKE: Final = f"""
INSERT INTO calls (mobile, given, occurrence, claim, state, custom_id) VALUES (?, ?, ?, ?, {_UNDER_WAY}, ?)
ON CONFLICT (mobile, given, occurrence) DO UPDATE
SET claim = excluded.claim, state = excluded.state, custom_id = excluded.custom_id, message_id = ''
"""  # noqa: S608 - here and below: only numbers and names of our own
# Texts of the service, and reasons, may contain lone surrogates: they are bound as bytes.
_ACCEPT: Final = (
    f"UPDATE calls SET state = {_ACCEPTED}, message_id = CAST(? AS TEXT) WHERE {_BY_KEY} AND claim = ?"  # noqa: S608
)
_OPEN: Final = f"state IN ({_UNDER_WAY}, {_UNKNOWN})"
_SETTLE: Final = f"UPDATE calls SET state = ? WHERE {_BY_KEY} AND claim = ? AND {_OPEN}"  # noqa: S608
_RECORD: Final = f"""
UPDATE calls SET state = {_ACCEPTED}, called_at = :called_at, duration = :duration,
    report_state = CAST(:state AS TEXT), report_description = CAST(:description AS TEXT),
    key_pressed = CAST(:key_pressed AS TEXT),
    message_id = CASE WHEN :message_id = x'' THEN message_id ELSE CAST(:message_id AS TEXT) END
WHERE mobile = :mobile AND (state = {_ACCEPTED} OR {_OPEN})
    AND CASE WHEN message_id <> '' AND :message_id <> x'' THEN message_id = CAST(:message_id AS TEXT)
        ELSE custom_id = CAST(:custom_id AS TEXT) END
"""  # noqa: S608


def begin_run(db: sqlite3.Connection, purpose: Purpose, token: str, file: str, is_live: IsLive) -> int:
    """Add a run of this process and return the number of the run, if the journal was made for ``purpose``.

    ``file`` identifies the file.
    """
    refuse_copy(db, file, is_live)
    stored = stored_purpose(db)
    if stored is None:
        stored = StoredPurpose.of(purpose)
        columns = "app_id, kind, product, salt, fingerprint, allow_duplicates, made_at"
        row = *astuple(stored), time.time()
        db.execute(f"INSERT INTO purpose ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?)", row)  # noqa: S608
    stored.check(purpose)
    process = ProcessIdentity.current()
    cursor = db.execute(
        "INSERT INTO runs (token, place, pid, born, started_at, file) VALUES (?, ?, ?, ?, ?, ?)",
        (token, process.place, process.pid, process.born, time.time(), file),
    )
    return int(cursor.lastrowid or 0)


def end_run(db: sqlite3.Connection, run: int) -> None:
    """Mark a run as ended; none of its claims is open."""
    db.execute("UPDATE runs SET ended = 1 WHERE run = ?", (run,))


def begin(db: sqlite3.Connection, run: int, claim: Claim, is_live: IsLive) -> int | None:
    """Claim a batch whole and return the number of the claim, or claim no call and return None."""
    for standing in look(db, claim.keys, is_live):
        if standing is None or standing.state.is_free:
            continue
        if not (claim.resend_unknown and standing.state is State.UNKNOWN):
            return None
    now = time.time()
    number = db.execute(
        "INSERT INTO claims (token, run, begun_at, over_at) VALUES (?, ?, ?, ?)",
        (claim.token, run, now, now + claim.lasts),
    ).lastrowid
    pairs = zip(claim.keys, claim.custom_ids, strict=True)
    db.executemany(_TAKE, ((*bound(key), number, custom_id) for key, custom_id in pairs))
    return number


def withdraw(db: sqlite3.Connection, number: int) -> None:
    """Make the calls of a claim free, as no request leaves."""
    db.execute("UPDATE calls SET state = ? WHERE claim = ?", (NUMBERS[State.NOT_SENT], number))


def close(
    db: sqlite3.Connection, claim: Claim, state: State, reason: str, message_ids: Sequence[str] | None
) -> None:
    """Write the outcome of a claim."""
    found = db.execute("SELECT claim FROM claims WHERE token = ?", (claim.token,)).fetchone()
    if found is None:
        # The claim did not succeed.
        return
    [number] = found
    db.execute("UPDATE claims SET reason = CAST(? AS TEXT) WHERE claim = ?", (_bytes(reason), number))
    keys = [(*bound(key), number) for key in claim.keys]
    if state is State.ACCEPTED:
        ids = message_ids or [""] * len(keys)
        rows = zip(map(_bytes, ids), keys, strict=True)
        db.executemany(_ACCEPT, ((message_id, *key) for message_id, key in rows))
    else:
        db.executemany(_SETTLE, ((NUMBERS[state], *key) for key in keys))


def record(db: sqlite3.Connection, reports: Iterable[Report]) -> int:
    """Add status reports to their calls; return how many belong to calls of this journal."""
    stored = stored_purpose(db)
    if stored is None:
        raise sqlite3.DatabaseError("no run has begun in it yet")
    rows = [_row_of(report) for report in reports if stored.covers(report)]
    return sum(db.execute(_RECORD, row).rowcount > 0 for row in rows)


def _row_of(report: Report) -> dict[str, Any]:
    mobile = report.mobile
    return {
        "mobile": int(mobile) if mobile.isdecimal() and len(mobile) <= 18 else None,
        "custom_id": _bytes(report.custom_id),
        "message_id": _bytes(report.message_id),
        "state": _bytes(report.raw_state),
        "description": _bytes(report.description),
        "called_at": None if report.called_at is None else report.called_at.timestamp(),
        "duration": report.duration,
        "key_pressed": None if report.key_pressed is None else _bytes(report.key_pressed),
    }


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
