"""The journal in a SQLite file: what every journal promises, and what is particular to a file."""

import asyncio
import gc
import multiprocessing
import os
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from attrs import evolve, field, frozen
from support.journal_conformance import (
    PURPOSE,
    JournalConformance,
    Place,
    all_lines,
    begun,
    claim,
    keys,
    settled,
    states,
)

import emay_voice_async.journal.sqlite_statements as file
from emay_voice_async.errors import JournalError
from emay_voice_async.journal.protocol import Journal, JournalRun, Purpose, State
from emay_voice_async.journal.sqlite import SqliteJournal, _SqliteRun
from emay_voice_async.model.messages import VerificationCode


@frozen
class _File:
    """A file that journals are in."""

    path: Path
    opened: list[SqliteJournal] = field(factory=list)

    def open(self) -> Journal:
        """Make one more journal object on the file."""
        self.opened.append(SqliteJournal(self.path))
        return self.opened[-1]

    async def abandon(self, run: JournalRun) -> None:
        """Take the run out of those that are alive, as the end of its process would."""
        assert isinstance(run, _SqliteRun)
        await run.end()


@asynccontextmanager
async def _place() -> AsyncIterator[Place]:
    with TemporaryDirectory() as folder:
        place = _File(Path(folder) / "run.db")
        try:
            yield place
        finally:
            # Not every run was ended: some are killed, and some go on until the test is over.
            for journal in place.opened:
                await journal.aclose()


class TestConformance(JournalConformance):
    """Every promise of a journal."""

    def place(self) -> AbstractAsyncContextManager[Place]:
        """Provide a file that does not exist yet."""
        return _place()


THREAD = "emay_voice_async.journal.sqlite"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Name a journal that does not exist yet."""
    return tmp_path / "run.db"


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    """Each journal ends the thread that it works in."""
    before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - before:
        thread.join(10)
        assert not thread.is_alive()


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
    # No good-bye: as if it were killed.
    import os
    os._exit(1)

asyncio.run(main(*sys.argv[1:]))
"""


@contextmanager
def process(path: Path, what: str, *numbers: int) -> Iterator[subprocess.Popen[str]]:
    """Run another process on a journal; it goes on when its input ends."""
    arguments = [sys.executable, "-c", _OTHER_PROCESS, str(path), what, *map(str, numbers)]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        yield other


def counted_elsewhere(path: Path) -> int:
    """Count the calls of a journal in another process, which opens it and closes it."""
    with process(path, "count") as other:
        return int(other.communicate()[0])


def sql(path: Path, statement: str) -> None:
    """Change a journal behind its back."""
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(statement)


class TestProcesses:
    """Several processes of one host."""

    def test_a_process_that_lives_and_is_killed(self, path: Path) -> None:
        """What another process claims is under way while it lives, and unknown when it was killed."""

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

    def test_a_process_that_is_stopped_in_order(self, path: Path) -> None:
        """A run that its process ended in order is over, although the process may still be there."""
        with process(path, "close", 1) as other:
            other.communicate("")

        async def main() -> None:
            run = await SqliteJournal(path).start(PURPOSE)
            assert await states(run, keys(1)) == [State.UNKNOWN]
            await run.end()

        asyncio.run(main())

    def test_starting_again_keeps_the_locks(self, path: Path) -> None:
        """What is claimed is on the disk for all, whatever else this process and others do with the file.

        A process loses its locks on a file when it closes it by other means than SQLite's; then somebody else
        who closes the journal takes away what is being written.
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

    @pytest.mark.parametrize(("lasts", "state"), [(3600.0, State.UNDER_WAY), (-1.0, State.UNKNOWN)])
    def test_a_process_on_another_host(self, path: Path, lasts: float, state: State) -> None:
        """Of a process that cannot be asked, only the time tells that nothing is under way any more."""

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

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
    @pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
    def test_a_fork(self, path: Path) -> None:
        """A child that inherits an open journal is told so, instead of hanging or writing without locks."""
        journal, closed = SqliteJournal(path), SqliteJournal(path.with_name("other.db"))

        async def child() -> None:
            async with asyncio.timeout(30):
                for _ in range(2):
                    with pytest.raises(JournalError, match="forked"):
                        await journal.start(PURPOSE)
                    await journal.aclose()
                await settled(await closed.start(PURPOSE), keys(2), State.ACCEPTED)
                await closed.aclose()

        with asyncio.Runner() as runner:
            run = runner.run(journal.start(PURPOSE))
            runner.run(begun(run, keys(1)))
            forked = multiprocessing.get_context("fork").Process(target=lambda: asyncio.run(child()))
            forked.start()
            forked.join(60)
            assert forked.exitcode == 0
            assert runner.run(states(run, keys(1))) == [State.UNDER_WAY]
            runner.run(run.end())
            assert runner.run(closed.summary()).states[State.ACCEPTED] == 1

    def test_what_was_inherited_is_left_alone(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Not even the closing touches what belongs to another process."""

        async def main() -> None:
            async with SqliteJournal(path) as journal:
                run = await journal.start(PURPOSE)
                await begun(run, keys(1))
                with monkeypatch.context() as patch:
                    patch.setattr(os, "getpid", lambda: -1)
                    with pytest.raises(JournalError, match="forked"):
                        await run.begin(claim(keys(2)))
                    await journal.aclose()
                assert await states(run, keys(1, 2)) == [State.UNDER_WAY, None]
                await run.end()

        asyncio.run(main())


class TestLoops:
    """Event loops, and what is left of them."""

    def test_one_loop_after_another(self, path: Path) -> None:
        """One object may be used in one loop after another, even if the first one was broken off."""
        journal = SqliteJournal(path)
        loop = asyncio.new_event_loop()
        run = loop.run_until_complete(journal.start(PURPOSE))
        loop.run_until_complete(begun(run, keys(1)))
        loop.close()

        async def main() -> None:
            again = await journal.start(PURPOSE)
            assert await states(again, keys(1)) == [State.UNDER_WAY]
            nonlocal run
            del run
            gc.collect()
            # Nobody holds the first run any more, so that nothing of it can be under way.
            assert await states(again, keys(1)) == [State.UNKNOWN]
            await journal.aclose()

        asyncio.run(main())

    @pytest.mark.parametrize("closed", [False, True])
    def test_what_has_a_place_in_the_queue_is_done(self, path: Path, closed: bool) -> None:
        """An outcome that is being written is written, though its caller is cancelled and the loop ends."""
        held = threading.Event()

        async def main() -> None:
            journal = SqliteJournal(path)
            run = await journal.start(PURPOSE)
            claims = [await begun(run, keys(number)) for number in range(3)]
            holding = asyncio.ensure_future(journal._do(lambda _: held.wait(30), create=False))
            closings = [asyncio.ensure_future(run.close(one, State.ACCEPTED)) for one in claims]
            await asyncio.sleep(0)
            for one in (holding, *closings):
                one.cancel()
            await asyncio.wait([holding, *closings])
            assert all(one.cancelled() for one in closings)
            if closed:
                ending = asyncio.ensure_future(run.end())
                await asyncio.sleep(0)
                held.set()
                await ending
            else:
                assert await cancelled(run.end())

        asyncio.run(main())
        held.set()

        async def later() -> None:
            async with SqliteJournal(path) as journal:
                run = await journal.start(PURPOSE)
                # Whoever comes later waits for the thread of the first, which still has the file.
                for thread in threading.enumerate():
                    if thread.name.startswith(THREAD) and thread is not threading.current_thread():
                        thread.join(0.2)
                assert await states(run, keys(0, 1, 2)) == [State.ACCEPTED] * 3
                await run.end()

        asyncio.run(later())

    def test_many_users_of_one_object(self, path: Path) -> None:
        """The file is closed when the last one who uses it has left, and not before."""

        async def main() -> None:
            journal = SqliteJournal(path)
            first, second = await asyncio.gather(journal.start(PURPOSE), journal.start(PURPOSE))
            desk = journal._desk
            await first.end()
            await first.end()
            assert journal._desk is desk is not None
            await second.end()
            assert journal._desk is None
            assert sorted(one.name for one in path.parent.iterdir()) == ["run.db"]

        asyncio.run(main())


async def cancelled(work: Coroutine[Any, Any, Any]) -> bool:
    """Begin something and cancel it; return whether it was."""
    task = asyncio.ensure_future(work)
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    return task.cancelled()


class TestFile:
    """A file that is somebody else's, damaged, gone or full."""

    def test_its_owner_alone_may_read_it(self, path: Path) -> None:
        """The file and those beside it hold phone numbers: nobody else can open them, whatever the umask."""
        before = os.umask(0)
        try:

            async def main() -> None:
                run = await SqliteJournal(path).start(PURPOSE)
                await begun(run, keys(1))
                modes = {one.name: stat.S_IMODE(one.stat().st_mode) for one in path.parent.iterdir()}
                assert modes == dict.fromkeys(("run.db", "run.db-wal", "run.db-shm"), 0o600)
                await run.end()

            asyncio.run(main())
        finally:
            os.umask(before)

    def test_through_a_link(self, path: Path) -> None:
        """A link that leads to a file, or to none yet, is followed, and the file is its owner's alone."""
        link = path.with_name("link.db")
        link.symlink_to(path.name)

        async def main() -> None:
            first, second = SqliteJournal(link), SqliteJournal(path)
            one, other = await first.start(PURPOSE), await second.start(PURPOSE)
            await begun(one, keys(1))
            assert await states(other, keys(1)) == [State.UNDER_WAY]
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            await one.end()
            await other.end()

        asyncio.run(main())

    def test_a_claim_is_written_through(self, path: Path) -> None:
        """Every commit waits for the disk, and readers and writers do not wait for each other."""

        async def main() -> None:
            async with SqliteJournal(path) as journal:
                await (await journal.start(PURPOSE)).end()
                pragmas = await journal._do(
                    lambda db: [
                        db.execute(f"PRAGMA {one}").fetchone()[0] for one in ("synchronous", "journal_mode")
                    ],
                    create=False,
                )
                assert pragmas == [2, "wal"]

        asyncio.run(main())

    def test_no_code_and_no_text_is_in_it(self, path: Path) -> None:
        """What is said, perhaps a code, cannot be read in the file."""

        async def main() -> None:
            run = await SqliteJournal(path).start(Purpose("app", VerificationCode("471100")))
            await begun(run, keys(1))
            assert not any(b"471100" in one.read_bytes() for one in path.parent.iterdir())
            await run.end()

        asyncio.run(main())

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            (b"mobile\n13800000000\n" * 100, "not a journal, or damaged"),
            (b"SQLite format 3\0" + b"\xff" * 4096, "not a journal, or damaged"),
        ],
    )
    def test_a_file_that_is_no_journal(self, path: Path, content: bytes, reason: str) -> None:
        """A file of another kind is refused, by whoever opens it, and stays as it is."""
        path.write_bytes(content)

        async def main() -> None:
            journal = SqliteJournal(path)
            for use in (journal.start(PURPOSE), journal.start(PURPOSE, dry=True), journal.summary()):
                with pytest.raises(JournalError, match=reason) as caught:
                    await use
                assert str(path) in str(caught.value)
                assert "13800000000" not in str(caught.value)

        asyncio.run(main())
        assert path.read_bytes() == content

    def test_another_programs_database(self, path: Path) -> None:
        """A database that is no journal is refused, and stays as it is."""
        sql(path, "CREATE TABLE purpose (app_id)")
        content = path.read_bytes()

        async def main() -> None:
            journal = SqliteJournal(path)
            for use in (journal.start(PURPOSE), journal.record([]), all_lines(journal)):
                with pytest.raises(JournalError, match="it is not a journal"):
                    await use

        asyncio.run(main())
        assert path.read_bytes() == content

    def test_a_journal_of_a_later_version(self, path: Path) -> None:
        """A file of another version is refused, and both versions are named."""

        async def main() -> None:
            journal = SqliteJournal(path)
            await (await journal.start(PURPOSE)).end()
            sql(path, "PRAGMA user_version = 2")
            with pytest.raises(JournalError, match="version 2, and this package reads version 1"):
                await journal.start(PURPOSE)

        asyncio.run(main())

    def test_an_empty_file_is_a_new_journal(self, path: Path) -> None:
        """An empty file, as a temporary one is, becomes a journal; before that it is none."""
        path.touch()

        async def main() -> None:
            journal = SqliteJournal(path)
            with pytest.raises(JournalError, match="it is not a journal"):
                await journal.summary()
            await (await journal.start(PURPOSE)).end()
            assert sum((await journal.summary()).states.values()) == 0

        asyncio.run(main())

    def test_a_journal_without_a_run(self, path: Path) -> None:
        """A journal whose first start was broken off has nothing to tell, and can be started."""
        file.connect(path, create=True).close()

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

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ({"app_id": "other"}, r"another account \(app\)"),
            ({"message": VerificationCode("471100")}, r"another message \(a Notice\)"),
            ({"allow_duplicates": True}, "allow_duplicates=False"),
        ],
    )
    def test_what_it_was_made_for(self, path: Path, change: dict[str, Any], reason: str) -> None:
        """A journal of another purpose says which one it is of; a dry run finds that out, too."""

        async def main() -> None:
            journal = SqliteJournal(path)
            await (await journal.start(PURPOSE)).end()
            for dry in (False, True):
                with pytest.raises(JournalError, match=reason) as caught:
                    await journal.start(evolve(PURPOSE, **change), dry=dry)
                assert "471100" not in str(caught.value)

        asyncio.run(main())

    @pytest.mark.parametrize("name", [".", "missing/run.db"])
    def test_where_no_file_can_be(self, path: Path, name: str) -> None:
        """A folder, or a place in none, is an error that names the place."""

        async def main() -> None:
            journal = SqliteJournal(path.parent / name)
            with pytest.raises(JournalError) as caught:
                await journal.start(PURPOSE)
            assert str(path.parent / name) in str(caught.value)
            assert caught.value.reason in (
                "Is a directory",
                "No such file or directory",
                "unable to open database file",
            )

        asyncio.run(main())

    def test_another_program_has_locked_it(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A claim waits for whoever is writing, and not for ever; looking does not wait."""
        monkeypatch.setattr(file, "WRITERS_WAIT", 0.05)

        async def main() -> None:
            async with SqliteJournal(path) as journal:
                run = await journal.start(PURPOSE)
                with closing(sqlite3.connect(path, isolation_level=None)) as db:
                    db.execute("BEGIN IMMEDIATE")
                    with pytest.raises(JournalError, match="another program has locked it"):
                        await run.begin(claim(keys(1)))
                    assert await states(run, keys(1)) == [None]
                    db.execute("ROLLBACK")
                assert await run.begin(claim(keys(1)))
                await run.end()

        asyncio.run(main())

    def test_two_make_it_at_once(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Whoever comes while another one makes the journal waits for that, and not for ever."""
        path.touch()
        with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
            other.execute("BEGIN IMMEDIATE")
            with monkeypatch.context() as patch, pytest.raises(sqlite3.OperationalError, match="locked"):
                patch.setattr(file, "WRITERS_WAIT", 0.05)
                file.connect(path, create=True)
            slept: list[float] = []

            def sleep(seconds: float) -> None:
                slept.append(seconds)
                other.execute("ROLLBACK")

            monkeypatch.setattr("time.sleep", sleep)
            file.connect(path, create=True).close()
            assert len(slept) == 1

    def test_a_full_disk(self, path: Path) -> None:
        """Without room nothing is claimed, not even a part; with room again it goes on."""

        async def main() -> None:
            async with SqliteJournal(path) as journal:
                run = await journal.start(PURPOSE)
                await journal._do(lambda db: db.execute("PRAGMA max_page_count = 8").fetchall(), create=False)
                with pytest.raises(JournalError, match="the disk is full"):
                    await run.begin(claim(keys(*range(500))))
                assert await states(run, keys(0, 499)) == [None, None]
                await journal._do(
                    lambda db: db.execute("PRAGMA max_page_count = 9999").fetchall(), create=False
                )
                assert await run.begin(claim(keys(*range(500))))
                await run.end()

        asyncio.run(main())

    def test_a_damaged_file(self, path: Path) -> None:
        """Damage in the middle is found and said; what follows is no claim."""

        async def main() -> None:
            async with SqliteJournal(path) as journal:
                run = await journal.start(PURPOSE)
                await settled(run, keys(*range(2000)), State.ACCEPTED)
                await run.end()
            with path.open("r+b") as raw:
                raw.seek(4096)
                raw.write(b"\xff" * 4096 * 20)
            journal = SqliteJournal(path)
            with pytest.raises(JournalError, match="it is damaged"):
                await journal.start(PURPOSE)

        asyncio.run(main())

    @pytest.mark.parametrize(
        "change", ["UPDATE calls SET state = 9", "UPDATE calls SET custom_id = CAST(x'ff' AS TEXT)"]
    )
    def test_a_damaged_value(self, path: Path, change: str) -> None:
        """A value that no journal writes is damage, whoever comes upon it, and nothing is claimed."""

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

    def test_links_in_a_circle(self, path: Path) -> None:
        """A link that leads to itself is an error of ours, too."""
        path.symlink_to(path.name)

        async def main() -> None:
            with pytest.raises(JournalError):
                await SqliteJournal(path).start(PURPOSE)

        asyncio.run(main())

    @pytest.mark.parametrize("how", ["deleted", "moved", "replaced"])
    def test_a_file_that_is_taken_away(self, path: Path, how: str) -> None:
        """A journal that is no longer where it was gets no claim: whoever comes later would not find it."""

        async def main() -> None:
            journal = SqliteJournal(path)
            run = await journal.start(PURPOSE)
            one = await begun(run, keys(1))
            if how == "deleted":
                path.unlink()
            else:
                path.rename(path.with_name("other.db"))
            if how == "replaced":
                path.write_bytes(b"")
            for use in (run.begin(claim(keys(2))), run.close(one, State.ACCEPTED), run.look(keys(1))):
                with pytest.raises(JournalError, match="moved, deleted or replaced"):
                    await use
            await run.end()

        asyncio.run(main())

    def test_a_relative_path(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A journal stays the same one wherever the program goes, so that nobody is called again."""
        monkeypatch.chdir(path.parent)
        journal = SqliteJournal("run.db")
        (path.parent / "elsewhere").mkdir()

        async def main() -> None:
            run = await journal.start(PURPOSE)
            await settled(run, keys(1), State.ACCEPTED)
            monkeypatch.chdir("elsewhere")
            await settled(run, keys(2), State.ACCEPTED)
            await run.end()
            again = await journal.start(PURPOSE)
            assert await states(again, keys(1, 2)) == [State.ACCEPTED, State.ACCEPTED]
            await again.end()

        asyncio.run(main())
        assert not list((path.parent / "elsewhere").iterdir())

    def test_a_reason_of_any_text(self, path: Path) -> None:
        """Whatever a reason is made of, the outcome is written down, and the reason kept."""

        async def main() -> None:
            async with SqliteJournal(path) as journal:
                run = await journal.start(PURPOSE)
                await settled(run, keys(1), State.REFUSED, reason="odd \ud800 \0 📞")
                [line] = await all_lines(journal)
                assert line.reason == "odd \ud800 \0 📞"
                await run.end()

        asyncio.run(main())


class TestDry:
    """A run that writes nothing."""

    def test_without_a_file(self, path: Path) -> None:
        """No file is made; everything is new; once there is a file, it is looked into."""

        async def main() -> None:
            journal = SqliteJournal(path)
            dry = await journal.start(PURPOSE, dry=True)
            assert await states(dry, keys(1, 2)) == [None, None]
            assert not path.exists()
            run = await SqliteJournal(path).start(PURPOSE)
            await settled(run, keys(1), State.ACCEPTED)
            assert await states(dry, keys(1, 2)) == [State.ACCEPTED, None]
            await dry.end()
            await run.end()

        asyncio.run(main())

    def test_with_a_file(self, path: Path) -> None:
        """Nothing is claimed, and not even a run is entered."""

        async def main() -> None:
            journal = SqliteJournal(path)
            run = await journal.start(PURPOSE)
            await settled(run, keys(1), State.ACCEPTED)
            await run.end()
            content = path.read_bytes()
            dry = await journal.start(PURPOSE, dry=True)
            with pytest.raises(JournalError, match="dry"):
                await dry.begin(claim(keys(2)))
            assert await states(dry, keys(1, 2)) == [State.ACCEPTED, None]
            await dry.end()
            assert path.read_bytes() == content

        asyncio.run(main())


def test_it_shows_where_it_is(path: Path) -> None:
    """The repr names the file, whole; making the object touches nothing."""
    assert repr(SqliteJournal(path)) == f"SqliteJournal({str(path)!r})"
    assert SqliteJournal(str(path)).path == path
    assert not path.exists()
