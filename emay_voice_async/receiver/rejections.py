"""Pushes that could not be decoded, or not completely."""

from collections import deque
from typing import Final

from attrs import define, field, frozen

from emay_voice_async.errors import PushError

__all__ = ["KeptRejections", "Rejected"]

MAX_KEPT: Final = 100
MAX_BYTES: Final = 16 * 1024 * 1024


@frozen
class Rejected:
    """A push that could not be decoded, or not completely.

    ``app_id`` is the account of the push, ``body`` the body as received, ``error`` the reason; ``error.broken``
    holds the unreadable entries if others could be read. ``complete`` is False if the beginning of the body showed
    that the sender does not know the key: then the rest was not read.
    """

    app_id: str
    body: bytes = field(repr=lambda body: f"<{len(body)} bytes>")
    error: PushError
    complete: bool = True


@define(eq=False)
class KeptRejections:
    """The last rejected pushes of a receiver without ``on_rejected``: up to 100, with bodies up to 16 MiB."""

    _kept: deque[Rejected] = field(factory=deque, init=False)
    _bytes: int = field(default=0, init=False)

    @property
    def rejected(self) -> tuple[Rejected, ...]:
        """The rejected pushes, oldest first."""
        return tuple(self._kept)

    def add(self, rejected: Rejected) -> int:
        """Keep a push; return the number of older pushes that were dropped."""
        self._kept.append(rejected)
        self._bytes += len(rejected.body)
        dropped = 0
        while len(self._kept) > MAX_KEPT or (self._bytes > MAX_BYTES and len(self._kept) > 1):
            self._bytes -= len(self._kept.popleft().body)
            dropped += 1
        return dropped

    def take(self) -> list[Rejected]:
        """Take all pushes out."""
        taken = list(self._kept)
        self._kept.clear()
        self._bytes = 0
        return taken
