"""Recipients to batches: a sized list is checked at once, a stream as it is read."""

import asyncio
import secrets
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Collection, Iterable, Iterator
from itertools import islice
from typing import Final, cast

from attrs import define, field, frozen

from emay_voice_async.errors import EmayVoiceError, InvalidRequestError, NotSentError
from emay_voice_async.journal.protocol import Key
from emay_voice_async.journal.session import Known, Sorter, as_journal_error
from emay_voice_async.model.numbers import is_number
from emay_voice_async.model.recipients import (
    Recipient,
    check_all,
    check_fresh,
    check_recipient,
    identified,
    recipient,
)
from emay_voice_async.model.results import NotSent, Outcome

__all__ = ["Cut", "Reader", "Recipients", "Source"]

Recipients = str | Recipient | Iterable[str | Recipient] | AsyncIterable[str | Recipient]
"""Whom a send goes to: one, a list, or a stream of any length."""

_TOKEN_BYTES: Final = 10


@define(eq=False)
class Piece:
    """A part of the input: good entries and their positions, or (``error``) a single bad one.

    A good number without a custom id is itself: making each one twice takes an eighth of a send.
    """

    entries: list[str | Recipient] = field(factory=list)
    positions: list[int] = field(factory=list)
    error: InvalidRequestError | None = None

    @property
    def recipients(self) -> list[Recipient]:
        """The entries as recipients."""
        return list(map(recipient, self.entries))


class Reader:
    """The entries of the input in their order, checked, in pieces of ``size`` at most.

    Raises :class:`InvalidRequestError` at once if an entry of a sized list cannot be sent to, unless it is
    ``tolerant``: then a list is read like a stream. ``length`` is that of a sized list. ``allow_only``: nobody
    else can be sent to. ``deadline``, an instant of the event loop's clock, ends a stream that keeps silent.
    """

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
        if isinstance(to, Collection) and not isinstance(to, bytes | bytearray):
            # A copy, so that what was checked is what is sent, whatever happens to the list.
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
                "to", "must be a number, a Recipient, or an iterable of those", None, type(to).__name__
            )
        self._checked = self.length is not None and not tolerant
        self._deadline = None if self._stream is None else deadline
        self._failure: Exception | None = None
        self._piece = Piece()
        self._seen: dict[str, int] = {}
        self._position = 0

    @property
    def fits_one_piece(self) -> bool:
        """Whether all of it is there, checked, and no more than a single piece."""
        return self._checked and (self.length or 0) <= self._size

    async def read(self) -> Piece | None:
        """Return the next full piece, or a bad entry by itself, or None at the end.

        An error of the input itself is raised after a piece of what was read before it.
        """
        if self._failure is not None:
            raise self._failure
        try:
            return await self._gather_in_time()
        except asyncio.CancelledError as error:
            if cast("asyncio.Task[object]", asyncio.current_task()).cancelling():
                raise
            # The input's own: something that it waits for was cancelled, and not whoever reads it.
            failure: Exception = NotSentError("the input was cancelled from within")
            failure.__cause__ = error
        except Exception as error:
            failure = error
        if not self._piece.entries:
            raise failure
        self._failure = failure
        return self._full()

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
        if self._iterator is None:
            async for item in cast("AsyncIterator[object]", self._stream):
                if (piece := self._take(item)) is not None:
                    return piece
        elif self._checked:
            self._piece.entries = cast("list[str | Recipient]", list(islice(self._iterator, self._size)))
            first = self._position
            self._position += len(self._piece.entries)
            self._piece.positions = list(range(first, self._position))
        else:
            for item in self._iterator:
                if (piece := self._take(item)) is not None:
                    return piece
        return self._full() if self._piece.entries else None

    def _take(self, item: object) -> Piece | None:
        """Take in an entry; return it if it is bad, or the piece that it makes full."""
        position = self._position
        self._position += 1
        if self._allow_only is None and is_number(item):
            self._piece.entries.append(cast("str", item))
        else:
            one = recipient(item)
            try:
                self._check(one, position)
                check_fresh(one, position, self._seen)
            except InvalidRequestError as error:
                return Piece([one], [position], error)
            self._piece.entries.append(one)
        self._piece.positions.append(position)
        return self._full() if len(self._piece.entries) == self._size else None

    def _check(self, one: Recipient, position: int) -> None:
        check_recipient(one, position)
        if self._allow_only is not None and one.mobile not in self._allow_only:
            raise InvalidRequestError("mobile", "must be one of allow_only", position=position)

    def _full(self) -> Piece:
        piece, self._piece = self._piece, Piece()
        if self.length is None:
            # Ids of a stream are compared within a piece: more would take memory without bound.
            self._seen = {}
        return piece


@frozen
class Cut:
    """A batch: whom to send to, all with custom ids, and what the journal knows them by; or an outcome.

    ``known`` is the outcome of recipients that are not to be sent to.
    """

    index: int
    recipients: tuple[Recipient, ...] = ()
    keys: tuple[Key, ...] = ()
    known: Outcome | None = None


class Source:
    """The batches of a send, of up to ``size`` recipients, and the outcomes of those that are not sent to.

    ``sorter``: leaves out what the journal knows better. At most ``max_calls`` recipients are let through.
    """

    def __init__(self, reader: Reader, size: int, sorter: Sorter | None, max_calls: int | None) -> None:
        self._reader = reader
        self._size = size
        self._sorter = sorter
        self._left = max_calls
        self._index = -1
        self._known: deque[Known] = deque()
        self._entries: list[str | Recipient] = []
        self._keys: list[Key] = []
        self._failure: Exception | None = None
        self._ended = False

    async def read(self) -> Cut | None:
        """Return the next batch, or an outcome, or None at the end.

        An error of the input, or of the journal, is raised after everything that was read before it.
        """
        while not self._known and not self._ended and len(self._entries) < self._size:
            await self._read_on()
        self._index += 1
        if self._known:
            return Cut(self._index, known=self._known.popleft()(self._index))
        if self._entries:
            return self._cut()
        if self._failure is not None:
            raise self._failure
        return None

    async def _read_on(self) -> None:
        try:
            piece = await self._reader.read()
        except Exception as error:
            self._failure, self._ended = error, True
            return
        if piece is None:
            self._ended = True
        elif piece.error is not None:
            self._known.append(_not_sent(piece.entries, piece.error))
        elif self._sorter is None:
            self._entries += piece.entries
        else:
            await self._sort(self._sorter, piece)

    async def _sort(self, sorter: Sorter, piece: Piece) -> None:
        try:
            found = await sorter.sort(piece.recipients, piece.positions)
        except Exception as error:
            self._failure, self._ended = as_journal_error(error), True
            self._known.append(_not_sent(piece.entries, self._failure))
            return
        self._entries += found.recipients
        self._keys += found.keys
        self._known += found.known

    def _cut(self) -> Cut:
        if self._left == 0:
            error = NotSentError("max_calls numbers have been sent to")
            return Cut(self._index, known=_not_sent(self._taken(self._size)[0], error)(self._index))
        size = self._size if self._left is None else min(self._size, self._left)
        entries, keys = self._taken(size)
        if self._left is not None:
            self._left -= len(entries)
        return Cut(self._index, identified(entries, secrets.token_hex(_TOKEN_BYTES)), tuple(keys))

    def _taken(self, size: int) -> tuple[list[str | Recipient], list[Key]]:
        taken = self._entries[:size], self._keys[:size]
        del self._entries[:size], self._keys[:size]
        return taken


def _not_sent(entries: Iterable[str | Recipient], error: EmayVoiceError) -> Known:
    those = tuple(map(recipient, entries))
    return lambda index: NotSent(index, those, error)
