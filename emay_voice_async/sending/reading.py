"""The input of a send: a sized list is checked before the first request, a stream while reading."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Collection, Iterable, Iterator, Mapping
from itertools import islice
from typing import Final, cast

from emay_voice_async.errors import InvalidRequestError, NotSentError
from emay_voice_async.model.hidden import hides_arguments
from emay_voice_async.model.numbers import is_number
from emay_voice_async.model.recipients import (
    Recipient,
    as_recipient,
    check_all,
    check_recipient,
    check_unique_id,
)
from emay_voice_async.model.templates import Template

__all__ = ["Piece", "RecipientReader", "Recipients"]

Recipients = str | Recipient | Iterable[str | Recipient] | AsyncIterable[str | Recipient]
"""The recipients of a send: a number, a list, or a stream of any length."""

_CHECKED_AT_ONCE: Final = 5_000
"""Entries of a list that are checked in one turn of the event loop (benchmark: loop)."""
_FILLED_AT_ONCE: Final = 2_000
"""The same of a template, whose texts are filled for the check."""


class Piece:
    """A part of the input: valid entries and their positions, or (with ``error``) a single invalid entry.

    A valid number stays a str until its custom id is made (benchmark: send).
    """

    def __init__(
        self,
        entries: Iterable[str | Recipient] = (),
        positions: Iterable[int] = (),
        error: InvalidRequestError | None = None,
    ) -> None:
        self.entries: list[str | Recipient] = [*entries]
        self.positions: list[int] = [*positions]
        self.error = error

    @property
    def recipients(self) -> list[Recipient]:
        """The entries as recipients."""
        return list(map(as_recipient, self.entries))


class RecipientReader:
    """Reads the entries of the input in order, checked, in pieces of at most ``size``.

    Raises :class:`InvalidRequestError` if an entry of a sized list cannot be sent to: from the constructor for the
    first entries, for the others from the first :meth:`read`, so that they do not block the event loop. With
    ``tolerant`` a list is read like a stream. ``length`` is the length of a sized list;
    ``all_numbers``: all entries of a checked list are plain numbers.
    ``allow_only``: every other number is invalid. ``template``: an entry without usable fields is invalid.
    ``deadline``, an instant of the event loop's clock, ends the wait for a stream.
    """

    @hides_arguments
    def __init__(
        self,
        to: Recipients,
        size: int,
        *,
        allow_only: Collection[str] | None = None,
        template: Template | None = None,
        deadline: float | None = None,
        tolerant: bool = False,
    ) -> None:
        self.length: int | None = None
        self.all_numbers: bool = False
        self._unchecked: tuple[object, ...] = ()
        self._custom_ids: dict[str, int] = {}
        self._size = size
        self._allow_only = allow_only
        self._template = template
        self._checked_at_once = _CHECKED_AT_ONCE if template is None else _FILLED_AT_ONCE
        self._takes_any_number = allow_only is None and template is None
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
                self._unchecked = to
                self.all_numbers = True
                self._check_part(0)
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

    @hides_arguments
    def _check_part(self, start: int) -> None:
        entries = self._unchecked
        check = check_recipient if self._takes_any_number else self._check
        places = range(start, min(start + self._checked_at_once, len(entries)))
        self.all_numbers &= check_all(entries, check, places=places, custom_ids=self._custom_ids)

    async def _check_rest(self) -> None:
        """Check the rest of a sized list before the first piece, a part in each turn of the event loop."""
        for start in range(self._checked_at_once, len(self._unchecked), self._checked_at_once):
            await asyncio.sleep(0)
            self._check_part(start)
        self._unchecked = ()

    async def _gather(self) -> Piece | None:
        await self._check_rest()
        if self._template is not None and self._position:
            # A template may read many pieces before a request is full.
            await asyncio.sleep(0)
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
        if self._takes_any_number and is_number(item):
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
        if self._template is not None:
            self._template.texts(recipient.fields, position)

    def _take_piece(self) -> Piece:
        piece, self._piece = self._piece, Piece()
        if self.length is None:
            # Custom ids of a stream are compared within a piece: the whole would take memory without bound.
            self._custom_ids = {}
        return piece
