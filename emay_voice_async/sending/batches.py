"""Recipients to batches, and the outcomes of the other entries."""

import secrets
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Final

from attrs import field, frozen

from emay_voice_async.errors import DuplicateError, EmayVoiceError, NotSentError
from emay_voice_async.journal.protocol import Key
from emay_voice_async.journal.session import Known, Sorter, as_journal_error
from emay_voice_async.model.batch_calls import BatchCalls, batch_calls
from emay_voice_async.model.messages import Message
from emay_voice_async.model.recipients import Recipient, as_recipient, mobiles_of
from emay_voice_async.model.results import Accepted, NotSent, Outcome, accepted_later
from emay_voice_async.sending.duplicates import SeenNumbers
from emay_voice_async.sending.gathering import Gathered, Gatherer
from emay_voice_async.sending.reading import Piece, RecipientReader

__all__ = ["Batcher", "PreparedBatch"]

_TOKEN_BYTES: Final = 10
_NO_CALLS: Final = batch_calls((), "")


@frozen
class PreparedBatch:
    """A batch to send: the calls, their keys in the journal, and the message; or an outcome.

    ``known`` is the outcome of recipients that are not sent to.
    """

    index: int
    calls: BatchCalls = field(default=_NO_CALLS)
    keys: tuple[Key, ...] = ()
    message: Message | None = field(default=None, repr=False)
    known: Outcome | None = None

    def outcome(self, kind: Callable[..., Outcome], detail: Any) -> Outcome:
        """Return the outcome of the batch; ``detail``: the message ids if accepted, else the error."""
        if kind is Accepted:
            return accepted_later(self.index, self.calls.recipients, partial(self.calls.tickets, detail))
        return kind(self.index, self.calls.recipients(), detail)

    def __len__(self) -> int:
        return len(self.calls) if self.known is None else len(self.known.recipients)


class Batcher:
    """Makes the batches of a send, as ``gatherer`` gathers them, and the outcomes of the other entries.

    ``sorter`` sets aside the calls that the journal knows, and duplicates; without a journal ``seen`` sets aside
    duplicates.
    """

    def __init__(
        self,
        reader: RecipientReader,
        gatherer: Gatherer,
        sorter: Sorter | None,
        seen: SeenNumbers | None = None,
    ) -> None:
        self._seen = seen
        self._reader = reader
        self._gatherer = gatherer
        self._sorter = sorter
        self._index = -1
        self._known: deque[Known] = deque()
        self._failure: Exception | None = None
        self._ended = False

    async def read(self) -> PreparedBatch | None:
        """Return the next batch, or an outcome, or None at the end.

        An error of the input, or of the journal, is raised after all earlier entries.
        """
        self._index += 1
        while not self._known:
            gathered = self._gatherer.take(ended=self._ended)
            if gathered is not None:
                return self._prepared(gathered)
            if self._ended:
                break
            await self._read_piece()
        if self._known:
            return PreparedBatch(self._index, known=self._known.popleft()(self._index))
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
        self._gatherer.add(found.recipients, found.keys)
        self._known += found.known

    async def _set_duplicates_aside(self, piece: Piece) -> None:
        entries = piece.entries
        if self._seen is not None:
            all_numbers = self._reader.all_numbers
            mobiles = mobiles_of(entries, all_numbers=all_numbers) or [
                as_recipient(entry).mobile for entry in entries
            ]
            if places := await self._seen.duplicates(mobiles):
                error = DuplicateError(
                    "mobile",
                    "must not be a duplicate: each number is called once",
                    position=piece.positions[min(places)],
                )
                self._known.append(_not_sent([entries[place] for place in sorted(places)], error))
                entries = [entry for place, entry in enumerate(entries) if place not in places]
        self._gatherer.add(entries, ())

    def _prepared(self, gathered: Gathered) -> PreparedBatch:
        if gathered.message is None:
            error = NotSentError("max_calls numbers have been sent to")
            return PreparedBatch(self._index, known=_not_sent(gathered.entries, error)(self._index))
        # With a journal the entries are recipients.
        all_numbers = self._sorter is None and self._reader.all_numbers
        token = secrets.token_hex(_TOKEN_BYTES)
        calls = batch_calls(gathered.entries, token, all_numbers=all_numbers)
        return PreparedBatch(self._index, calls, tuple(gathered.keys), gathered.message)


def _not_sent(entries: Iterable[str | Recipient], error: EmayVoiceError) -> Known:
    recipients = tuple(map(as_recipient, entries))
    return lambda index: NotSent(index, recipients, error)
