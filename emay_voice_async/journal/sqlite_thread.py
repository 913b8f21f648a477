"""The connection to the file of a journal, in a separate thread."""

import asyncio
import os
import sqlite3
from collections import deque
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, TypeVar

from emay_voice_async.errors import JournalError
from emay_voice_async.journal.files import identity
from emay_voice_async.journal.lifetime import ReferenceCounted
from emay_voice_async.journal.sqlite_changes import Change, make_durable
from emay_voice_async.journal.sqlite_file import connect, connect_to_read
from emay_voice_async.journal.sqlite_runs import IsLive

__all__ = ["SharedConnection"]

_Result = TypeVar("_Result")

AT_ONCE: Final = 100
"""Changes in one transaction: more would keep other processes waiting for long."""

_REASONS: Final = (
    ("database is locked", "another program has locked it"),
    ("disk is full", "the disk is full"),
    ("not a database", "it is not a journal, or damaged"),
    ("malformed", "it is damaged, or was cut off in the middle of a write: copy its side file along"),
    ("readonly", "it cannot be written"),
    ("unable to open", "it cannot be opened"),
)
"""Parts of SQLite's messages, and the reasons that users see."""


class SharedConnection(ReferenceCounted):
    """A connection shared by all runs of a journal object; opened at the first use, closed after the last use."""

    def __init__(self, path: Path, is_live: IsLive) -> None:
        super().__init__()
        self.path = path
        self._is_live = is_live
        self._thread: _ConnectionThread | None = None

    async def aclose(self) -> None:
        """Close the file after all work that was begun; the next use opens the file again."""
        thread = self._thread
        if thread is not None and not thread.is_inherited:
            self._thread = None
            await thread.close()

    async def use(self, work: Callable[[sqlite3.Connection], _Result]) -> _Result:
        """Call ``work``, which reads, with the connection, in the thread.

        Raises :class:`JournalError`, with the path, if the journal cannot be used. A cancelled caller does not stop the
        work.
        """
        return await self._do(lambda thread: thread.read(work))

    async def change(self, change: Change[_Result]) -> _Result:
        """Make a change, together with others that wait; return when it is on the disk. Errors: see :meth:`use`."""
        return await self._do(lambda thread: thread.write(change))

    async def _do(self, work: Callable[["_ConnectionThread"], Awaitable[_Result]]) -> _Result:
        async with self:
            if self._thread is None:
                self._thread = _ConnectionThread(self.path, self._is_live)
            try:
                return await work(self._thread)
            except JournalError as error:
                raise JournalError(error.reason, str(self.path)) from None
            except (sqlite3.Error, OSError, LookupError, UnicodeDecodeError) as error:
                raise JournalError(_reason(error), str(self.path)) from error


class _ConnectionThread:
    """A connection, opened at the first use, and the thread that uses the connection."""

    def __init__(self, path: Path, is_live: IsLive) -> None:
        self._path = path
        self._is_live = is_live
        self._thread = ThreadPoolExecutor(1, "emay_voice_async.journal.sqlite")
        self._waiting: deque[Change[Any]] = deque()
        self._connection: sqlite3.Connection | None = None
        self._can_write = False
        self._file: tuple[int, int] | None = None
        self._pid = os.getpid()

    @property
    def is_inherited(self) -> bool:
        """Whether this process is a fork of the process that made the thread: thread and locks are not inherited."""
        return self._pid != os.getpid()

    async def read(self, work: Callable[[sqlite3.Connection], _Result]) -> _Result:
        return await self._do(lambda: work(self._connected(write=False)))

    async def write(self, change: Change[_Result]) -> _Result:
        self._waiting.append(change)
        return await self._do(lambda: self._written(change))

    async def _do(self, work: Callable[[], _Result]) -> _Result:
        if self.is_inherited:
            raise JournalError("it was open when this process was forked; use another object")
        future = asyncio.get_running_loop().run_in_executor(self._thread, work)
        # Without the shield, cancelling would remove work that still waits in the thread's queue.
        return await asyncio.shield(future)

    def _written(self, change: Change[_Result]) -> _Result:
        while not change.future.done():
            self._write_waiting()
        return change.future.result()

    def _write_waiting(self) -> None:
        """Make the changes that wait, in the order in which they came."""
        changes = [self._waiting.popleft() for _ in range(min(len(self._waiting), AT_ONCE))]
        try:
            create = any(change.create for change in changes)
            make_durable(self._connected(write=True, create=create), changes)
        except BaseException as error:
            for change in changes:
                change.future.set_exception(error)

    async def close(self) -> None:
        """Close the connection after all work that was begun, even if the caller is cancelled meanwhile."""
        closing = asyncio.get_running_loop().run_in_executor(self._thread, self._close)
        self._thread.shutdown(wait=False)
        await asyncio.shield(closing)

    def _connected(self, *, write: bool, create: bool = False) -> sqlite3.Connection:
        if self._connection is not None and identity(self._path) != self._file:
            raise sqlite3.OperationalError("it was moved, deleted or replaced while it was in use")
        if write and not self._can_write:
            self._close()
            self._connection, self._can_write = (
                connect(self._path, create=create, is_live=self._is_live),
                True,
            )
        elif self._connection is None:
            # Reading checks neither owners nor modes, and changes no version: writing connects again.
            self._connection = connect_to_read(self._path, is_live=self._is_live)
        self._file = identity(self._path)
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
