"""Recipients to batches, and the outcomes of the other entries."""

import secrets
from collections import deque
from collections.abc import Iterable
from typing import Final

from attrs import frozen

from emay_voice_async.errors import DuplicateError, EmayVoiceError, NotSentError
from emay_voice_async.journal.protocol import Key
from emay_voice_async.journal.session import Known, Sorter, as_journal_error
from emay_voice_async.model.recipients import (
    Recipient,
    as_recipient,
    with_custom_ids,
)
from emay_voice_async.model.results import NotSent, Outcome
from emay_voice_async.sending.duplicates import SeenNumbers
from emay_voice_async.sending.reading import Piece, RecipientReader

__all__ = ["Batcher", "PreparedBatch"]

_TOKEN_BYTES: Final = 10


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
