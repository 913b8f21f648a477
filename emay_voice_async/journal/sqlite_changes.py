"""Changes of a journal's file: those that wait at the same moment are written in one transaction."""

import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, Final, Generic, TypeVar

from emay_voice_async.journal.sqlite_transaction import Transaction, flush

__all__ = ["Change", "make_durable"]

_Result = TypeVar("_Result")
_Failures = dict["Change[Any]", Exception]


class Change(Generic[_Result]):
    """A change of the file, and the future of the result.

    ``make``: makes the change, in a transaction that it may share with other changes. ``undo``: a result other than
    None counts only if the file alone has the change; otherwise the change is undone, and fails. ``create``: the file
    need not exist yet.
    """

    def __init__(
        self,
        make: Callable[[sqlite3.Connection], _Result],
        *,
        undo: Callable[[sqlite3.Connection, Any], None] | None = None,
        create: bool = False,
    ) -> None:
        self.make: Final = make
        self.undo: Final = undo
        self.create: Final = create
        self.future: Future[_Result] = Future()


def make_durable(db: sqlite3.Connection, changes: Sequence[Change[Any]]) -> None:
    """Make all changes in one transaction; end their futures when they are on the disk.

    A change that fails is undone, and the others are made. Raises without ending a future if a change fails alone, or
    if the transaction fails: then no change is made.
    """
    made: dict[Change[Any], Any] = {}
    failures: _Failures = {}
    with Transaction(db):
        if len(changes) == 1:
            # Without a savepoint, for which SQLite copies each page before the page is changed.
            made[changes[0]] = changes[0].make(db)
        else:
            for change in changes:
                _make(db, change, made, failures)
    failures |= _flushed(db, made)
    for change in changes:
        if change in failures:
            change.future.set_exception(failures[change])
        else:
            change.future.set_result(made[change])


def _make(
    db: sqlite3.Connection, change: Change[Any], made: dict[Change[Any], Any], failures: _Failures
) -> None:
    db.execute("SAVEPOINT change")
    try:
        made[change] = change.make(db)
    except Exception as error:
        if not db.in_transaction:
            # SQLite has undone the whole transaction, as it does for a full disk.
            raise
        db.execute("ROLLBACK TO change")
        failures[change] = error
    db.execute("RELEASE change")


def _flushed(db: sqlite3.Connection, made: dict[Change[Any], Any]) -> _Failures:
    """Flush changes that were made; return those that fail."""
    held = {change: result for change, result in made.items() if change.undo and result is not None}
    failures: _Failures = {}
    if held:
        try:
            flush(db, wait=True)
        except sqlite3.Error as error:
            failures = dict.fromkeys(held, error)
            with Transaction(db):
                for change, result in held.items():
                    change.undo(db, result)  # type: ignore[misc]
        else:
            return failures
    try:
        flush(db)
    except sqlite3.Error as error:
        failures = dict.fromkeys(made, error) | failures
    return failures
