"""A file of status reports: JSON lines, appended, on disk before a write returns."""

import asyncio
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from attrs import frozen

from emay_voice_async.cli.terminal.exit_codes import CommandError, ExitCode
from emay_voice_async.cli.terminal.output import json_lines

__all__ = ["ReportFile", "file_beside", "spool_beside"]


def file_beside(journal: Path) -> Path:
    """Return the path of the reports that are collected for a journal."""
    return journal.with_name(f"{journal.name}.reports.jsonl")


def spool_beside(journal: Path) -> Path:
    """Return the path of the spool that is used for a journal."""
    return journal.with_name(f"{journal.name}.spool")


@frozen
class ReportFile:
    """Keeps what a journal does not: recordings, and reports of calls that the journal does not know.

    Only the owner can read the file. A process that is killed can leave a report twice, and a part of a line; the next
    row begins on a line of its own.
    """

    path: Path

    async def write(self, rows: Iterable[Mapping[str, object]]) -> None:
        """Append rows in a thread; raise :class:`CommandError` if the file cannot be written."""
        await asyncio.to_thread(self._append, json_lines(rows))

    def _append(self, data: bytes) -> None:
        try:
            with open(self.path, "a+b", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
                if size := file.seek(0, os.SEEK_END):
                    file.seek(size - 1)
                    file.write(b"" if file.read() == b"\n" else b"\n")
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise CommandError(f"{self.path}: {error.strerror or error}", ExitCode.OUTPUT) from None
