"""Duplicate numbers of a send without a journal: each number is called once."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from emay_voice_async.journal.occurrences import OccurrenceCounter

__all__ = ["IN_MEMORY", "SeenNumbers"]

IN_MEMORY: Final = 250_000
"""Numbers that are kept in memory, at about 70 bytes each; further numbers go to a temporary file."""


class SeenNumbers:
    """Finds the numbers that came before in the same input.

    ``remember`` False: the input is a single part, so that no number has to be kept.
    """

    def __init__(self, *, remember: bool, in_memory: int = IN_MEMORY) -> None:
        self._remember = remember
        self._in_memory = in_memory
        # The garbage collector walks a set, and up to Python 3.13 no dict of numbers (benchmark: loop).
        self._numbers: dict[int, None] = {}
        self._file: OccurrenceCounter | None = None

    async def duplicates(self, mobiles: Sequence[str]) -> set[int]:
        """Return the places of the numbers that came before, in this part of the input or an earlier one.

        Raises :class:`JournalError` when the temporary file cannot grow.
        """
        if not self._remember and len(set(mobiles)) == len(mobiles):
            return set()
        places: set[int] = set()
        unknown: dict[int, int] = {}
        for place, number in enumerate(map(int, mobiles)):
            if number in self._numbers or number in unknown:
                places.add(place)
            else:
                unknown[number] = place
        if self._file is None and len(self._numbers) + len(unknown) <= self._in_memory:
            self._numbers.update(dict.fromkeys(unknown))
            return places
        if self._file is None:
            self._file = _occurrence_counter()
        times = await asyncio.to_thread(self._file.count, [(str(number), "") for number in unknown])
        return places | {place for place, count in zip(unknown.values(), times, strict=True) if count}

    def close(self) -> None:
        """Delete the temporary file of a long input."""
        if self._file is not None:
            self._file.close()


def _occurrence_counter() -> "OccurrenceCounter":
    from emay_voice_async.journal.occurrences import OccurrenceCounter  # noqa: PLC0415 - imported when needed

    return OccurrenceCounter()
