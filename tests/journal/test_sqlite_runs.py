"""A file that was copied without its side files is whole, or refused: nobody is called twice."""

import asyncio
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from emay_voice_async.errors import JournalError
from emay_voice_async.journal.protocol import Key, State
from emay_voice_async.journal.sqlite import SqliteJournal
from emay_voice_async.testing.journal.values import (
    PURPOSE,
    all_lines,
    begun,
    claim,
    keys,
    report_of,
    settled,
    states,
)

TORN = "it was cut off in the middle of a write"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Name a journal that does not exist yet."""
    return tmp_path / "run.db"


def copied(path: Path, name: str = "copy.db") -> Path:
    """Copy the file alone, without side files."""
    copy = path.with_name(name)
    copy.write_bytes(path.read_bytes())
    copy.chmod(0o600)
    return copy


def killed(path: Path) -> None:
    """Let the runs in a file look like runs of a process that was killed."""
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE runs SET pid = 999999, born = '1'")


def test_the_file_alone_has_every_claim(path: Path) -> None:
    """After each begin, close and record the file without its side files has the claim and its outcome."""

    async def main() -> None:
        run = await SqliteJournal(path).start(PURPOSE)
        for number, state in enumerate((State.ACCEPTED, State.REFUSED, State.UNKNOWN)):
            batch = await begun(run, keys(*range(10 * number, 10 * number + 5)))
            assert await stored(number, "under way") == {State.UNKNOWN}
            await run.close(batch, state)
            assert await stored(number, "closed") == {state}
        assert await SqliteJournal(path).record([report_of(keys(20)[0], custom_id=batch.custom_ids[0])]) == 1
        copy = copied(path, "recorded.db")
        killed(copy)
        assert [line.report_state for line in await all_lines(SqliteJournal(copy))].count("SUCCESS") == 1
        await run.end()

    async def stored(number: int, name: str) -> set[State | None]:
        copy = copied(path, f"{number} {name}.db")
        killed(copy)
        async with SqliteJournal(copy) as journal:
            dry = await journal.start(PURPOSE, dry=True)
            found = set(await states(dry, keys(*range(10 * number, 10 * number + 5))))
            await dry.end()
            return found

    asyncio.run(main())


def pages(content: bytes) -> list[bytes]:
    """Split a file into pages of a database."""
    return [content[at : at + 4096] for at in range(0, len(content), 4096)]


@pytest.mark.parametrize("seed", range(4))
def test_each_half_written_file_is_whole_or_refused(path: Path, seed: int) -> None:
    """Of a write that stopped after any page, no call of an earlier batch is forgotten, or the file is refused."""
    chance = random.Random(seed)
    numbers = chance.sample(range(10**8), 1500)
    before, after = path.with_name("before.db"), path.with_name("after.db")

    async def main() -> None:
        journal = SqliteJournal(path)
        run = await journal.start(PURPOSE)
        claims = [await begun(run, keys(*numbers[start : start + 300])) for start in range(0, 1200, 300)]
        for batch in claims[:3]:
            await run.close(batch, State.ACCEPTED, message_ids=[f"m-{one}" for one in batch.custom_ids])
        before.write_bytes(path.read_bytes())
        if seed % 2:
            long_ids = [f"{one}-{'x' * 60}" for one in claims[3].custom_ids]
            await run.close(claims[3], State.ACCEPTED, message_ids=long_ids)
        else:
            await begun(run, keys(*numbers[1200:]))
        after.write_bytes(path.read_bytes())
        await run.end()
        kept = [Key(f"138{number:08}") for number in numbers[:1200]]
        old, new = pages(before.read_bytes()), pages(after.read_bytes())
        changed = [at for at, page in enumerate(new) if at >= len(old) or page != old[at]]
        outcomes = [await resumed(at, old, new, changed, kept) for at in range(1, len(changed))]
        assert len(changed) > 5
        assert "refused" in outcomes

    async def resumed(
        at: int, old: list[bytes], new: list[bytes], changed: list[int], kept: list[Key]
    ) -> str:
        written = old.copy()
        for place in changed[:at]:
            written[place : place + 1] = [new[place]]
        torn = path.with_name(f"torn {at}.db")
        torn.touch(0o600)
        torn.write_bytes(b"".join(written))
        with closing(sqlite3.connect(torn)) as db:
            try:
                db.execute("UPDATE runs SET pid = 999999, born = '1'")
                db.commit()
            except sqlite3.DatabaseError:
                return "refused"
        journal = SqliteJournal(torn)
        try:
            run = await journal.start(PURPOSE)
        except JournalError as error:
            assert TORN in error.reason or error.reason == "it is damaged"  # noqa: PT017
            return "refused"
        assert not {None, State.NOT_SENT, State.REFUSED} & set(await states(run, kept))
        await run.end()
        return "whole"

    asyncio.run(main())


def test_a_torn_file_says_what_to_do(path: Path) -> None:
    """A start, a record, a summary and a dry run on a torn copy raise the same sentence, and change no byte."""

    async def main() -> None:
        run = await SqliteJournal(path).start(PURPOSE)
        await begun(run, keys(*range(2000)))
        copy = copied(path)
        await run.end()
        killed(copy)
        # A page of the index as it was when half of its entries had moved elsewhere.
        with closing(sqlite3.connect(copy, isolation_level=None)) as db:
            db.execute("PRAGMA writable_schema = ON")
            db.execute("DELETE FROM sqlite_schema WHERE name = 'call_keys'")
        with closing(sqlite3.connect(copy)) as db, db:
            db.execute("DELETE FROM calls WHERE call % 2")
        with closing(sqlite3.connect(path)) as db:
            [[root, sql]] = db.execute("SELECT rootpage, sql FROM sqlite_schema WHERE name = 'call_keys'")
        with closing(sqlite3.connect(copy, isolation_level=None)) as db:
            db.execute("PRAGMA writable_schema = ON")
            db.execute("INSERT INTO sqlite_schema VALUES ('index', 'call_keys', 'calls', ?, ?)", (root, sql))
        content = copy.read_bytes()
        journal = SqliteJournal(copy)
        for use in (
            journal.start(PURPOSE),
            journal.start(PURPOSE, dry=True),
            journal.summary(),
            all_lines(journal),
            journal.record([]),
        ):
            with pytest.raises(JournalError, match="copy its side file along"):
                await use
        assert copy.read_bytes() == content

    asyncio.run(main())


def test_a_copy_of_a_journal_in_use(path: Path) -> None:
    """A copy cannot be started while the process that writes the original is alive; it can be read."""

    async def main() -> None:
        run = await SqliteJournal(path).start(PURPOSE)
        await settled(run, keys(1), State.ACCEPTED)
        copy = copied(path)
        with pytest.raises(
            JournalError, match="it is a copy of a journal that a running process still writes to"
        ):
            await SqliteJournal(copy).start(PURPOSE)
        assert (await SqliteJournal(copy).summary()).states[State.ACCEPTED] == 1
        await run.end()
        started = await SqliteJournal(copy).start(PURPOSE)
        assert await states(started, keys(1)) == [State.ACCEPTED]
        await started.end()

    asyncio.run(main())


def test_an_ended_run_needs_no_check(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file is checked once after a kill, never after runs that ended in order, and not beside a live run."""
    checks: list[str] = []
    real = sqlite3.connect

    def connect(*arguments: object, **options: object) -> sqlite3.Connection:
        db = real(*arguments, **options)  # type: ignore[call-overload]
        db.set_trace_callback(lambda said: checks.append(said) if "integrity" in said else None)
        assert isinstance(db, sqlite3.Connection)
        return db

    monkeypatch.setattr(sqlite3, "connect", connect)

    async def start() -> None:
        await (await SqliteJournal(path).start(PURPOSE)).end()

    async def main() -> None:
        run = await SqliteJournal(path).start(PURPOSE)
        batch = await begun(run, keys(1))
        await start()
        await run.end()
        assert checks == []
        await start()
        assert len(checks) == 1
        await run.close(batch, State.ACCEPTED)
        await start()
        assert len(checks) == 1
        killed(path)
        await start()
        assert len(checks) == 1

    asyncio.run(main())


@pytest.mark.parametrize("in_time", [True, False])
def test_a_run_on_another_host(path: Path, in_time: bool) -> None:
    """A run of another host counts as writing until the time of its claims is over; then the file is checked."""

    async def main() -> None:
        journal = SqliteJournal(path)
        run = await journal.start(PURPOSE)
        assert await run.begin(claim(keys(1), lasts=3600.0 if in_time else -1.0))
        with closing(sqlite3.connect(path)) as db, db:
            db.execute("UPDATE runs SET place = 'elsewhere'")
        await (await SqliteJournal(path).start(PURPOSE)).end()
        with closing(sqlite3.connect(path)) as db:
            [[ended]] = db.execute("SELECT ended FROM runs WHERE run = 1")
        assert bool(ended) is not in_time
        await run.end()

    asyncio.run(main())


_WORKER = """
import asyncio, sys
from emay_voice_async.journal.protocol import Claim, Key, Purpose, State
from emay_voice_async.journal.sqlite import SqliteJournal
from emay_voice_async.model.messages import Notice

async def main(path):
    run = await SqliteJournal(path).start(Purpose("app", Notice("您的快递已到")))
    batch = 0
    while True:
        keys = tuple(Key(f"138{batch * 20 + place:05}{place * 37 % 1000:03}") for place in range(20))
        ids = tuple(f"c{batch}-{place}" for place in range(20))
        claim = Claim(f"{sys.argv[2]}-{batch}", keys, ids, 60.0)
        if await run.begin(claim):
            # The calls are made at this moment.
            print(*(key.mobile for key in keys), flush=True)
            await run.close(claim, State.ACCEPTED, message_ids=ids)
        batch += 1

asyncio.run(main(sys.argv[1]))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_killed_at_random_moments_and_copied_alone(path: Path) -> None:
    """A run that is killed 12 times, each time resumed from a copy of the file alone, calls no number twice."""
    chance = random.Random(7)
    called: list[str] = []
    refused = 0
    for kill in range(12):
        worker = subprocess.Popen(
            [sys.executable, "-c", _WORKER, str(path), str(kill)], stdout=subprocess.PIPE, text=True
        )
        with worker:
            assert worker.stdout is not None
            for _ in range(chance.randrange(1, 30)):
                called += worker.stdout.readline().split()
            os.kill(worker.pid, signal.SIGKILL)
            called += worker.stdout.read().split()
        folder = path.parent.with_name(f"{path.parent.name}-{kill}")
        folder.mkdir(0o700)
        path = Path(shutil.copy(path, folder))
        try:
            asyncio.run(SqliteJournal(path).summary())
        except JournalError as error:
            assert TORN in error.reason  # noqa: PT017
            refused += 1
            break
    assert len(called) > 100
    assert len(called) == len(set(called))
    assert refused <= 1
