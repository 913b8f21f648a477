"""Writing a journal in an SQLite file: runs, claims and outcomes.

All functions block, and are called in a transaction.
"""

import sqlite3
import time
from collections.abc import Sequence
from typing import Final

from attrs import astuple

from emay_voice_async.journal.processes import ProcessIdentity
from emay_voice_async.journal.protocol import Claim, State
from emay_voice_async.journal.purpose import Purpose, StoredPurpose
from emay_voice_async.journal.sqlite_reading import bound, look, stored_purpose
from emay_voice_async.journal.sqlite_rows import RowsStatement, as_bytes
from emay_voice_async.journal.sqlite_runs import IsLive, refuse_copy
from emay_voice_async.journal.sqlite_schema import IS_OPEN, NUMBERS

__all__ = ["begin", "begin_run", "close", "end_run", "withdraw"]

_TAKE: Final = RowsStatement(
    "mobile, given, occurrence, custom_id",
    f"""
INSERT INTO calls (mobile, given, occurrence, claim, state, custom_id)
SELECT mobile, given, occurrence, ?, {NUMBERS[State.UNDER_WAY]}, custom_id FROM rows WHERE mobile IS NOT NULL
ON CONFLICT (mobile, given, occurrence) DO UPDATE
SET claim = excluded.claim, state = excluded.state, custom_id = excluded.custom_id, message_id = ''
""",  # noqa: S608 - here and below: only numbers and names of our own
)
# The calls of a claim exist. These insertions change them by conflicts, because UPDATE ... FROM needs SQLite 3.33.
_ACCEPT: Final = RowsStatement(
    "mobile, given, occurrence, message_id",
    f"""
INSERT INTO calls (mobile, given, occurrence, claim, state, custom_id, message_id)
SELECT mobile, given, occurrence, ?, {NUMBERS[State.ACCEPTED]}, '', CAST(message_id AS TEXT)
FROM rows WHERE mobile IS NOT NULL
ON CONFLICT (mobile, given, occurrence) DO UPDATE
SET state = excluded.state, message_id = excluded.message_id WHERE claim = excluded.claim
""",  # noqa: S608
)
_SETTLE: Final = RowsStatement(
    "mobile, given, occurrence",
    f"""
INSERT INTO calls (mobile, given, occurrence, claim, state, custom_id)
SELECT mobile, given, occurrence, ?, ?, '' FROM rows WHERE mobile IS NOT NULL
ON CONFLICT (mobile, given, occurrence) DO UPDATE
SET state = excluded.state WHERE claim = excluded.claim AND {IS_OPEN}
""",  # noqa: S608
)


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
    _TAKE.write(db, ((*bound(key), custom_id) for key, custom_id in pairs), number)
    return number


def withdraw(db: sqlite3.Connection, number: int) -> None:
    """Make the calls of a claim free, as no request leaves; a call that a report has proved since then stays so."""
    changed = NUMBERS[State.NOT_SENT], number, NUMBERS[State.UNDER_WAY]
    db.execute("UPDATE calls SET state = ? WHERE claim = ? AND state = ?", changed)


def close(
    db: sqlite3.Connection, claim: Claim, state: State, reason: str, message_ids: Sequence[str] | None
) -> None:
    """Write the outcome of a claim."""
    found = db.execute("SELECT claim FROM claims WHERE token = ?", (claim.token,)).fetchone()
    if found is None:
        # The claim did not succeed.
        return
    [number] = found
    db.execute("UPDATE claims SET reason = CAST(? AS TEXT) WHERE claim = ?", (as_bytes(reason), number))
    keys = [bound(key) for key in claim.keys]
    if state is State.ACCEPTED:
        ids = map(as_bytes, message_ids or [""] * len(keys))
        _ACCEPT.write(db, ((*key, message_id) for key, message_id in zip(keys, ids, strict=True)), number)
    else:
        _SETTLE.write(db, keys, number, NUMBERS[state])
