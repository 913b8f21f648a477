"""A journal in an SQLite file, off the event loop, with the standard library alone."""

import os
import secrets
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final
from weakref import WeakValueDictionary

from attrs import define, field

import emay_voice_async.journal.sqlite_reading as reading
import emay_voice_async.journal.sqlite_statements as statements
from emay_voice_async.errors import JournalError
from emay_voice_async.journal.lifetime import ResourceUser
from emay_voice_async.journal.pages import pages_of
from emay_voice_async.journal.protocol import Claim, JournalRun, Key, Line, Standing, State, Summary
from emay_voice_async.journal.purpose import Purpose
from emay_voice_async.journal.sqlite_changes import Change
from emay_voice_async.journal.sqlite_file import EmptyFileError, file_id
from emay_voice_async.journal.sqlite_recording import record
from emay_voice_async.journal.sqlite_thread import SharedConnection
from emay_voice_async.model.results import Report

__all__ = ["SqliteJournal"]


class SqliteJournal(ResourceUser[SharedConnection]):
    """A journal in the file ``path``, created by the first run; see :class:`~emay_voice_async.journal.Journal`.

    ::

        async for outcome in voice.send_batches(message, numbers, journal=SqliteJournal("run.db")):
            ...

    Several sends, and several processes of one host, may use the file at once. The file contains whole phone numbers,
    so the owner alone can read the file. Not for network drives: SQLite's locks do not work on these.

    The constructor does no I/O. A send closes the file at the end. ``async with`` keeps the file open between
    other uses, such as many calls of :meth:`record`.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        # Absolute, so that a change of the working directory does not change the file.
        self.path: Path = Path(path).absolute()
        super().__init__(SharedConnection(self.path, _is_live))

    def __repr__(self) -> str:
        return f"SqliteJournal({str(self.path)!r})"

    async def start(self, purpose: Purpose, *, dry: bool = False) -> JournalRun:
        """Begin a run; create a missing file, unless the run is ``dry``.

        Raises :class:`JournalError` if the journal was made for another account or message, or with another
        ``allow_duplicates``, or if the file cannot be read and written.
        """
        token = secrets.token_hex(16)
        self._resource.acquire()
        try:
            number = await self._begin(purpose, token, dry=dry)
        except BaseException:
            await self._resource.release()
            raise
        run = _LIVE[token] = _SqliteRun(self._resource, token, number)
        return run

    async def _begin(self, purpose: Purpose, token: str, *, dry: bool) -> int | None:
        if not dry:
            return await self._resource.change(
                Change(
                    lambda db: statements.begin_run(db, purpose, token, file_id(self.path), _is_live),
                    create=True,
                )
            )
        if self.path.exists():
            with _suppress_empty():
                await self._resource.use(lambda db: reading.check_purpose(db, purpose))
        return None

    async def record(self, reports: Iterable[Report]) -> int:
        """Add status reports to their calls; return how many belong to calls of this journal."""
        async with self:
            count = await self._record([])
            for page in pages_of(reports):
                count += await self._record(page)
            return count

    async def _record(self, page: list[Report]) -> int:
        return await self._resource.change(Change(lambda db: record(db, page)))

    async def summary(self) -> Summary:
        """Count the calls by state."""
        return await self._resource.use(lambda db: reading.summary(db, _is_live))

    async def lines(self) -> AsyncIterator[Line]:
        """Iterate over all calls in the order of their first claims, in flat memory."""
        async with self:
            last = 0
            while page := await self._next(last):
                for last, line in page:  # noqa: B007 - the next page begins after it
                    yield line

    async def _next(self, last: int) -> list[tuple[int, Line]]:
        return await self._resource.use(lambda db: reading.page(db, last, _is_live))


@contextmanager
def _suppress_empty() -> Iterator[None]:
    """Suppress the error of a file that holds nothing yet: a run makes a journal of the file."""
    try:
        yield
    except JournalError as error:
        if not isinstance(error.__cause__, EmptyFileError):
            raise


@define(eq=False)
class _SqliteRun:
    """A run, alive while this object exists and was not ended."""

    _connection: SharedConnection
    _token: str
    _number: int | None
    """None: a dry run."""
    _open: set[str] = field(factory=set)
    """The tokens of the claims that are not closed."""

    async def look(self, keys: Sequence[Key]) -> Sequence[Standing | None]:
        """Return the standing of each call; None: the call was never claimed."""
        if self._number is not None or self._connection.path.exists():
            with _suppress_empty():
                return await self._connection.use(lambda db: reading.look_at_once(db, keys, _is_live))
        return [None] * len(keys)

    async def begin(self, claim: Claim) -> bool:
        """Claim a batch durably: whole (True) or not at all (False)."""
        number = self._number
        if number is None:
            raise JournalError("a dry run claims nothing", str(self._connection.path))
        self._open.add(claim.token)
        found = await self._connection.change(
            Change(lambda db: statements.begin(db, number, claim, _is_live), undo=statements.withdraw)
        )
        if found is None:
            self._open.discard(claim.token)
        return found is not None

    async def close(
        self, claim: Claim, state: State, *, reason: str = "", message_ids: Sequence[str] | None = None
    ) -> None:
        """Write the outcome of a claim durably."""
        await self._connection.change(
            Change(lambda db: statements.close(db, claim, state, reason, message_ids))
        )
        self._open.discard(claim.token)
        if not _is_live(self._token):
            await self._mark_ended()

    async def end(self) -> None:
        """Release the journal; claims of this run that are still open are unknown from now on."""
        if _LIVE.pop(self._token, None) is not None:
            try:
                await self._mark_ended()
            finally:
                await self._connection.release()

    async def _mark_ended(self) -> None:
        """Mark the run as ended, if all claims are closed."""
        number = self._number
        if number is not None and not self._open:
            # Without the mark, the next connection checks the whole file.
            with suppress(JournalError):
                await self._connection.change(Change(lambda db: statements.end_run(db, number)))


_LIVE: Final[WeakValueDictionary[str, _SqliteRun]] = WeakValueDictionary()
"""The runs of this process by token; weak, so that a run whose event loop was stopped does not count as alive."""


def _is_live(token: str) -> bool:
    """Tell whether a run of this process is alive."""
    return token in _LIVE
