"""Reports and answers that could not be read, kept within bounds until they are taken."""

import logging
from collections import deque
from collections.abc import Iterable
from typing import Any, Final

__all__ = ["BrokenReports"]

logger: logging.Logger = logging.getLogger(__name__)

MAX_ENTRIES: Final = 10_000
MAX_BYTES: Final = 64 * 1024 * 1024
"""Bytes of all whole answers together."""


class BrokenReports:
    """Pairs of raw value and reason, oldest first.

    A follower of a wrong address would collect pages for ever: beyond the bounds the oldest pairs are dropped and
    counted in the log. With a spool the files stay.
    """

    def __init__(self) -> None:
        self._pairs: deque[tuple[Any, str]] = deque()
        self._bytes = 0

    @property
    def pairs(self) -> tuple[tuple[Any, str], ...]:
        """All pairs."""
        return tuple(self._pairs)

    def add(self, pairs: Iterable[tuple[Any, str]]) -> None:
        """Keep pairs, and drop the oldest beyond the bounds."""
        for pair in pairs:
            self._pairs.append(pair)
            self._bytes += _size(pair)
        dropped = 0
        while len(self._pairs) > MAX_ENTRIES or (self._bytes > MAX_BYTES and len(self._pairs) > 1):
            self._bytes -= _size(self._pairs.popleft())
            dropped += 1
        if dropped:
            logger.error(
                "%d unreadable reports or answers were dropped: take_broken_reports() in time", dropped
            )

    def take(self) -> list[tuple[Any, str]]:
        """Take all pairs out."""
        taken = list(self._pairs)
        self._pairs.clear()
        self._bytes = 0
        return taken


def _size(pair: tuple[Any, str]) -> int:
    return len(pair[0]) if isinstance(pair[0], bytes) else 0
