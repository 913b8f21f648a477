"""A journal in one SQLite file, off the event loop, by the standard library alone."""

import asyncio
import os
import secrets
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeVar
from weakref import WeakValueDictionary

from attrs import define

import emay_voice_async.journal.sqlite_statements as file
from emay_voice_async.errors import JournalError
from emay_voice_async.journal.protocol import (
    Claim,
    Journal,
    JournalRun,
    Key,
    Line,
    Purpose,
    Standing,
    State,
    Summary,
)
from emay_voice_async.model.results import Report

__all__ = ["Journal", "JournalRun", "SqliteJournal"]

_Result = TypeVar("_Result")

_REASONS: Final = (
    ("database is locked", "another program has locked it"),
    ("disk is full", "the disk is full"),
    ("not a database", "it is not a journal, or damaged"),
    ("malformed", "it is damaged"),
)
"""What SQLite says, and what that means here."""


class SqliteJournal:
    """A journal in the file ``path``, made by the first run; see :class:`~emay_voice_async.journal.protocol.Journal`.

    ::

        async for outcome in voice.send_batches(message, numbers, journal=SqliteJournal("run.db")):
            ...

    Several sends, and several processes of one host, may use it at once. It holds whole phone numbers, so the
    file is made for its owner's eyes only. Not for network drives: SQLite's locks do not hold there.

    The constructor does no I/O, and what a send opens, it closes. ``async with`` keeps the file open between
    other uses, such as many calls of :meth:`record`.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        # Wherever the program goes meanwhile, it is the same file.
        self.path = Path(path).absolute()
        self._users = 0
        self._desk: _Desk | None = None

    def __repr__(self) -> str:
        return f"SqliteJournal({str(self.path)!r})"

    async def __aenter__(self) -> Self:
        self._users += 1
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._leave()

    async def aclose(self) -> None:
        """Close the file, behind what is being done with it; whoever uses it again opens it again."""
        desk = self._desk
        if desk is not None and not desk.is_inherited:
            self._desk = None
            await desk.close()

    async def start(self, purpose: Purpose, *, dry: bool = False) -> JournalRun:
        """Begin a run; make the file if it is not there, unless the run is ``dry`` and writes nothing.

        Raises :class:`JournalError` if it was made for another account or message, or with another
        ``allow_duplicates``, or cannot be read and written.
        """
        token = secrets.token_hex(16)
        self._users += 1
        try:
            number = await self._begin(purpose, token, dry=dry)
        except BaseException:
            await self._leave()
            raise
        run = _LIVE[token] = _SqliteRun(self, token, number)
        return run

    async def _begin(self, purpose: Purpose, token: str, *, dry: bool) -> int | None:
        if not dry:
            return await self._do(lambda db: file.begin_run(db, purpose, token), create=True)
        if self.path.exists():
            await self._do(lambda db: file.check_purpose(db, purpose), create=False)
        return None

    async def record(self, reports: Iterable[Report]) -> int:
        """Join in status reports, and return how many belong to calls of this journal."""
        reports = list(reports)
        return await self._use(lambda db: file.record(db, reports))

    async def summary(self) -> Summary:
        """Count the calls by state."""
        return await self._use(lambda db: file.summary(db, _is_live))

    async def lines(self) -> AsyncIterator[Line]:
        """Iterate over every call in the order in which they were first claimed, in flat memory."""
        async with self:
            last = 0
            while page := await self._next(last):
                for last, line in page:  # noqa: B007 - the next page begins behind it
                    yield line

    async def _next(self, last: int) -> list[tuple[int, Line]]:
        return await self._use(lambda db: file.page(db, last, _is_live))

    async def _use(self, work: Callable[[sqlite3.Connection], _Result]) -> _Result:
        """Do something with a journal that is there already."""
        async with self:
            return await self._do(work, create=False)

    async def _do(self, work: Callable[[sqlite3.Connection], _Result], *, create: bool) -> _Result:
        """Do something with the connection; should the caller be cancelled, it is done to its end all the same."""
        if self._desk is None:
            self._desk = _Desk(self.path)
        if self._desk.is_inherited:
            raise JournalError("it was open when this process was forked; use another object", str(self.path))
        try:
            return await self._desk.do(work, create=create)
        except (sqlite3.Error, OSError, LookupError, UnicodeDecodeError) as error:
            raise JournalError(_reason(error), str(self.path)) from error

    async def _leave(self) -> None:
        """Close the file when the last one who uses it has left."""
        self._users -= 1
        if not self._users:
            await self.aclose()


class _Desk:
    """A connection, and the thread that it lives in."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._thread = ThreadPoolExecutor(1, "emay_voice_async.journal.sqlite")
        self._connection: sqlite3.Connection | None = None
        self._file: object = None
        self._pid = os.getpid()

    @property
    def is_inherited(self) -> bool:
        """Whether this process is a fork of its: the thread stayed behind, and SQLite's locks did."""
        return self._pid != os.getpid()

    async def do(self, work: Callable[[sqlite3.Connection], _Result], *, create: bool) -> _Result:
        loop = asyncio.get_running_loop()
        doing = loop.run_in_executor(self._thread, lambda: work(self._connected(create=create)))
        # Else what still waits for the thread would be taken out of its queue.
        return await asyncio.shield(doing)

    async def close(self) -> None:
        """Close behind whatever is still being done, even if the caller is cancelled meanwhile."""
        closing = asyncio.get_running_loop().run_in_executor(self._thread, self._close)
        self._thread.shutdown(wait=False)
        await asyncio.shield(closing)

    def _connected(self, *, create: bool) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = file.connect(self._path, create=create)
            self._file = file.identity(self._path)
        elif file.identity(self._path) != self._file:
            raise sqlite3.OperationalError("it was moved, deleted or replaced while it was in use")
        return self._connection

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


@define(eq=False)
class _SqliteRun:
    """A run that is alive for as long as this object is there and was not ended."""

    _journal: SqliteJournal
    _token: str
    _number: int | None
    """None: it is dry."""

    async def look(self, keys: Sequence[Key]) -> Sequence[Standing | None]:
        """Return what is known of each call; None: it was never claimed."""
        if self._number is None and not self._journal.path.exists():
            return [None] * len(keys)
        return await self._journal._use(lambda db: file.look(db, keys, _is_live))  # noqa: SLF001 - two halves

    async def begin(self, claim: Claim) -> bool:
        """Claim a batch durably, all of it or (False) nothing."""
        number = self._number
        if number is None:
            raise JournalError("a dry run claims nothing", str(self._journal.path))
        return await self._journal._use(lambda db: file.begin(db, number, claim, _is_live))  # noqa: SLF001

    async def close(
        self, claim: Claim, state: State, *, reason: str = "", message_ids: Sequence[str] | None = None
    ) -> None:
        """Write durably what became of a claim."""
        await self._journal._use(lambda db: file.close(db, claim, state, reason, message_ids))  # noqa: SLF001

    async def end(self) -> None:
        """Let go of the journal; what this run has not closed is unknown from now on."""
        if _LIVE.pop(self._token, None) is not None:
            await self._journal._leave()  # noqa: SLF001


_LIVE: Final[WeakValueDictionary[str, _SqliteRun]] = WeakValueDictionary()
"""The runs of this process by token; weak, so that one whose event loop was broken off is not alive for ever."""


def _is_live(token: str) -> bool:
    return token in _LIVE


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    if isinstance(error, LookupError | UnicodeDecodeError):
        # It holds a state, or a text, that no journal writes.
        return "it is damaged"
    text = str(error)
    return next((reason for part, reason in _REASONS if part in text), text)
