"""The journal of the examples, with a place for the conformance suite."""

import importlib.util
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any

from attrs import frozen

from emay_voice_async.journal import Journal, JournalRun

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


def load(name: str) -> ModuleType:
    """Import an example by file name."""
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


LogJournal: Any = load("log_journal").LogJournal


@frozen
class LogPlace:
    """The file of a log."""

    path: Path

    def open(self) -> Journal:
        """Return another journal object on the file."""
        journal: Journal = LogJournal(self.path)
        return journal

    async def abandon(self, run: JournalRun) -> None:
        """Make the open claims unknown, as the end of their time would."""
        await run.end()


@asynccontextmanager
async def new_log() -> AsyncIterator[LogPlace]:
    """Provide a log that does not exist yet."""
    with TemporaryDirectory() as folder:
        yield LogPlace(Path(folder) / "calls.log")
