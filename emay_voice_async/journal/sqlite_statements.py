"""A journal in one SQLite file, as statements on a connection; all of it blocks.

Nothing here knows an event loop. Which runs of this process are alive, the caller says: ``is_live`` takes a
run's token.
"""

import os
import secrets
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from emay_voice_async.journal.processes import Owner
from emay_voice_async.journal.protocol import Claim, Key, Line, Purpose, Standing, State, Summary
from emay_voice_async.model.beijing import BEIJING
from emay_voice_async.model.results import Report

__all__ = [
    "IsLive",
    "begin",
    "begin_run",
    "check_purpose",
    "close",
    "connect",
    "identity",
    "look",
    "page",
    "record",
    "summary",
]

IsLive = Callable[[str], bool]

APPLICATION_ID: Final = 0x454D4159
"""Tells our files from other programs' databases."""
VERSION: Final = 1
PAGE: Final = 1000
"""Calls that are read at a time."""
CACHE_KIB: Final = 8192
WRITERS_WAIT: Final = 30.0
"""Seconds that a write waits for another process that is writing."""

_MOMENT: Final = 0.01
_MAKING: Final = threading.Lock()

# Rows are added at the end and changed in place, and the index is small: so a claim of numbers in random order
# dirties few pages.
_SCHEMA: Final = """
CREATE TABLE purpose (
    app_id TEXT NOT NULL, product TEXT NOT NULL, kind TEXT NOT NULL, salt BLOB NOT NULL, fingerprint TEXT NOT NULL,
    allow_duplicates INTEGER NOT NULL, made_at REAL NOT NULL
);
CREATE TABLE runs (
    run INTEGER PRIMARY KEY, token TEXT NOT NULL, place TEXT NOT NULL, pid INTEGER NOT NULL,
    born TEXT NOT NULL, started_at REAL NOT NULL
);
CREATE TABLE claims (
    claim INTEGER PRIMARY KEY, token TEXT NOT NULL UNIQUE, run INTEGER NOT NULL REFERENCES runs,
    begun_at REAL NOT NULL, over_at REAL NOT NULL, reason TEXT NOT NULL DEFAULT ''
);
CREATE TABLE calls (
    call INTEGER PRIMARY KEY, mobile INTEGER NOT NULL, given TEXT NOT NULL, occurrence INTEGER NOT NULL,
    claim INTEGER NOT NULL REFERENCES claims, state INTEGER NOT NULL,
    custom_id TEXT NOT NULL, message_id TEXT NOT NULL DEFAULT '',
    report_state TEXT NOT NULL DEFAULT '', report_description TEXT NOT NULL DEFAULT '',
    called_at REAL, duration REAL, key_pressed TEXT
);
CREATE UNIQUE INDEX call_keys ON calls (mobile, given, occurrence)
"""

_BY_NUMBER: Final = (State.UNDER_WAY, State.ACCEPTED, State.REFUSED, State.NOT_SENT, State.UNKNOWN)
"""The states as they are stored: part of the file's format."""
_NUMBERS: Final = {state: number for number, state in enumerate(_BY_NUMBER)}
_UNDER_WAY, _ACCEPTED, _UNKNOWN = 0, 1, 4
_BY_KEY: Final = "mobile = ? AND given = ? AND occurrence = ?"
_LOOK: Final = f"""
SELECT state, custom_id, message_id, run, over_at FROM calls JOIN claims USING (claim) WHERE {_BY_KEY}
"""  # noqa: S608 - here and below: only numbers and names of our own
_TAKE: Final = f"""
INSERT INTO calls (mobile, given, occurrence, claim, state, custom_id) VALUES (?, ?, ?, ?, {_UNDER_WAY}, ?)
ON CONFLICT (mobile, given, occurrence) DO UPDATE
SET claim = excluded.claim, state = excluded.state, custom_id = excluded.custom_id, message_id = ''
"""  # noqa: S608
# What the service writes, and a reason, may be no proper Unicode, so such texts come as bytes.
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
_PAGE: Final = """
SELECT call, mobile, custom_id, message_id, state, reason, begun_at, report_state, report_description,
    called_at, duration, key_pressed, run, over_at
FROM calls JOIN claims USING (claim) WHERE call > ? ORDER BY call LIMIT ?
"""
_COUNT: Final = f"""
SELECT state, run, over_at, count(*) FROM calls JOIN claims USING (claim)
GROUP BY state, CASE state WHEN {_UNDER_WAY} THEN claim END
"""  # noqa: S608
_LEFT: Final = "the process that sent it ended before the answer came"


def connect(path: Path, *, create: bool) -> sqlite3.Connection:
    """Open a journal, or make it; raise :class:`sqlite3.Error` or :class:`OSError` if that cannot be."""
    if create:
        _make(os.path.realpath(path))
    elif not path.exists():
        raise sqlite3.OperationalError("it does not exist")
    end = time.monotonic() + WRITERS_WAIT
    while True:
        try:
            return _opened(path, create=create)
        except sqlite3.OperationalError as error:
            # Where two make a journal at the same moment, SQLite does not wait.
            if "locked" not in str(error) or time.monotonic() >= end:
                raise
        time.sleep(_MOMENT)


def _opened(path: Path, *, create: bool) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=WRITERS_WAIT, isolation_level=None, check_same_thread=False)
    connection.text_factory = _text
    try:
        _check_file(connection, create=create)
    except BaseException:
        connection.close()
        raise
    return connection


def _make(path: str) -> None:
    """Make the file if it is not there yet.

    Never open and close one that is: a process that closes a file by itself loses all of SQLite's locks on it,
    and whoever closes the journal next then takes away what this process is still writing to.
    """
    # It will hold phone numbers; SQLite gives its side files the same rights.
    with _MAKING, suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))


def identity(path: Path) -> tuple[int, int] | None:
    """Return what tells the file that is at ``path`` from any other; None: there is none."""
    with suppress(OSError):
        found = path.stat()
        return found.st_dev, found.st_ino
    return None


def _text(stored: bytes) -> str:
    return stored.decode("utf-8", "surrogatepass")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _check_file(db: sqlite3.Connection, *, create: bool) -> None:
    if create and not _pragma(db, "schema_version"):
        db.execute("PRAGMA journal_mode = WAL")
        with _Transaction(db):
            if not _pragma(db, "schema_version"):
                for statement in _SCHEMA.split(";"):
                    db.execute(statement)
                db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                db.execute(f"PRAGMA user_version = {VERSION}")
    if _pragma(db, "application_id") != APPLICATION_ID:
        raise sqlite3.DatabaseError("it is not a journal")
    if (version := _pragma(db, "user_version")) != VERSION:
        raise sqlite3.DatabaseError(f"it has version {version}, and this package reads version {VERSION}")
    # A claim must survive a power cut: it is on the disk before the request leaves.
    db.execute("PRAGMA synchronous = FULL")
    db.execute(f"PRAGMA cache_size = {-CACHE_KIB}")


def _pragma(db: sqlite3.Connection, name: str) -> int:
    [[value]] = db.execute(f"PRAGMA {name}")
    return int(value)


class _Transaction:
    """All or nothing, and nobody else writes meanwhile."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def __enter__(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._db.execute("COMMIT")
        finally:
            # A commit that fails, for want of room on the disk, may leave the transaction open.
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")


def begin_run(db: sqlite3.Connection, purpose: Purpose, token: str) -> int:
    """Enter a run of this process and return its number, if the journal is for its purpose."""
    with _Transaction(db):
        if not check_purpose(db, purpose):
            salt = secrets.token_bytes(16)
            what = purpose.app_id, purpose.product.value, purpose.kind
            row = *what, salt, purpose.fingerprint(salt), purpose.allow_duplicates, time.time()
            db.execute("INSERT INTO purpose VALUES (?, ?, ?, ?, ?, ?, ?)", row)
        me = Owner.current()
        cursor = db.execute(
            "INSERT INTO runs (token, place, pid, born, started_at) VALUES (?, ?, ?, ?, ?)",
            (token, me.place, me.pid, me.born, time.time()),
        )
        return int(cursor.lastrowid or 0)


def check_purpose(db: sqlite3.Connection, purpose: Purpose) -> bool:
    """Return whether the journal has a purpose yet; raise :class:`sqlite3.Error` if it is another one."""
    found = db.execute("SELECT app_id, kind, salt, fingerprint, allow_duplicates FROM purpose").fetchone()
    if found is None:
        return False
    app_id, kind, salt, fingerprint, allow_duplicates = found
    if app_id != purpose.app_id:
        raise sqlite3.DatabaseError(f"it was made for another account ({app_id})")
    if fingerprint != purpose.fingerprint(salt):
        raise sqlite3.DatabaseError(f"it was made for another message (a {kind})")
    if bool(allow_duplicates) is not purpose.allow_duplicates:
        raise sqlite3.DatabaseError(f"it was made with allow_duplicates={bool(allow_duplicates)}")
    return True


def look(db: sqlite3.Connection, keys: Iterable[Key], is_live: IsLive) -> list[Standing | None]:
    """Return what is known of each call; None: it was never claimed."""
    lives = _Lives(db, is_live)
    found = (db.execute(_LOOK, _bound(key)).fetchone() for key in keys)
    return [None if row is None else Standing(lives.state(row[0], *row[3:]), row[1], row[2]) for row in found]


def _bound(key: Key) -> tuple[int, str, int]:
    return int(key.mobile), key.custom_id, key.occurrence


class _Lives:
    """Tells what is under way from what a process that is gone has left."""

    def __init__(self, db: sqlite3.Connection, is_live: IsLive) -> None:
        self._db = db
        self._is_live = is_live
        self._known: dict[int, bool | None] = {}

    def state(self, number: int, run: int, over_at: float) -> State:
        state = _BY_NUMBER[number]
        return State.UNKNOWN if state is State.UNDER_WAY and self._is_over(run, over_at) else state

    def _is_over(self, run: int, over_at: float) -> bool:
        if run not in self._known:
            self._known[run] = self._is_gone(run)
        gone = self._known[run]
        # Of a process on another host only the time tells.
        return time.time() > over_at if gone is None else gone

    def _is_gone(self, run: int) -> bool | None:
        found = self._db.execute("SELECT token, place, pid, born FROM runs WHERE run = ?", (run,))
        token, *owner = found.fetchone()
        if Owner(*owner) == Owner.current():
            return not self._is_live(token)
        return Owner(*owner).is_gone()


def begin(db: sqlite3.Connection, run: int, claim: Claim, is_live: IsLive) -> bool:
    """Claim a batch, all of it or (False) nothing."""
    with _Transaction(db):
        for standing in look(db, claim.keys, is_live):
            if standing is None or standing.state.is_free:
                continue
            if not (claim.resend_unknown and standing.state is State.UNKNOWN):
                return False
        now = time.time()
        number = db.execute(
            "INSERT INTO claims (token, run, begun_at, over_at) VALUES (?, ?, ?, ?)",
            (claim.token, run, now, now + claim.lasts),
        ).lastrowid
        pairs = zip(claim.keys, claim.custom_ids, strict=True)
        db.executemany(_TAKE, ((*_bound(key), number, custom_id) for key, custom_id in pairs))
    return True


def close(
    db: sqlite3.Connection, claim: Claim, state: State, reason: str, message_ids: Sequence[str] | None
) -> None:
    """Write what became of a claim."""
    with _Transaction(db):
        found = db.execute("SELECT claim FROM claims WHERE token = ?", (claim.token,)).fetchone()
        if found is None:
            # It was never given.
            return
        [number] = found
        db.execute("UPDATE claims SET reason = CAST(? AS TEXT) WHERE claim = ?", (_bytes(reason), number))
        keys = [(*_bound(key), number) for key in claim.keys]
        if state is State.ACCEPTED:
            ids = message_ids or [""] * len(keys)
            db.executemany(_ACCEPT, ((_bytes(one), *key) for one, key in zip(ids, keys, strict=True)))
        else:
            db.executemany(_SETTLE, ((_NUMBERS[state], *key) for key in keys))


def record(db: sqlite3.Connection, reports: Iterable[Report]) -> int:
    """Join in status reports, and return how many belong to calls of this journal."""
    app_id, product = _purpose(db, "app_id, product")
    ours = [one for one in reports if one.app_id in ("", app_id) and one.product.value == product]
    with _Transaction(db):
        return sum(db.execute(_RECORD, _row_of(one)).rowcount > 0 for one in ours)


def _purpose(db: sqlite3.Connection, columns: str) -> tuple[Any, ...]:
    found: tuple[Any, ...] | None = db.execute(f"SELECT {columns} FROM purpose").fetchone()  # noqa: S608
    if found is None:
        raise sqlite3.DatabaseError("no run has begun in it yet")
    return found


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


def page(db: sqlite3.Connection, last: int, is_live: IsLive) -> list[tuple[int, Line]]:
    """Return the calls after the one with the number ``last``, each with its number."""
    lives = _Lives(db, is_live)
    return [(row[0], _line(row, lives)) for row in db.execute(_PAGE, (last, PAGE))]


def _line(row: tuple[Any, ...], lives: _Lives) -> Line:
    _, mobile, custom_id, message_id, number, reason, begun_at, *report, run, over_at = row
    state = lives.state(number, run, over_at)
    if state is State.UNKNOWN and not reason:
        reason = _LEFT
    report_state, description, called_at, duration, key_pressed = report
    return Line(
        mobile=f"{mobile:011}",
        custom_id=custom_id,
        message_id=message_id,
        state=state,
        reason="" if state is State.ACCEPTED else reason,
        begun_at=_beijing(begun_at),
        report_state=report_state,
        report_description=description,
        called_at=None if called_at is None else _beijing(called_at),
        duration=duration,
        key_pressed=key_pressed,
    )


def summary(db: sqlite3.Connection, is_live: IsLive) -> Summary:
    """Count the calls by state."""
    lives = _Lives(db, is_live)
    states = dict.fromkeys(State, 0)
    for number, run, over_at, count in db.execute(_COUNT):
        states[lives.state(number, run, over_at)] += count
    reported = db.execute(
        "SELECT report_state, count(*) FROM calls WHERE report_state <> '' GROUP BY 1 ORDER BY 2 DESC, 1"
    )
    app_id, kind, allow_duplicates, made_at = _purpose(db, "app_id, kind, allow_duplicates, made_at")
    return Summary(app_id, kind, bool(allow_duplicates), _beijing(made_at), states, dict(reported.fetchall()))


def _beijing(at: float) -> datetime:
    return datetime.fromtimestamp(at, BEIJING)
