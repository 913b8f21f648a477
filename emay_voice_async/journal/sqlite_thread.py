"""The connection to the file of a journal, in a separate thread."""

import asyncio
import os
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

from emay_voice_async.errors import JournalError
from emay_voice_async.journal.lifetime import ReferenceCounted
from emay_voice_async.journal.sqlite_file import connect, identity

__all__ = ["SharedConnection"]

_Result = TypeVar("_Result")

_REASONS: Final = (
    ("database is locked", "another program has locked it"),
    ("disk is full", "the disk is full"),
    ("not a database", "it is not a journal, or damaged"),
    ("malformed", "it is damaged"),
)
"""Parts of SQLite's messages, and the reasons that users see."""


class SharedConnection(ReferenceCounted):
    """A connection shared by all runs of a journal object; opened at the first use, closed after the last use."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self._thread: _ConnectionThread | None = None

    async def aclose(self) -> None:
        """Close the file after all work that was begun; the next use opens the file again."""
        thread = self._thread
        if thread is not None and not thread.is_inherited:
            self._thread = None
            await thread.close()

    async def use(self, work: Callable[[sqlite3.Connection], _Result], *, create: bool = False) -> _Result:
        """Call ``work`` with the connection, in the thread; a cancelled caller does not stop the work.

        Raises :class:`JournalError`, with the path, if the journal cannot be used. Without ``create`` the file must
        exist.
        """
        async with self:
            if self._thread is None:
                self._thread = _ConnectionThread(self.path)
            try:
                return await self._thread.do(work, create=create)
            except JournalError as error:
                raise JournalError(error.reason, str(self.path)) from None
            except (sqlite3.Error, OSError, LookupError, UnicodeDecodeError) as error:
                raise JournalError(_reason(error), str(self.path)) from error


class _ConnectionThread:
    """A connection, opened at the first use, and the thread that uses the connection."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._thread = ThreadPoolExecutor(1, "emay_voice_async.journal.sqlite")
        self._connection: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None
        self._pid = os.getpid()

    @property
    def is_inherited(self) -> bool:
        """Whether this process is a fork of the process that made the thread: thread and locks are not inherited."""
        return self._pid != os.getpid()

    async def do(self, work: Callable[[sqlite3.Connection], _Result], *, create: bool) -> _Result:
        if self.is_inherited:
            raise JournalError("it was open when this process was forked; use another object")
        loop = asyncio.get_running_loop()
        future = loop.run_in_executor(self._thread, lambda: work(self._connected(create=create)))
        # Without the shield, cancelling would remove work that still waits in the thread's queue.
        return await asyncio.shield(future)

    async def close(self) -> None:
        """Close the connection after all work that was begun, even if the caller is cancelled meanwhile."""
        closing = asyncio.get_running_loop().run_in_executor(self._thread, self._close)
        self._thread.shutdown(wait=False)
        await asyncio.shield(closing)

    def _connected(self, *, create: bool) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = connect(self._path, create=create)
            self._file = identity(self._path)
        elif identity(self._path) != self._file:
            raise sqlite3.OperationalError("it was moved, deleted or replaced while it was in use")
        return self._connection

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    if isinstance(error, LookupError | UnicodeDecodeError):
        # The file contains a state or a text that no journal writes.
        return "it is damaged"
    text = str(error)
    return next((reason for part, reason in _REASONS if part in text), text)
