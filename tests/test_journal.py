"""The journal in a SQLite file: what every journal promises, and what is particular to a file."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from attrs import frozen
from journal_conformance import JournalConformance, Place

from emay_voice_async.claims import Journal, JournalRun
from emay_voice_async.journal import SqliteJournal, _SqliteRun


@frozen
class _File:
    """A file that journals are in."""

    path: Path

    def open(self) -> Journal:
        """Make one more journal object on the file."""
        return SqliteJournal(self.path)

    async def abandon(self, run: JournalRun) -> None:
        """Take the run out of those that are alive, as the end of its process would."""
        assert isinstance(run, _SqliteRun)
        await run.end()


@asynccontextmanager
async def _place() -> AsyncIterator[Place]:
    with TemporaryDirectory() as folder:
        yield _File(Path(folder) / "run.db")


class TestConformance(JournalConformance):
    """Every promise of a journal."""

    def place(self) -> AbstractAsyncContextManager[Place]:
        """Provide a file that does not exist yet."""
        return _place()
