"""The texts that a send with a template would say, counted for a plan in flat memory."""

from collections.abc import Iterable
from typing import Final, Self

from emay_voice_async.model.recipients import Recipient
from emay_voice_async.model.templates import Spoken, Template, Texts
from emay_voice_async.sending.duplicates import SeenNumbers
from emay_voice_async.sending.gathering import TextGroups

__all__ = ["TextCount"]

_SAMPLES: Final = 3


class TextCount:
    """Counts the ``texts`` and the ``requests`` of a send, by the groups that the send would make.

    Of the input, the first ``max_calls`` recipients count. Texts are told apart by a hash of 64 bits.
    """

    def __init__(self, template: Template, size: int, max_calls: int | None) -> None:
        self.texts: int = 0
        self.requests: int = 0
        self._template = template
        self._calls_left = max_calls
        self._groups: TextGroups[None] = TextGroups(size)
        self._seen = SeenNumbers(remember=True)
        self._samples: list[Texts] = []
        self._longest: Texts | None = None

    @property
    def samples(self) -> tuple[Spoken, ...]:
        """The first three different messages."""
        return tuple(map(self._template.message, self._samples))

    @property
    def longest(self) -> Spoken | None:
        """The message with the longest texts."""
        return None if self._longest is None else self._template.message(self._longest)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Delete the temporary file if texts were counted in a file."""
        self._seen.close()

    async def add(self, recipients: Iterable[Recipient]) -> None:
        """Count the next recipients.

        Raises :class:`JournalError` when the temporary file cannot grow.
        """
        found = [self._template.texts(recipient.fields) for recipient in recipients]
        if self._calls_left is not None:
            found = found[: self._calls_left]
            self._calls_left -= len(found)
        for texts in found:
            self._groups.add(texts, None)
            if len(self._samples) < _SAMPLES and texts not in self._samples:
                self._samples.append(texts)
        self._longest = max(
            [*([] if self._longest is None else [self._longest]), *found], key=_length, default=None
        )
        duplicates = await self._seen.duplicates([str(hash(texts)) for texts in found])
        self.texts += len(found) - len(duplicates)
        while self._groups.take(ended=False) is not None:
            self.requests += 1

    def end(self) -> None:
        """Count the requests of the texts that are still waiting."""
        self.requests += len(self._groups)


def _length(texts: Texts) -> int:
    return sum(map(len, texts))
