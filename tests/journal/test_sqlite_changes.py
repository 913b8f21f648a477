"""Changes of a journal's file, many in one transaction."""

import asyncio
import sqlite3
import threading
from collections.abc import Awaitable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from emay_voice_async.errors import JournalError
from emay_voice_async.journal import sqlite_file, sqlite_thread
from emay_voice_async.journal.protocol import State
from emay_voice_async.journal.sqlite import SqliteJournal
from emay_voice_async.journal.sqlite_changes import Change, make_durable
from emay_voice_async.testing.journal.values import PURPOSE, begun, claim, keys, report_of, settled, states


class Faulty(sqlite3.Connection):
    """A connection on which statements that begin with ``fault`` fail; ``said`` has all statements."""

    fault = ""

    def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
        """Execute a statement, or fail."""
        self.__dict__.setdefault("said", []).append(sql)
        if self.fault and sql.startswith(self.fault):
            raise sqlite3.OperationalError("disk I/O error")
        return super().execute(sql, *parameters)


@contextmanager
def table(path: Path) -> Iterator[Faulty]:
    """Open a database with an empty table of numbers."""
    with closing(sqlite3.connect(path / "run.db", factory=Faulty, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("CREATE TABLE numbers (number)")
        yield db


def adding(number: int, **options: Any) -> Change[int]:
    """Make a change that adds a number."""

    def add(db: sqlite3.Connection) -> int:
        db.execute("INSERT INTO numbers VALUES (?)", (number,))
        return number

    return Change(add, **options)


def removed(db: sqlite3.Connection, number: int) -> None:
    """Undo a change."""
    db.execute("DELETE FROM numbers WHERE number = ?", (number,))


def numbers_in(db: sqlite3.Connection) -> list[int]:
    """Return the numbers of the table."""
    return [number for (number,) in db.execute("SELECT number FROM numbers ORDER BY number")]


def test_a_change_that_fails_alone(tmp_path: Path) -> None:
    """A change that fails is undone whole, and the others are made, in one transaction."""

    def fail(db: sqlite3.Connection) -> int:
        db.execute("INSERT INTO numbers VALUES (2)")
        raise LookupError("what")

    with table(tmp_path) as db:
        changes = [adding(1), Change(fail), adding(3)]
        make_durable(db, changes)
        assert numbers_in(db) == [1, 3]
        assert [changes[place].future.result() for place in (0, 2)] == [1, 3]
        with pytest.raises(LookupError, match="what"):
            changes[1].future.result()
        assert db.__dict__["said"].count("COMMIT") == 1


def test_a_transaction_that_sqlite_undoes(tmp_path: Path) -> None:
    """If SQLite undoes the whole transaction in the middle, no change is made, and no future ends."""

    def lose(db: sqlite3.Connection) -> int:
        db.execute("ROLLBACK")
        raise sqlite3.OperationalError("database or disk is full")

    with table(tmp_path) as db:
        changes = [adding(1), Change(lose), adding(3)]
        with pytest.raises(sqlite3.OperationalError, match="full"):
            make_durable(db, changes)
        assert numbers_in(db) == []
        assert not any(change.future.done() for change in changes)


def test_a_commit_that_fails(tmp_path: Path) -> None:
    """If the commit fails, no change is made, and no future ends."""
    with table(tmp_path) as db:
        changes = [adding(1), adding(2)]
        db.fault = "COMMIT"
        with pytest.raises(sqlite3.OperationalError):
            make_durable(db, changes)
        db.fault = ""
        assert numbers_in(db) == []
        assert not any(change.future.done() for change in changes)


def test_a_flush_that_fails(tmp_path: Path) -> None:
    """If the commits cannot be copied into the file, changes with an undo are undone, and all fail."""
    with table(tmp_path) as db:
        nothing: Change[None] = Change(lambda _: None, undo=removed)
        changes: list[Change[Any]] = [adding(1), adding(2, undo=removed), nothing]
        db.fault = "PRAGMA wal_checkpoint"
        make_durable(db, changes)
        for change in changes:
            with pytest.raises(sqlite3.OperationalError, match="I/O"):
                change.future.result()
        assert numbers_in(db) == [1]


def test_a_reader_holds_up_some_changes(tmp_path: Path) -> None:
    """While another program reads an older state, only the changes that the file alone must have fail."""
    with table(tmp_path) as db, closing(sqlite3.connect(tmp_path / "run.db", isolation_level=None)) as reader:
        db.execute("PRAGMA busy_timeout = 10")
        reader.execute("BEGIN")
        assert numbers_in(reader) == []
        changes = [adding(1), adding(2, undo=removed), adding(3)]
        make_durable(db, changes)
        assert [changes[place].future.result() for place in (0, 2)] == [1, 3]
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            changes[1].future.result()
        assert numbers_in(db) == [1, 3]


async def while_held(journal: SqliteJournal, *uses: Awaitable[object]) -> list[object]:
    """Begin uses while the thread of the journal is busy, so that all wait together; return the results."""
    held = threading.Event()
    holding = asyncio.ensure_future(journal._resource.use(lambda _: held.wait(30)))
    tasks = [asyncio.ensure_future(use) for use in uses]
    await asyncio.sleep(0)
    held.set()
    await holding
    return await asyncio.gather(*tasks, return_exceptions=True)


def commits(journal: SqliteJournal, said: list[str]) -> Any:
    """Count the commits of a journal from now on."""
    return journal._resource.use(lambda db: db.set_trace_callback(said.append))


@pytest.mark.parametrize(("at_once", "transactions"), [(100, 1), (10, 3)])
def test_changes_that_wait_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: int, transactions: int
) -> None:
    """Claims and outcomes that wait together are written in few transactions, each to its own result."""
    monkeypatch.setattr(sqlite_thread, "AT_ONCE", at_once)

    async def main() -> None:
        async with SqliteJournal(tmp_path / "run.db") as journal:
            run = await journal.start(PURPOSE)
            first = [await begun(run, keys(number)) for number in range(10)]
            said: list[str] = []
            await commits(journal, said)
            found = await while_held(
                journal,
                *[run.close(batch, State.ACCEPTED, message_ids=["m"]) for batch in first],
                *[run.begin(claim(keys(number))) for number in range(10, 20)],
                *[run.begin(claim(keys(number, number + 100))) for number in range(10, 20)],
            )
            assert found == [None] * 10 + [True] * 10 + [False] * 10
            assert said.count("COMMIT") == transactions
            assert await states(run, keys(*range(20))) == [State.ACCEPTED] * 10 + [State.UNDER_WAY] * 10
            assert await states(run, keys(*range(110, 120))) == [None] * 10
            await run.end()

    asyncio.run(main())


def test_a_claim_that_is_held_up_beside_an_outcome(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While another program reads, a claim fails and is free, and the outcome beside it is written."""
    monkeypatch.setattr(sqlite_file, "BUSY_TIMEOUT", 0.05)
    path = tmp_path / "run.db"

    async def main() -> None:
        async with SqliteJournal(path) as journal:
            run = await journal.start(PURPOSE)
            batch = await begun(run, keys(1))
            with closing(sqlite3.connect(path, isolation_level=None)) as reader:
                reader.execute("BEGIN")
                reader.execute("SELECT * FROM calls").fetchall()
                outcome, claimed = await while_held(
                    journal, run.close(batch, State.ACCEPTED), run.begin(claim(keys(2)))
                )
            assert outcome is None
            assert isinstance(claimed, JournalError)
            assert await states(run, keys(1, 2)) == [State.ACCEPTED, State.NOT_SENT]
            await run.end()

    asyncio.run(main())


def test_a_claim_that_is_held_up_beside_a_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call that a report proves while a claim of it is held up stays accepted, and is not free."""
    monkeypatch.setattr(sqlite_file, "BUSY_TIMEOUT", 0.05)
    path = tmp_path / "run.db"

    async def main() -> None:
        async with SqliteJournal(path) as journal:
            run = await journal.start(PURPOSE)
            [custom_id] = (await settled(run, keys(1), State.UNKNOWN)).custom_ids
            again = claim(keys(1, 2), custom_ids=[custom_id, "c"], resend=True)
            proof = report_of(keys(1)[0], message_id="m", custom_id=custom_id)
            with closing(sqlite3.connect(path, isolation_level=None)) as reader:
                reader.execute("BEGIN")
                reader.execute("SELECT * FROM calls").fetchall()
                claimed, recorded = await while_held(journal, run.begin(again), journal._record([proof]))
            assert isinstance(claimed, JournalError)
            assert recorded == 1
            assert await states(run, keys(1, 2)) == [State.ACCEPTED, State.NOT_SENT]
            await run.end()

    asyncio.run(main())


def test_a_run_that_is_refused_beside_a_claim(tmp_path: Path) -> None:
    """A run for another account fails alone."""

    async def main() -> None:
        async with SqliteJournal(tmp_path / "run.db") as journal:
            run = await journal.start(PURPOSE)
            other = type(PURPOSE)("other", PURPOSE.message)
            refused, claimed = await while_held(journal, journal.start(other), run.begin(claim(keys(1))))
            assert isinstance(refused, JournalError)
            assert "another account" in refused.reason
            assert claimed is True
            await run.end()

    asyncio.run(main())


def test_the_file_alone_has_what_was_written_together(tmp_path: Path) -> None:
    """After changes that waited together, a copy of the file without its side file has all of them."""
    path, copy = tmp_path / "run.db", tmp_path / "copy.db"

    async def main() -> None:
        async with SqliteJournal(path) as journal:
            run = await journal.start(PURPOSE)
            await while_held(journal, *[run.begin(claim(keys(number))) for number in range(30)])
            copy.write_bytes(path.read_bytes())
            with closing(sqlite3.connect(copy)) as db:
                assert db.execute("SELECT count(*) FROM calls").fetchone() == (30,)
            await run.end()

    asyncio.run(main())
