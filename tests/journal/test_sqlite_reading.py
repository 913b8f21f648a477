"""Reading a journal in a file: standings, damaged values, processes on other hosts."""

import asyncio
import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest
from attrs import evolve

from emay_voice_async.errors import JournalError
from emay_voice_async.journal import sqlite_file
from emay_voice_async.journal.protocol import State
from emay_voice_async.journal.sqlite import SqliteJournal
from emay_voice_async.journal.sqlite_reading import look_at_once
from emay_voice_async.journal.sqlite_rows import AT_ONCE
from emay_voice_async.model.beijing import BEIJING
from emay_voice_async.testing.journal.values import (
    PURPOSE,
    all_lines,
    claim,
    keys,
    report_of,
    settled,
    states,
)


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
    sqlite_file.connect(path, create=True, is_live=lambda _: False).close()

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


@pytest.mark.parametrize(
    "called_at", [-62_135_625_600.0, 1e300, 9e99, float("inf"), -1e18, 253_402_300_800.0]
)
def test_an_impossible_time_that_was_stored(path: Path, called_at: float) -> None:
    """A report's instant outside of the years 1 to 9999, stored by an earlier version, is read as None."""

    async def main() -> None:
        journal = SqliteJournal(path)
        run = await journal.start(PURPOSE)
        batch = await settled(run, keys(1), State.ACCEPTED)
        assert await journal.record([report_of(keys(1)[0], custom_id=batch.custom_ids[0])]) == 1
        await run.end()
        with closing(sqlite3.connect(path)) as db, db:
            db.execute("UPDATE calls SET called_at = ?", (called_at,))
        [line] = await all_lines(journal)
        assert (line.report_state, line.called_at) == ("SUCCESS", None)

    asyncio.run(main())


@pytest.mark.parametrize("year", [1, 1969, 9999])
def test_an_odd_time_in_a_report(path: Path, year: int) -> None:
    """A report of any year is recorded, and the lines can be read afterwards."""

    async def main() -> None:
        journal = SqliteJournal(path)
        run = await journal.start(PURPOSE)
        batch = await settled(run, keys(1), State.ACCEPTED)
        report = report_of(keys(1)[0], custom_id=batch.custom_ids[0])
        at = datetime(year, 1, 1, tzinfo=BEIJING)
        assert await journal.record([evolve(report, called_at=at)]) == 1
        [line] = await all_lines(journal)
        assert line.called_at == (at if year > 1 else None)
        await run.end()

    asyncio.run(main())


def test_calls_are_looked_up_as_of_one_moment(path: Path) -> None:
    """A claim that is made while a list is looked up is seen whole or not at all."""

    def is_live(_: str) -> bool:
        return True

    many = keys(*range(2 * AT_ONCE))

    def claim_all() -> None:
        values = [(int(key.mobile), key.custom_id, key.occurrence) for key in many]
        with closing(sqlite3.connect(path)) as other, other:
            other.execute("INSERT INTO claims VALUES (1, 'token', 1, 0, 1e12, '')")
            other.executemany(
                "INSERT INTO calls (claim, state, custom_id, mobile, given, occurrence)"
                " VALUES (1, 0, 'id', ?, ?, ?)",
                values,
            )

    selections = 0

    def before(statement: str) -> None:
        nonlocal selections
        selections += "FROM rows" in statement
        if selections == 2:
            claim_all()

    async def main() -> None:
        async with SqliteJournal(path) as journal:
            run = await journal.start(PURPOSE)
            with closing(sqlite_file.connect(path, create=False, is_live=is_live)) as db:
                db.set_trace_callback(before)
                assert look_at_once(db, many, is_live) == [None] * len(many)
                assert None not in look_at_once(db, many, is_live)
            await run.end()

    asyncio.run(main())


def test_all_digits_of_times(path: Path) -> None:
    """Times come back with all digits that were stored."""
    begun_at, called_at, duration = 1_750_000_000.123456, 1_750_000_001.234567, 0.1 + 0.2

    async def main() -> None:
        async with SqliteJournal(path) as journal:
            run = await journal.start(PURPOSE)
            await settled(run, keys(1), State.UNKNOWN)
            with closing(sqlite3.connect(path)) as db, db:
                db.execute("UPDATE claims SET begun_at = ?", (begun_at,))
                db.execute("UPDATE calls SET called_at = ?, duration = ?", (called_at, duration))
            [line] = await all_lines(journal)
            assert line.begun_at == datetime.fromtimestamp(begun_at, BEIJING)
            assert line.called_at == datetime.fromtimestamp(called_at, BEIJING)
            assert line.duration == duration
            [standing] = await run.look(keys(1))
            assert standing is not None
            assert standing.begun_at == line.begun_at
            await run.end()

    asyncio.run(main())
