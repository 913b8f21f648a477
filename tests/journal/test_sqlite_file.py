"""The file of a journal: permissions, refusals, and full or locked disks."""

import asyncio
import codecs
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from emay_voice_async.errors import JournalError
from emay_voice_async.journal import sqlite_file
from emay_voice_async.journal.protocol import Key, State
from emay_voice_async.journal.sqlite import SqliteJournal
from emay_voice_async.testing.journal.values import PURPOSE, all_lines, begun, claim, keys, settled, states


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Name a journal that does not exist yet."""
    return tmp_path / "run.db"


def sql(path: Path, statement: str) -> None:
    """Change a journal by another connection."""
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(statement)


def test_its_owner_alone_may_read_it(path: Path) -> None:
    """The file and the side files contain phone numbers: the owner alone can open them, with any umask."""
    before = os.umask(0)
    try:

        async def main() -> None:
            run = await SqliteJournal(path).start(PURPOSE)
            await begun(run, keys(1))
            modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
            assert modes == dict.fromkeys(("run.db", "run.db-wal", "run.db-shm"), 0o600)
            await run.end()

        asyncio.run(main())
    finally:
        os.umask(before)


def test_through_a_link(path: Path) -> None:
    """A link to a file is followed: both paths are the same journal."""
    link = path.with_name("link.db")
    path.touch(0o600)
    link.symlink_to(path.name)

    async def main() -> None:
        first, second = SqliteJournal(link), SqliteJournal(path)
        batch, other = await first.start(PURPOSE), await second.start(PURPOSE)
        await begun(batch, keys(1))
        assert await states(other, keys(1)) == [State.UNDER_WAY]
        await batch.end()
        await other.end()

    asyncio.run(main())


def test_a_claim_is_written_through(path: Path) -> None:
    """Every commit waits for the disk, and readers and writers do not wait for each other."""

    async def main() -> None:
        async with SqliteJournal(path) as journal:
            await (await journal.start(PURPOSE)).end()
            pragmas = await journal._resource.use(
                lambda db: [
                    db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("synchronous", "journal_mode")
                ]
            )
            assert pragmas == [2, "wal"]

    asyncio.run(main())


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"mobile\n13800000000\n" * 100, "not a journal, or damaged"),
        (b"SQLite format 3\0" + b"\xff" * 4096, "not a journal, or damaged"),
    ],
)
def test_a_file_that_is_no_journal(path: Path, content: bytes, reason: str) -> None:
    """A file of another kind is refused and not changed."""
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


def test_another_programs_database(path: Path) -> None:
    """A database of another program is refused and not changed."""
    sql(path, "CREATE TABLE purpose (app_id)")
    content = path.read_bytes()

    async def main() -> None:
        journal = SqliteJournal(path)
        for use in (journal.start(PURPOSE), journal.record([]), all_lines(journal)):
            with pytest.raises(JournalError, match="it is not a journal"):
                await use

    asyncio.run(main())
    assert path.read_bytes() == content


def test_a_journal_of_a_later_version(path: Path) -> None:
    """A file of another version is refused, and both versions are named."""

    async def main() -> None:
        journal = SqliteJournal(path)
        await (await journal.start(PURPOSE)).end()
        sql(path, "PRAGMA user_version = 99")
        with pytest.raises(JournalError, match="version 99, and this package reads version 2"):
            await journal.start(PURPOSE)

    asyncio.run(main())


def test_an_empty_file_is_a_new_journal(path: Path) -> None:
    """An empty file, such as a new temporary file, becomes a journal at the first start; before that it is refused."""
    path.touch()

    async def main() -> None:
        journal = SqliteJournal(path)
        with pytest.raises(JournalError, match="it is not a journal"):
            await journal.summary()
        await (await journal.start(PURPOSE)).end()
        assert sum((await journal.summary()).states.values()) == 0

    asyncio.run(main())


@pytest.mark.parametrize("is_begun", [False, True])
def test_a_journal_that_was_not_made_whole(path: Path, is_begun: bool) -> None:
    """A plan and a send go on with the file of a process that was killed while it made the journal."""
    path.touch()
    if is_begun:
        sql(path, "PRAGMA journal_mode = WAL")

    async def main() -> None:
        journal = SqliteJournal(path)
        run = await journal.start(PURPOSE, dry=True)
        assert list(await run.look([Key("13800000000")])) == [None]
        await run.end()
        await (await journal.start(PURPOSE)).end()
        assert sum((await journal.summary()).states.values()) == 0

    asyncio.run(main())


@pytest.mark.parametrize("name", [".", "missing/run.db"])
def test_where_no_file_can_be(path: Path, name: str) -> None:
    """A folder, or a path in a folder that does not exist, is refused, and the error names the path."""

    async def main() -> None:
        journal = SqliteJournal(path.parent / name)
        with pytest.raises(JournalError) as caught:
            await journal.start(PURPOSE)
        assert str(path.parent / name) in str(caught.value)
        assert caught.value.reason in (
            "it is not a file",
            "No such file or directory",
            "unable to open database file",
        )

    asyncio.run(main())


def test_another_program_has_locked_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A claim waits up to the timeout for another writer; looking does not wait."""
    monkeypatch.setattr(sqlite_file, "BUSY_TIMEOUT", 0.05)

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


def test_two_make_it_at_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process waits up to the timeout while another process creates the journal."""
    path.touch()
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        with monkeypatch.context() as patch, pytest.raises(sqlite3.OperationalError, match="locked"):
            patch.setattr(sqlite_file, "BUSY_TIMEOUT", 0.05)
            sqlite_file.connect(path, create=True, is_live=lambda _: False)
        slept: list[float] = []

        def sleep(seconds: float) -> None:
            slept.append(seconds)
            other.execute("ROLLBACK")

        monkeypatch.setattr("time.sleep", sleep)
        sqlite_file.connect(path, create=True, is_live=lambda _: False).close()
        assert len(slept) == 1


def test_a_damaged_file(path: Path) -> None:
    """Damage in the middle of the file is found, and no call is claimed."""

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


def test_links_in_a_circle(path: Path) -> None:
    """A link to itself raises a JournalError."""
    path.symlink_to(path.name)

    async def main() -> None:
        with pytest.raises(JournalError):
            await SqliteJournal(path).start(PURPOSE)

    asyncio.run(main())


_READER = """
import asyncio, codecs, os, sys
from pathlib import Path
from emay_voice_async.journal.sqlite import SqliteJournal
from emay_voice_async.journal.protocol import Purpose
from emay_voice_async.model.messages import Notice
from emay_voice_async.model.codes import CallState
from emay_voice_async.model.endpoints import Product
from emay_voice_async.model.results import Report

REPORT = Report(
    Product.VOICE, app_id="app", message_id="m", custom_id="c", mobile="13800000001",
    state=CallState.SUCCESS, raw_state="SUCCESS",
)

async def main(path):
    journal = SqliteJournal(path)
    print(sum((await journal.summary()).states.values()))
    print([line.state.value async for line in journal.lines()].count("accepted"))
    dry = await journal.start(Purpose("app", Notice("您的快递已到")), dry=True)
    await dry.end()
    try:
        await journal.start(Purpose("app", Notice("您的快递已到")))
    except Exception as error:
        print(type(error).__name__, error.reason)
    async with journal:
        print(sum((await journal.summary()).states.values()))
        try:
            await journal.record([REPORT])
        except Exception as error:
            print(type(error).__name__, error.reason)

# Root could write everywhere, so the reader is another user, who imports no more modules.
codecs.lookup("ascii")
if os.geteuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
asyncio.run(main(sys.argv[1]))
"""


def read_without_rights(path: Path) -> list[str]:
    """Read a journal in a process that can write neither the file nor its folder; return the printed lines."""
    files = list(path.parent.iterdir())
    content = {file: file.read_bytes() for file in files}
    for file in files:
        file.chmod(0o444)
    path.parent.chmod(0o555)
    ran = subprocess.run(
        [sys.executable, "-c", _READER, str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=Path(__file__).parents[2],
        text=True,
        check=False,
    )
    path.parent.chmod(0o700)
    assert {file: file.read_bytes() for file in path.parent.iterdir()} == content
    return ran.stdout.splitlines()


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """Make a folder that all users can enter."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="needs POSIX modes")
@pytest.mark.parametrize("how", ["ended", "killed", "killed with its side file", "rollback journal"])
def test_a_journal_that_cannot_be_written(public_folder: Path, how: str) -> None:
    """A read-only file in a read-only folder is read whole, and not changed; a start and a record are refused."""
    origin = public_folder / "origin"
    origin.mkdir(0o700)
    path = public_folder / "media" / "run.db"
    path.parent.mkdir(0o755)

    async def main() -> None:
        run = await SqliteJournal(origin / "run.db").start(PURPOSE)
        await settled(run, keys(1, 2), State.ACCEPTED)
        batch = await begun(run, keys(3))
        if how == "killed with its side file":
            with closing(sqlite3.connect(origin / "run.db", isolation_level=None)) as db:
                # A commit that is in the side file only.
                db.execute("UPDATE calls SET state = 1 WHERE call = 3")
                shutil.copy(origin / "run.db-wal", path.parent)
                shutil.copy(origin / "run.db", path)
        elif how == "killed":
            shutil.copy(origin / "run.db", path)
        await run.close(batch, State.NOT_SENT)
        await run.end()

    asyncio.run(main())
    if not path.exists():
        if how == "rollback journal":
            sql(origin / "run.db", "PRAGMA journal_mode = DELETE")
        shutil.copy(origin / "run.db", path)
    refusal = "it cannot be opened" if how == "killed with its side file" else "it cannot be written"
    accepted = "3" if how == "killed with its side file" else "2"
    assert read_without_rights(path) == [
        "3",
        accepted,
        f"JournalError {refusal}",
        "3",
        f"JournalError {refusal}",
    ]


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX modes")
def test_a_journal_that_cannot_be_read(public_folder: Path) -> None:
    """A file without read permission is refused with the reason of the system."""
    path = public_folder / "run.db"
    path.touch()
    path.chmod(0o000)
    ran = subprocess.run(
        [sys.executable, "-c", _READER, str(path)],
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert ran.stderr.splitlines()[-1].endswith(f"the journal {path}: Permission denied")


@contextmanager
def as_another_user(folder: Path, mode: int = 0o444) -> Iterator[None]:
    """Make a folder and its files read-only, and let this process be a user who cannot write there."""
    is_root = os.geteuid() == 0
    for file in folder.iterdir():
        file.chmod(mode)
    folder.chmod(0o555)
    # A module that is imported later may be out of reach.
    codecs.lookup("ascii")
    if is_root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)
        folder.chmod(0o700)


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX modes")
@pytest.mark.parametrize("has_side_file", [False, True])
def test_reading_without_rights(
    public_folder: Path, has_side_file: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file is read with its side file, if it has one, without writing beside it."""
    path = public_folder / "media" / "run.db"
    path.parent.mkdir(0o755)
    for_copies = public_folder / "tmp"
    for_copies.mkdir()
    for_copies.chmod(0o777)
    monkeypatch.setattr("tempfile.tempdir", str(for_copies))

    async def write() -> None:
        with TemporaryDirectory() as origin:
            run = await SqliteJournal(Path(origin) / "run.db").start(PURPOSE)
            await settled(run, keys(1, 2), State.ACCEPTED)
            shutil.copy(Path(origin) / "run.db", path)
            if has_side_file:
                shutil.copy(Path(origin) / "run.db-wal", path.parent)
            await run.end()

    async def read() -> int:
        return (await SqliteJournal(path).summary()).states[State.ACCEPTED]

    asyncio.run(write())
    names = sorted(path.parent.iterdir())
    with as_another_user(path.parent):
        assert asyncio.run(read()) == 2
    assert sorted(path.parent.iterdir()) == names


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX modes")
def test_a_file_without_read_permission(public_folder: Path) -> None:
    """A file that this user cannot read is refused as the system says; other errors stay as they are."""
    path = public_folder / "media" / "run.db"
    path.parent.mkdir(0o755)
    path.touch()
    with as_another_user(path.parent, mode=0o000), pytest.raises(JournalError, match="Permission denied"):
        asyncio.run(SqliteJournal(path).summary())


def test_reading_a_locked_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that another program has locked for itself is refused after the timeout."""
    monkeypatch.setattr(sqlite_file, "BUSY_TIMEOUT", 0.05)

    async def main() -> None:
        await (await SqliteJournal(path).start(PURPOSE)).end()
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute("PRAGMA journal_mode = DELETE")
            db.execute("BEGIN EXCLUSIVE")
            with pytest.raises(JournalError, match="another program has locked it"):
                await SqliteJournal(path).summary()
        assert sum((await SqliteJournal(path).summary()).states.values()) == 0

    asyncio.run(main())
