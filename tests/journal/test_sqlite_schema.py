"""The tables of a journal: files of version 1 are read as they are, and migrated when they are written."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from emay_voice_async.journal.protocol import State
from emay_voice_async.journal.sqlite import SqliteJournal
from emay_voice_async.journal.sqlite_schema import MIGRATIONS, VERSION
from emay_voice_async.testing.journal.values import PURPOSE, all_lines, keys, settled, states


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Make a journal of version 1 with two calls, in WAL mode."""
    path = tmp_path / "run.db"

    async def main() -> None:
        run = await SqliteJournal(path).start(PURPOSE)
        await settled(run, keys(1), State.ACCEPTED)
        await settled(run, keys(2), State.UNKNOWN, reason="no response")
        await run.end()

    asyncio.run(main())
    with closing(sqlite3.connect(path)) as db:
        db.execute("ALTER TABLE runs DROP COLUMN file")
        db.execute("ALTER TABLE runs DROP COLUMN ended")
        db.execute("PRAGMA user_version = 1")
        db.commit()
    return path


def version(path: Path) -> int:
    """Return the version of a file."""
    with closing(sqlite3.connect(path)) as db:
        [[number]] = db.execute("PRAGMA user_version")
        return int(number)


def test_reading_changes_no_version(path: Path) -> None:
    """A summary, the lines and a dry run read a file of version 1 without migrating."""

    async def main() -> None:
        journal = SqliteJournal(path)
        assert [line.reason for line in await all_lines(journal)] == ["", "no response"]
        assert (await journal.summary()).states[State.UNKNOWN] == 1
        dry = await journal.start(PURPOSE, dry=True)
        assert await states(dry, keys(1, 2, 3)) == [State.ACCEPTED, State.UNKNOWN, None]
        await dry.end()

    asyncio.run(main())
    assert version(path) == 1


def test_a_start_migrates(path: Path) -> None:
    """A start migrates a file of version 1, also when several processes start at once, and keeps all calls."""

    async def main() -> None:
        journals = [SqliteJournal(path) for _ in range(4)]
        runs = await asyncio.gather(*(journal.start(PURPOSE) for journal in journals))
        for run in runs:
            assert await states(run, keys(1, 2)) == [State.ACCEPTED, State.UNKNOWN]
            await run.end()

    asyncio.run(main())
    assert version(path) == VERSION


def test_a_side_file_of_version_1(path: Path) -> None:
    """A file of version 1 that was killed is opened with its side file, and has the data of the side file."""
    other = path.with_name("other.db")
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("UPDATE calls SET message_id = 'late' WHERE call = 1")
        for suffix in ("", "-wal"):
            other.with_name(other.name + suffix).touch(0o600)
            content = path.with_name(path.name + suffix).read_bytes()
            other.with_name(other.name + suffix).write_bytes(content)

    async def main() -> None:
        journal = SqliteJournal(other)
        await (await journal.start(PURPOSE)).end()
        assert [line.message_id for line in await all_lines(journal)] == ["late", ""]

    asyncio.run(main())
    assert version(other) == VERSION


def test_migrations_have_no_gap() -> None:
    """Each version before the present one leads to the next."""
    assert list(MIGRATIONS) == list(range(1, VERSION))
