"""Writing a journal in a file: claims of several processes, reasons, a full disk."""

import asyncio
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from emay_voice_async.errors import JournalError
from emay_voice_async.journal.protocol import Standing, State
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


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Name a journal that does not exist yet."""
    return tmp_path / "run.db"


_OTHER_PROCESS = """
import asyncio, sys
from pathlib import Path
from emay_voice_async import Notice
from emay_voice_async.journal.protocol import Claim, Key, Purpose
from emay_voice_async.journal.sqlite import SqliteJournal

async def main(name, what, *numbers):
    journal = SqliteJournal(name)
    if what == "count":
        return print(sum((await journal.summary()).states.values()))
    run = await journal.start(Purpose("app", Notice("您的快递已到")))
    keys = tuple(Key(f"138{int(number):08}") for number in numbers)
    print(await run.begin(Claim("theirs", keys, numbers, 3600)), flush=True)
    sys.stdin.readline()
    if what == "close":
        return await run.end()
    # End without closing, like a killed process.
    import os
    os._exit(1)

asyncio.run(main(*sys.argv[1:]))
"""


@contextmanager
def process(path: Path, what: str, *numbers: int) -> Iterator[subprocess.Popen[str]]:
    """Run another process on a journal; the process goes on at the end of the input."""
    arguments = [sys.executable, "-c", _OTHER_PROCESS, str(path), what, *map(str, numbers)]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        yield other


def counted_elsewhere(path: Path) -> int:
    """Count the calls of a journal in another process, which opens and closes the file."""
    with process(path, "count") as other:
        return int(other.communicate()[0])


def test_a_reason_of_any_text(path: Path) -> None:
    """A reason of any text is stored, and read back unchanged."""

    async def main() -> None:
        async with SqliteJournal(path) as journal:
            run = await journal.start(PURPOSE)
            await settled(run, keys(1), State.REFUSED, reason="odd \ud800 \0 📞")
            [line] = await all_lines(journal)
            assert line.reason == "odd \ud800 \0 📞"
            await run.end()

    asyncio.run(main())


def test_a_full_disk(path: Path) -> None:
    """On a full disk no call of a batch is claimed; with room again the batch can be claimed."""

    async def main() -> None:
        async with SqliteJournal(path) as journal:
            run = await journal.start(PURPOSE)
            await journal._resource.use(lambda db: db.execute("PRAGMA max_page_count = 8").fetchall())
            with pytest.raises(JournalError, match="the disk is full"):
                await run.begin(claim(keys(*range(500))))
            assert await states(run, keys(0, 499)) == [None, None]
            await journal._resource.use(
                lambda db: db.execute("PRAGMA max_page_count = 9999").fetchall(),
            )
            assert await run.begin(claim(keys(*range(500))))
            await run.end()

    asyncio.run(main())


def test_a_process_that_lives_and_is_killed(path: Path) -> None:
    """A claim of another process is under way while the process lives, and unknown after it was killed."""

    async def main() -> None:
        async with SqliteJournal(path) as journal:
            run = await journal.start(PURPOSE)
            with process(path, "die", 1, 2) as other:
                assert other.stdout is not None
                assert other.stdout.readline() == "True\n"
                assert await states(run, keys(1, 2, 3)) == [State.UNDER_WAY, State.UNDER_WAY, None]
                assert not await run.begin(claim(keys(2), resend=True))
                other.communicate("")
            assert await states(run, keys(1, 2, 3)) == [State.UNKNOWN, State.UNKNOWN, None]
            assert not await run.begin(claim(keys(2)))
            assert await run.begin(claim(keys(2), resend=True))
            await run.end()

    asyncio.run(main())


def test_a_process_that_is_stopped_in_order(path: Path) -> None:
    """A run that was ended is over, although the process may still be alive."""
    with process(path, "close", 1) as other:
        other.communicate("")

    async def main() -> None:
        run = await SqliteJournal(path).start(PURPOSE)
        assert await states(run, keys(1)) == [State.UNKNOWN]
        await run.end()

    asyncio.run(main())


@pytest.mark.slow
def test_starting_again_keeps_the_locks(path: Path) -> None:
    """A claim is visible to other processes after any number of starts and closes of the journal.

    A process that closes a file by other means than SQLite's loses its locks on the file. The next process that
    closes the journal would then remove data that is being written.
    """

    async def main() -> None:
        first = SqliteJournal(path)
        run = await first.start(PURPOSE)
        await begun(run, keys(1))
        await (await SqliteJournal(path).start(PURPOSE)).end()
        assert counted_elsewhere(path) == 1
        assert path.with_name("run.db-wal").exists()
        await begun(run, keys(2))
        assert counted_elsewhere(path) == 2
        await run.end()

    asyncio.run(main())


def test_few_steps(path: Path) -> None:
    """A batch of 500 takes as many statements, and as many rows of results, as a batch of 2."""

    async def main() -> None:
        async with SqliteJournal(path) as journal:
            run = await journal.start(PURPOSE)
            steps = Counter[str]()

            def row(_: object, values: tuple[Any, ...]) -> tuple[Any, ...]:
                steps["rows"] += 1
                return values

            def counted(db: sqlite3.Connection) -> None:
                db.set_trace_callback(lambda _: steps.update(["statements"]))
                db.row_factory = row

            await journal._resource.use(counted)
            found = []
            for of in (keys(1, 2), keys(*range(500, 1000))):
                steps.clear()
                assert await run.look(of) == [None] * len(of)
                await settled(run, of, State.REFUSED)
                batch = await settled(run, of, State.ACCEPTED)
                assert None not in await run.look(of)
                calls = zip(of, batch.custom_ids, strict=True)
                await journal.record([report_of(key, custom_id=own) for key, own in calls])
                assert len(await all_lines(journal)) >= len(of)
                found.append(dict(steps))
            assert found[0] == found[1]
            await run.end()

    asyncio.run(main())


def test_a_call_twice_in_a_claim(path: Path) -> None:
    """Of a call that is twice in a claim the last ids are kept."""

    async def main() -> None:
        async with SqliteJournal(path) as journal:
            run = await journal.start(PURPOSE)
            batch = claim(keys(1, 2, 1), custom_ids=["a", "b", "c"])
            assert await run.begin(batch)
            await run.close(batch, State.ACCEPTED, message_ids=["x", "y", "z"])
            found = await run.look(keys(1, 2, 1))
            assert found == [
                Standing(State.ACCEPTED, "c", "z"),
                Standing(State.ACCEPTED, "b", "y"),
                Standing(State.ACCEPTED, "c", "z"),
            ]
            await run.end()

    asyncio.run(main())
