"""Recipients to batches: a sized list is checked at once, a stream while reading."""

import asyncio
import secrets
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Collection, Iterable, Iterator, Mapping
from itertools import islice
from typing import Final, cast

from attrs import define, field, frozen

from emay_voice_async.errors import DuplicateError, EmayVoiceError, InvalidRequestError, NotSentError
from emay_voice_async.journal.protocol import Key
from emay_voice_async.journal.session import Known, Sorter, as_journal_error
from emay_voice_async.model.hidden import hides_arguments
from emay_voice_async.model.numbers import is_number
from emay_voice_async.model.recipients import (
    Recipient,
    as_recipient,
    check_all,
    check_recipient,
    check_unique_id,
    with_custom_ids,
)
from emay_voice_async.model.results import NotSent, Outcome
from emay_voice_async.sending.duplicates import SeenNumbers

__all__ = ["Batcher", "Piece", "PreparedBatch", "RecipientReader", "Recipients"]

Recipients = str | Recipient | Iterable[str | Recipient] | AsyncIterable[str | Recipient]
"""The recipients of a send: a number, a list, or a stream of any length."""

_TOKEN_BYTES: Final = 10


@define(eq=False)
class Piece:
    """A part of the input: valid entries and their positions, or (with ``error``) a single invalid entry.

    A valid number stays a str until its custom id is made (benchmark: send).
    """

    entries: list[str | Recipient] = field(factory=list)
    positions: list[int] = field(factory=list)
    error: InvalidRequestError | None = None

    @property
    def recipients(self) -> list[Recipient]:
        """The entries as recipients."""
        return list(map(as_recipient, self.entries))


class RecipientReader:
    """Reads the entries of the input in order, checked, in pieces of at most ``size``.

    Raises :class:`InvalidRequestError` at once if an entry of a sized list cannot be sent to, unless
    ``tolerant`` is set: then a list is read like a stream. ``length`` is the length of a sized list.
    ``allow_only``: every other number is invalid. ``deadline``, an instant of the event loop's clock, ends the
    wait for a stream.
    """

    @hides_arguments
    def __init__(
        self,
        to: Recipients,
        size: int,
        *,
        allow_only: Collection[str] | None = None,
        deadline: float | None = None,
        tolerant: bool = False,
    ) -> None:
        self.length: int | None = None
        self._size = size
        self._allow_only = allow_only
        self._iterator: Iterator[object] | None = None
        self._stream: AsyncIterator[object] | None = None
        if isinstance(to, str | Recipient):
            to = (to,)
        if isinstance(to, Mapping):
            rule = "must be a list, such as list(numbers): a mapping may hold numbers as keys or as values"
            raise InvalidRequestError("to", rule, None, type(to).__name__)
        if isinstance(to, Collection) and not isinstance(to, bytes | bytearray):
            # A copy: the list may change between the check and the send.
            to = tuple(to)
            self.length = len(to)
            if not tolerant:
                check_all(to, check_recipient if allow_only is None else self._check)
        if isinstance(to, AsyncIterable):
            self._stream = aiter(to)
        elif isinstance(to, Iterable) and not isinstance(to, bytes | bytearray):
            self._iterator = iter(to)
        else:
            raise InvalidRequestError(
                "to", "must be a number, a Recipient, or an iterable of both", None, type(to).__name__
            )
        self._checked = self.length is not None and not tolerant
        self._deadline = None if self._stream is None else deadline
        self._failure: Exception | None = None
        self._piece = Piece()
        self._custom_ids: dict[str, int] = {}
        self._position = 0

    @property
    def fits_one_piece(self) -> bool:
        """Whether the whole input is a checked list that fits into a single piece."""
        return self._checked and (self.length or 0) <= self._size

    async def read(self) -> Piece | None:
        """Return the next full piece, or an invalid entry by itself, or None at the end.

        An error of the input is raised after the piece with the entries before the error.
        """
        if self._failure is not None:
            raise self._failure
        try:
            return await self._gather_in_time()
        except asyncio.CancelledError as error:
            if cast("asyncio.Task[object]", asyncio.current_task()).cancelling():
                raise
            # A task that the input awaits was cancelled, not the task that reads the input.
            failure: Exception = NotSentError("the input was cancelled from within")
            failure.__cause__ = error
        except Exception as error:
            failure = error
        if not self._piece.entries:
            raise failure
        self._failure = failure
        return self._take_piece()

    async def _gather_in_time(self) -> Piece | None:
        if self._deadline is None:
            return await self._gather()
        try:
            async with asyncio.timeout_at(self._deadline) as bound:
                return await self._gather()
        except TimeoutError:
            if not bound.expired():
                raise
            raise NotSentError("the deadline passed before all recipients were read") from None

    async def _gather(self) -> Piece | None:
        item: object = None
        try:
            if self._iterator is None:
                async for item in cast("AsyncIterator[object]", self._stream):
                    if (piece := self._add(item)) is not None:
                        return piece
            elif self._checked:
                self._piece.entries = cast("list[str | Recipient]", list(islice(self._iterator, self._size)))
                first = self._position
                self._position += len(self._piece.entries)
                self._piece.positions = list(range(first, self._position))
            else:
                for item in self._iterator:
                    if (piece := self._add(item)) is not None:
                        return piece
            return self._take_piece() if self._piece.entries else None
        finally:
            del item  # error trackers show the local variables of a source that fails

    def _add(self, item: object) -> Piece | None:
        """Add an entry to the piece; return an invalid entry as its own piece, or the piece once full."""
        position = self._position
        self._position += 1
        if self._allow_only is None and is_number(item):
            self._piece.entries.append(cast("str", item))
        else:
            recipient = as_recipient(item)
            try:
                self._check(recipient, position)
                check_unique_id(recipient, position, self._custom_ids)
            except InvalidRequestError as error:
                # Without the traceback, whose frames hold the number.
                return Piece([recipient], [position], error.with_traceback(None))
            self._piece.entries.append(recipient)
        self._piece.positions.append(position)
        return self._take_piece() if len(self._piece.entries) == self._size else None

    def _check(self, recipient: Recipient, position: int) -> None:
        check_recipient(recipient, position)
        if self._allow_only is not None and recipient.mobile not in self._allow_only:
            raise InvalidRequestError("mobile", "must be one of allow_only", position=position)

    def _take_piece(self) -> Piece:
        piece, self._piece = self._piece, Piece()
        if self.length is None:
            # Custom ids of a stream are compared within a piece: the whole would take memory without bound.
            self._custom_ids = {}
        return piece


@frozen
class PreparedBatch:
    """A batch to send, with custom ids and the keys of the calls in the journal; or an outcome.

    ``known`` is the outcome of recipients that are not sent to.
    """

    index: int
    recipients: tuple[Recipient, ...] = ()
    keys: tuple[Key, ...] = ()
    known: Outcome | None = None


class Batcher:
    """Makes the batches of a send, of up to ``size`` recipients, and the outcomes of the other entries.

    ``sorter`` sets aside the calls that the journal knows, and duplicates; without a journal ``seen`` sets aside
    duplicates. At most ``max_calls`` recipients are sent to.
    """

    def __init__(
        self,
        reader: RecipientReader,
        size: int,
        sorter: Sorter | None,
        max_calls: int | None,
        seen: SeenNumbers | None = None,
    ) -> None:
        self._seen = seen
        self._reader = reader
        self._size = size
        self._sorter = sorter
        self._calls_left = max_calls
        self._index = -1
        self._known: deque[Known] = deque()
        self._entries: list[str | Recipient] = []
        self._keys: list[Key] = []
        self._failure: Exception | None = None
        self._ended = False

    async def read(self) -> PreparedBatch | None:
        """Return the next batch, or an outcome, or None at the end.

        An error of the input, or of the journal, is raised after all earlier entries.
        """
        while not self._known and not self._ended and len(self._entries) < self._size:
            await self._read_piece()
        self._index += 1
        if self._known:
            return PreparedBatch(self._index, known=self._known.popleft()(self._index))
        if self._entries:
            return self._next_batch()
        if self._failure is not None:
            raise self._failure
        return None

    async def _read_piece(self) -> None:
        try:
            piece = await self._reader.read()
        except Exception as error:
            self._failure, self._ended = error, True
            return
        if piece is None:
            self._ended = True
        elif piece.error is not None:
            self._known.append(_not_sent(piece.entries, piece.error))
        else:
            await self._sort(piece)

    async def _sort(self, piece: Piece) -> None:
        try:
            if self._sorter is None:
                await self._set_duplicates_aside(piece)
                return
            found = await self._sorter.sort(piece.recipients, piece.positions)
        except Exception as error:
            self._failure, self._ended = as_journal_error(error), True
            self._known.append(_not_sent(piece.entries, self._failure))
            return
        self._entries += found.recipients
        self._keys += found.keys
        self._known += found.known

    async def _set_duplicates_aside(self, piece: Piece) -> None:
        entries = piece.entries
        if self._seen is not None:
            mobiles = [entry if isinstance(entry, str) else entry.mobile for entry in entries]
            if places := await self._seen.duplicates(mobiles):
                error = DuplicateError(
                    "mobile",
                    "must not be a duplicate: each number is called once",
                    position=piece.positions[min(places)],
                )
                self._known.append(_not_sent([entries[place] for place in sorted(places)], error))
                entries = [entry for place, entry in enumerate(entries) if place not in places]
        self._entries += entries

    def _next_batch(self) -> PreparedBatch:
        if self._calls_left == 0:
            error = NotSentError("max_calls numbers have been sent to")
            return PreparedBatch(self._index, known=_not_sent(self._take(self._size)[0], error)(self._index))
        size = self._size if self._calls_left is None else min(self._size, self._calls_left)
        entries, keys = self._take(size)
        if self._calls_left is not None:
            self._calls_left -= len(entries)
        recipients = with_custom_ids(entries, secrets.token_hex(_TOKEN_BYTES))
        return PreparedBatch(self._index, recipients, tuple(keys))

    def _take(self, size: int) -> tuple[list[str | Recipient], list[Key]]:
        taken = self._entries[:size], self._keys[:size]
        del self._entries[:size], self._keys[:size]
        return taken


def _not_sent(entries: Iterable[str | Recipient], error: EmayVoiceError) -> Known:
    recipients = tuple(map(as_recipient, entries))
    return lambda index: NotSent(index, recipients, error)
