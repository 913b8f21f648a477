"""Reading a journal in a file: standings, damaged values, processes on other hosts."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from support.journal_conformance import (
    PURPOSE,
    all_lines,
    claim,
    keys,
    settled,
    states,
)

from emay_voice_async.errors import JournalError
from emay_voice_async.journal import sqlite_file
from emay_voice_async.journal.protocol import State
from emay_voice_async.journal.sqlite import SqliteJournal


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Name a journal that does not exist yet."""
    return tmp_path / "run.db"


def sql(path: Path, statement: str) -> None:
    """Change a journal by another connection."""
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(statement)


@pytest.mark.parametrize(
    "change", ["UPDATE calls SET state = 9", "UPDATE calls SET custom_id = CAST(x'ff' AS TEXT)"]
)
def test_a_damaged_value(path: Path, change: str) -> None:
    """A value that no journal writes is reported as damage, and no call is claimed."""

    async def main() -> None:
        async with SqliteJournal(path) as journal:
            run = await journal.start(PURPOSE)
            await settled(run, keys(1), State.NOT_SENT)
            await run.end()
        sql(path, change)
        async with SqliteJournal(path) as journal:
            run = await journal.start(PURPOSE)
            for use in (run.look(keys(1)), run.begin(claim(keys(1))), all_lines(journal)):
                with pytest.raises(JournalError, match="it is damaged"):
                    await use
            await run.end()

    asyncio.run(main())


def test_a_journal_without_a_run(path: Path) -> None:
    """A journal whose first start failed cannot be read, and can be started."""
    sqlite_file.connect(path, create=True).close()

    async def main() -> None:
        journal = SqliteJournal(path)
        for use in (journal.summary(), journal.record([])):
            with pytest.raises(JournalError, match="no run has begun"):
                await use
        run = await journal.start(PURPOSE, dry=True)
        assert await states(run, keys(1)) == [None]
        await run.end()
        await (await journal.start(PURPOSE)).end()

    asyncio.run(main())


@pytest.mark.parametrize(("lasts", "state"), [(3600.0, State.UNDER_WAY), (-1.0, State.UNKNOWN)])
def test_a_process_on_another_host(path: Path, lasts: float, state: State) -> None:
    """Of a process on another host only the time of a claim tells that it is not under way any more."""

    async def main() -> None:
        async with SqliteJournal(path) as journal:
            run = await journal.start(PURPOSE)
            await run.begin(claim(keys(1), lasts=lasts))
            sql(path, "UPDATE runs SET place = 'elsewhere'")
            other = await journal.start(PURPOSE)
            assert await states(other, keys(1)) == [state]
            assert (await journal.summary()).states[state] == 1
            await other.end()
            await run.end()

    asyncio.run(main())
