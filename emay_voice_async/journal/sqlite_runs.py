"""The runs in a journal's file: which may be alive, and whether the file is whole.

A run records the file that it writes to, and its end. An open run without a live process was killed, perhaps in the
middle of a write. SQLite repairs such a file from its side file. Without the side file, because the file alone was
copied, the write may be half done: such a copy is checked as a whole before it is used.
"""

import sqlite3
import time
from collections.abc import Callable
from typing import Final

from attrs import frozen

from emay_voice_async.errors import JournalError
from emay_voice_async.journal.processes import ProcessIdentity
from emay_voice_async.journal.sqlite_transaction import Transaction, pragma

__all__ = ["IsLive", "check_whole", "has_ended", "refuse_copy"]

IsLive = Callable[[str], bool]
"""Tells whether the run of this process with that token is alive."""

_TORN: Final = (
    "it was cut off in the middle of a write: copy its side file along (the name ends with -wal) from where the run"
    " ended, or restore another copy"
)


@frozen
class _OpenRun:
    """A run that has not ended in order."""

    number: int
    is_here: bool
    """Whether the run wrote to this file; False: to the original of this copy."""
    has_ended: bool | None
    """None: unknown on this machine."""
    is_in_time: bool
    """Whether the time of a claim is not over yet."""

    @property
    def may_be_writing(self) -> bool:
        return self.is_here and (self.is_in_time if self.has_ended is None else not self.has_ended)


def has_ended(token: str, process: ProcessIdentity, is_live: IsLive) -> bool | None:
    """Tell whether a run has certainly ended; None: unknown on this machine."""
    if process == ProcessIdentity.current():
        return not is_live(token)
    return process.has_ended()


def _open_runs(db: sqlite3.Connection, file: str, is_live: IsLive) -> list[_OpenRun]:
    if pragma(db, "user_version") < 2:
        # Version 1 has no ends of runs.
        return []
    found = db.execute(
        "SELECT run, file IN ('', ?), token, place, pid, born,"
        " EXISTS (SELECT 1 FROM claims WHERE claims.run = runs.run AND over_at > ?)"
        " FROM runs WHERE NOT ended",
        (file, time.time()),
    )
    return [
        _OpenRun(
            number, bool(is_here), has_ended(token, ProcessIdentity(place, pid, born), is_live), bool(in_time)
        )
        for number, is_here, token, place, pid, born, in_time in found
    ]


def check_whole(db: sqlite3.Connection, file: str, is_live: IsLive, *, write: bool) -> None:
    """Check the whole file if an open run was killed or wrote to another file.

    ``file`` identifies the file. ``write``: mark the checked runs as ended, so that the next connection need not check
    again. Raises :class:`JournalError` if the file is not whole.
    """
    runs = [run for run in _open_runs(db, file, is_live) if not run.may_be_writing]
    if not runs:
        return
    [[found]] = db.execute("PRAGMA integrity_check(1)")
    if found != "ok":
        raise JournalError(_TORN)
    if write:
        checked = [(run.number,) for run in runs if run.is_here or run.has_ended is not False]
        with Transaction(db):
            db.executemany("UPDATE runs SET ended = 1 WHERE run = ?", checked)


def refuse_copy(db: sqlite3.Connection, file: str, is_live: IsLive) -> None:
    """Raise :class:`JournalError` if a live process of this machine writes to the original of this copy."""
    if any(run.has_ended is False and not run.is_here for run in _open_runs(db, file, is_live)):
        raise JournalError(
            "it is a copy of a journal that a running process still writes to: use the original"
        )
