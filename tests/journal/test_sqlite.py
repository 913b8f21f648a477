"""The journal in an SQLite file: the conformance suite, purposes, and dry runs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from attrs import evolve, field, frozen

from emay_voice_async.errors import JournalError
from emay_voice_async.journal.protocol import Journal, JournalRun, State
from emay_voice_async.journal.purpose import Purpose
from emay_voice_async.journal.sqlite import SqliteJournal, _SqliteRun
from emay_voice_async.model.messages import VerificationCode
from emay_voice_async.testing import JournalPlace, JournalSuite
from emay_voice_async.testing.journal.values import PURPOSE, begun, claim, keys, settled, states


@frozen
class _File:
    """The file of a journal."""

    path: Path
    opened: list[SqliteJournal] = field(factory=list)

    def open(self) -> Journal:
        """Return another journal object on the file."""
        self.opened.append(SqliteJournal(self.path))
        return self.opened[-1]

    async def abandon(self, run: JournalRun) -> None:
        """Remove the run from the live runs, as the end of its process would."""
        assert isinstance(run, _SqliteRun)
        await run.end()


@asynccontextmanager
async def new_file() -> AsyncIterator[JournalPlace]:
    """Provide a journal file that does not exist yet."""
    with TemporaryDirectory() as folder:
        place = _File(Path(folder) / "run.db")
        try:
            yield place
        finally:
            # Some runs are killed, and some go on until the end of the test.
            for journal in place.opened:
                await journal.aclose()


class TestConformance(JournalSuite):
    """The conformance suite on a file."""

    def place(self) -> AbstractAsyncContextManager[JournalPlace]:
        """Provide a file that does not exist yet."""
        return new_file()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Name a journal that does not exist yet."""
    return tmp_path / "run.db"


def test_a_relative_path(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A change of the working directory does not change the file of a journal."""
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


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"app_id": "other"}, r"another account \(app\)"),
        ({"message": VerificationCode("471100")}, r"another message \(a Notice\)"),
        ({"allow_duplicates": True}, "allow_duplicates=False"),
    ],
)
def test_what_it_was_made_for(path: Path, change: dict[str, Any], reason: str) -> None:
    """A journal of another purpose is refused with the stored purpose, in a dry run as well."""

    async def main() -> None:
        journal = SqliteJournal(path)
        await (await journal.start(PURPOSE)).end()
        for dry in (False, True):
            with pytest.raises(JournalError, match=reason) as caught:
                await journal.start(evolve(PURPOSE, **change), dry=dry)
            assert "471100" not in str(caught.value)

    asyncio.run(main())


def test_no_code_and_no_text_is_in_it(path: Path) -> None:
    """The content of the message, perhaps a code, is not in the file."""

    async def main() -> None:
        run = await SqliteJournal(path).start(Purpose("app", VerificationCode("471100")))
        await begun(run, keys(1))
        assert not any(b"471100" in file.read_bytes() for file in path.parent.iterdir())
        await run.end()

    asyncio.run(main())


def test_a_dry_run_without_a_file(path: Path) -> None:
    """A dry run creates no file: all calls are new; a file that is created meanwhile is read."""

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


def test_a_dry_run_with_a_file(path: Path) -> None:
    """A dry run claims no call, and adds no run."""

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
    """The repr has the whole path; making the object does no I/O."""
    assert repr(SqliteJournal(path)) == f"SqliteJournal({str(path)!r})"
    assert SqliteJournal(str(path)).path == path
    assert not path.exists()
