"""A file of status reports: JSON lines, appended, on disk before a write returns."""

import asyncio
import os
import threading
from collections import deque
from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import IO, Final

from attrs import define, field

from emay_voice_async.cli.terminal.exit_codes import CommandError, ExitCode
from emay_voice_async.cli.terminal.output import json_lines
from emay_voice_async.wire.compression import MAX_SIZE

__all__ = ["ReportFile", "file_beside", "spool_beside"]

_TAIL: Final = 2 * MAX_SIZE
"""Bytes at the end of a file, which hold the reports of one response with their recordings."""
_ROWS: Final = 10_000
"""Rows at the end of a file, more than the reports of one response of each product."""


def file_beside(journal: Path) -> Path:
    """Return the path of the reports that are collected for a journal."""
    return journal.with_name(f"{journal.name}.reports.jsonl")


def spool_beside(journal: Path) -> Path:
    """Return the path of the spool that is used for a journal."""
    return journal.with_name(f"{journal.name}.spool")


@define
class ReportFile:
    """Keeps what a journal does not: recordings, and reports of calls that the journal does not know.

    Only the owner can read the file. A process that is killed can leave a part of a line; the next row begins on a line
    of its own. The spool hands out the reports of that process again: a row that the end of the file had before the
    first write is not written again.
    """

    path: Path
    _earlier: set[bytes] | None = field(default=None, init=False)
    _writing: threading.Lock = field(factory=threading.Lock, init=False)
    """Held by a thread that writes: the reports of both products come at the same time."""

    async def write(self, rows: Iterable[Mapping[str, object]]) -> None:
        """Append rows in a thread; raise :class:`CommandError` if the file cannot be written."""
        await asyncio.to_thread(self._append, json_lines(rows))

    def _append(self, data: bytes) -> None:
        try:
            with self._writing, open(self.path, "a+b", opener=_open) as file:
                size = file.seek(0, os.SEEK_END)
                if self._earlier is None:
                    self._earlier = _last_lines(file, size)
                if size:
                    file.seek(size - 1)
                    file.write(b"" if file.read() == b"\n" else b"\n")
                new = (line for line in data.splitlines(keepends=True) if _digest(line) not in self._earlier)
                file.writelines(new)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise CommandError(f"{self.path}: {error.strerror or error}", ExitCode.OUTPUT) from None


def _open(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _last_lines(file: IO[bytes], size: int) -> set[bytes]:
    """Return the digests of the last lines: recordings can be long."""
    file.seek(max(0, size - _TAIL))
    return set(map(_digest, deque(file, _ROWS)))


def _digest(line: bytes) -> bytes:
    return sha256(line.rstrip(b"\n")).digest()
