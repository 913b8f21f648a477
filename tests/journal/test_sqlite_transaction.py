"""Transactions, and their transfer from the side file into the file."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from emay_voice_async.errors import JournalError
from emay_voice_async.journal import sqlite_file
from emay_voice_async.journal.protocol import State
from emay_voice_async.journal.sqlite import SqliteJournal
from emay_voice_async.journal.sqlite_transaction import Transaction, flush
from emay_voice_async.testing.journal.values import PURPOSE, begun, claim, keys, states


def test_a_failed_transaction_is_rolled_back() -> None:
    """An exception in a transaction undoes all its statements."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        db.execute("CREATE TABLE numbers (number)")
        with pytest.raises(LookupError), Transaction(db):
            db.execute("INSERT INTO numbers VALUES (1)")
            raise LookupError
        assert not db.in_transaction
        assert db.execute("SELECT * FROM numbers").fetchall() == []


def test_flush_outside_of_wal_mode() -> None:
    """In a database without a side file, there is no commit to copy."""
    with closing(sqlite3.connect(":memory:")) as db:
        flush(db, wait=True)


def test_a_long_read_holds_a_claim_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While another program reads an older state, no batch is claimed, because the file alone would not have it."""
    monkeypatch.setattr(sqlite_file, "BUSY_TIMEOUT", 0.05)
    path = tmp_path / "run.db"

    async def main() -> None:
        async with SqliteJournal(path) as journal:
            run = await journal.start(PURPOSE)
            batch = await begun(run, keys(1))
            with closing(sqlite3.connect(path, isolation_level=None)) as reader:
                reader.execute("BEGIN")
                reader.execute("SELECT * FROM calls").fetchall()
                # An outcome is written: without it in the file alone, the call is unknown, and not called again.
                await run.close(batch, State.REFUSED)
                with pytest.raises(JournalError, match="another program has locked it"):
                    await run.begin(claim(keys(1, 2)))
            assert await states(run, keys(1, 2)) == [State.NOT_SENT, State.NOT_SENT]
            await begun(run, keys(1, 2))
            await run.end()

    asyncio.run(main())


class Checkpointed(sqlite3.Connection):
    """A connection whose first checkpoints meet the checkpoint of another process."""

    left = 0

    def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
        """Return a busy result while checkpoints of the other process are left."""
        if "wal_checkpoint" in sql and self.left:
            self.left -= 1
            return super().execute("SELECT 1, 0, 0")
        return super().execute(sql, *parameters)


def test_a_checkpoint_of_another_process_is_waited_for(tmp_path: Path) -> None:
    """A flush that must be complete is tried again, and fails only after the busy timeout."""
    with closing(sqlite3.connect(tmp_path / "run.db", factory=Checkpointed, timeout=5)) as db:
        db.left = 3
        flush(db, wait=True)
        assert db.left == 0
        db.left = 10**6
        flush(db)
        db.execute("PRAGMA busy_timeout = 0")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            flush(db, wait=True)
