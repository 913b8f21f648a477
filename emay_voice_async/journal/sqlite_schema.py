"""The tables of a journal in an SQLite file."""

from typing import Final

from emay_voice_async.journal.protocol import State

__all__ = ["APPLICATION_ID", "IS_OPEN", "MIGRATIONS", "NUMBERS", "SCHEMA", "STATES", "VERSION"]

APPLICATION_ID: Final = 0x454D4159
"""Distinguishes journals from databases of other programs."""
VERSION: Final = 2
"""Version 2 has ``runs.file`` and ``runs.ended``."""

# Rows are appended and changed in place, and the index is small: a claim of numbers in random order dirties few pages.
SCHEMA: Final = """
CREATE TABLE purpose (
    app_id TEXT NOT NULL, product TEXT NOT NULL, kind TEXT NOT NULL, salt BLOB NOT NULL, fingerprint TEXT NOT NULL,
    allow_duplicates INTEGER NOT NULL, made_at REAL NOT NULL
);
CREATE TABLE runs (
    run INTEGER PRIMARY KEY, token TEXT NOT NULL, place TEXT NOT NULL, pid INTEGER NOT NULL,
    born TEXT NOT NULL, started_at REAL NOT NULL, file TEXT NOT NULL DEFAULT '', ended INTEGER NOT NULL DEFAULT 0
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

MIGRATIONS: Final = {
    1: """
ALTER TABLE runs ADD COLUMN file TEXT NOT NULL DEFAULT '';
ALTER TABLE runs ADD COLUMN ended INTEGER NOT NULL DEFAULT 0
""",
}
"""By version, the statements that lead to the next version. Reading works in each of these versions."""

STATES: Final = (State.UNDER_WAY, State.ACCEPTED, State.REFUSED, State.NOT_SENT, State.UNKNOWN)
"""The states by their stored numbers: part of the file format."""
NUMBERS: Final = {state: number for number, state in enumerate(STATES)}
IS_OPEN: Final = f"state IN ({NUMBERS[State.UNDER_WAY]}, {NUMBERS[State.UNKNOWN]})"
"""The condition of a call without a certain outcome."""
