"""Reading a journal in an SQLite file: standings, lines and the summary. All functions block.

SQLite's ``quote`` returns all digits of a REAL, JSON 15.
"""

import sqlite3
import time
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from emay_voice_async.journal.processes import ProcessIdentity
from emay_voice_async.journal.protocol import MAX_REASONS, Key, Line, Standing, State, Summary
from emay_voice_async.journal.purpose import Purpose, StoredPurpose
from emay_voice_async.journal.sqlite_rows import RowsStatement, rows_of
from emay_voice_async.journal.sqlite_runs import IsLive, has_ended
from emay_voice_async.journal.sqlite_schema import IS_OPEN, NUMBERS, STATES
from emay_voice_async.journal.sqlite_transaction import Transaction
from emay_voice_async.model.beijing import BEIJING, beijing_time

__all__ = ["bound", "check_purpose", "look", "look_at_once", "page", "stored_purpose", "summary"]

PAGE: Final = 1000
"""Calls that are read at a time."""

_LOOK: Final = RowsStatement(
    "place, mobile, given, occurrence",
    f"""
SELECT json_group_array(json_array(
    place, state, custom_id, message_id, run, reason,
    CASE WHEN {IS_OPEN} THEN quote(over_at) END, CASE WHEN {IS_OPEN} THEN quote(begun_at) END
)) FROM rows CROSS JOIN calls USING (mobile, given, occurrence) CROSS JOIN claims USING (claim)
""",  # noqa: S608 - here and below: only numbers and names of our own
)
_PAGE: Final = """
WITH page AS (SELECT * FROM calls WHERE call > ? ORDER BY call LIMIT ?)
SELECT (SELECT json_group_array(json_array(
    call, claim, mobile, custom_id, message_id, state, report_state, report_description,
    quote(called_at), quote(duration), key_pressed
)) FROM page), (SELECT json_group_array(json_array(
    claim, run, quote(over_at), reason, quote(begun_at)
)) FROM claims WHERE claim IN (SELECT claim FROM page))
"""
_COUNT: Final = f"""
SELECT state, run, over_at, count(*) FROM calls JOIN claims USING (claim)
GROUP BY state, CASE state WHEN {NUMBERS[State.UNDER_WAY]} THEN claim END
"""  # noqa: S608
_REASONS: Final = f"""
SELECT reason, state, run, over_at, count(*) FROM calls JOIN claims USING (claim)
WHERE {IS_OPEN} GROUP BY 1, 2, 3, 4
"""  # noqa: S608
_OPEN: Final = "the process that sent it ended before the answer came"


def look(db: sqlite3.Connection, keys: Sequence[Key], is_live: IsLive) -> list[Standing | None]:
    """Return the standing of each call; None: the call was never claimed."""
    runs = _Runs(db, is_live)
    rows = ((place, *bound(key)) for place, key in enumerate(keys))
    found = {place: _standing(runs, *values) for place, *values in _LOOK.read(db, rows)}
    return [found.get(place) for place in range(len(keys))]


def look_at_once(db: sqlite3.Connection, keys: Sequence[Key], is_live: IsLive) -> list[Standing | None]:
    """Look the calls up as of a single moment, so that a claim of another run is seen whole or not at all."""
    with Transaction(db, write=False):
        return look(db, keys, is_live)


def _standing(
    runs: "_Runs",
    number: int,
    custom_id: str,
    message_id: str,
    run: int,
    reason: str,
    over_at: str | None,
    begun_at: str | None,
) -> Standing:
    if over_at is None or begun_at is None:
        return Standing(STATES[number], custom_id, message_id)
    state = runs.state(number, run, float(over_at))
    if state is State.UNKNOWN:
        return Standing(state, custom_id, message_id, reason or _OPEN, _beijing(float(begun_at)))
    return Standing(state, custom_id, message_id)


def bound(key: Key) -> tuple[int, str, int]:
    """Return the column values of a key."""
    return int(key.mobile), key.custom_id, key.occurrence


class _Runs:
    """Distinguishes claims that are under way from claims of runs that have ended."""

    def __init__(self, db: sqlite3.Connection, is_live: IsLive) -> None:
        self._db = db
        self._is_live = is_live
        self._ended: dict[int, bool | None] = {}

    def state(self, number: int, run: int, over_at: float) -> State:
        """Return the state of a call, given the stored number, the run, and the end of the claim's time."""
        state = STATES[number]
        return State.UNKNOWN if state is State.UNDER_WAY and self._is_over(run, over_at) else state

    def _is_over(self, run: int, over_at: float) -> bool:
        if run not in self._ended:
            self._ended[run] = self._has_ended(run)
        ended = self._ended[run]
        # Of a process on another host only the time is known.
        return time.time() > over_at if ended is None else ended

    def _has_ended(self, run: int) -> bool | None:
        found = self._db.execute("SELECT token, place, pid, born FROM runs WHERE run = ?", (run,))
        token, place, pid, born = found.fetchone()
        return has_ended(token, ProcessIdentity(place, pid, born), self._is_live)


def stored_purpose(db: sqlite3.Connection) -> StoredPurpose | None:
    """Return the purpose of a journal; None: no run has begun in the journal yet."""
    columns = "app_id, kind, product, salt, fingerprint, allow_duplicates"
    found = db.execute(f"SELECT {columns} FROM purpose").fetchone()  # noqa: S608 - no value
    if found is None:
        return None
    app_id, kind, product, salt, fingerprint, allow_duplicates = found
    return StoredPurpose(app_id, kind, product, salt, fingerprint, bool(allow_duplicates))


def check_purpose(db: sqlite3.Connection, purpose: Purpose) -> None:
    """Raise :class:`JournalError` if the journal was made for another purpose."""
    stored = stored_purpose(db)
    if stored is not None:
        stored.check(purpose)


def page(db: sqlite3.Connection, last: int, is_live: IsLive) -> list[tuple[int, Line]]:
    """Return the calls after the call number ``last``, as pairs of number and line."""
    runs = _Runs(db, is_live)
    [[calls, claims]] = db.execute(_PAGE, (last, PAGE))
    known = {
        claim: _Claim(run, float(over_at), reason, _beijing(float(begun_at)))
        for claim, run, over_at, reason, begun_at in rows_of(claims)
    }
    return [(call, _line(values, known[claim], runs)) for call, claim, *values in rows_of(calls)]


class _Claim(NamedTuple):
    run: int
    over_at: float
    reason: str
    begun_at: datetime


def _line(values: list[Any], claim: _Claim, runs: _Runs) -> Line:
    mobile, custom_id, message_id, number, report_state, description, called_at, duration, key_pressed = (
        values
    )
    state = runs.state(number, claim.run, claim.over_at)
    reason = claim.reason
    if state is State.UNKNOWN and not reason:
        reason = _OPEN
    at = _real(called_at)
    return Line(
        mobile=f"{mobile:011}",
        custom_id=custom_id,
        message_id=message_id,
        state=state,
        reason="" if state is State.ACCEPTED else reason,
        begun_at=claim.begun_at,
        report_state=report_state,
        report_description=description,
        called_at=None if at is None else beijing_time(at),
        duration=_real(duration),
        key_pressed=key_pressed,
    )


def summary(db: sqlite3.Connection, is_live: IsLive) -> Summary:
    """Count the calls by state."""
    runs = _Runs(db, is_live)
    states = dict.fromkeys(State, 0)
    for number, run, over_at, count in db.execute(_COUNT):
        states[runs.state(number, run, over_at)] += count
    reported = db.execute(
        "SELECT report_state, count(*) FROM calls WHERE report_state <> '' GROUP BY 1 ORDER BY 2 DESC, 1"
    )
    found = db.execute("SELECT app_id, kind, allow_duplicates, made_at FROM purpose").fetchone()
    if found is None:
        raise sqlite3.DatabaseError("no run has begun in it yet")
    app_id, kind, allow_duplicates, made_at = found
    return Summary(
        app_id,
        kind,
        bool(allow_duplicates),
        _beijing(made_at),
        states,
        dict(reported.fetchall()),
        _reasons(db, runs),
    )


def _reasons(db: sqlite3.Connection, runs: _Runs) -> dict[str, int]:
    reasons = Counter[str]()
    for reason, number, run, over_at, count in db.execute(_REASONS):
        if runs.state(number, run, over_at) is State.UNKNOWN:
            reasons[reason or _OPEN] += count
    return dict(reasons.most_common(MAX_REASONS))


def _real(quoted: str) -> float | None:
    return None if quoted == "NULL" else float(quoted)


def _beijing(at: float) -> datetime:
    return datetime.fromtimestamp(at, BEIJING)
