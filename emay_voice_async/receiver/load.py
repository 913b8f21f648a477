"""Bounds over all requests of a receiver: requests at once, and bytes of their bodies."""

import asyncio
from types import TracebackType
from typing import Any, Self

from attrs import define, field

from emay_voice_async.receiver.responses import BUSY, RefusalError

__all__ = ["Load", "Share"]


@define(eq=False)
class Load:
    """Counts the requests at once and the bytes of their bodies, up to two bounds."""

    max_requests: int
    max_bytes: int
    requests: int = field(default=0, init=False)
    bytes: int = field(default=0, init=False)

    def share(self) -> "Share":
        """Return the share of a request, to be entered and left by ``with``.

        Entering raises :class:`RefusalError` (503) if ``max_requests`` requests have a share already.
        """
        return Share(self)


@define(eq=False)
class Share:
    """The share of one request."""

    _load: Load
    _bytes: int = field(default=0, init=False)
    _working: "asyncio.Future[Any] | None" = field(default=None, init=False)

    def __enter__(self) -> Self:
        if self._load.requests >= self._load.max_requests:
            raise RefusalError(BUSY)
        self._load.requests += 1
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._working is None or self._working.done():
            self._release()
        else:
            self._working.add_done_callback(lambda _: self._release())

    def hold(self, number: int) -> None:
        """Count more bytes; raise :class:`RefusalError` (503) beyond ``max_bytes``."""
        if self._load.bytes + number > self._load.max_bytes:
            raise RefusalError(BUSY)
        self._load.bytes += number
        self._bytes += number

    def until(self, working: "asyncio.Future[Any]") -> None:
        """Keep the share until a thread has ended, even if the request ends before."""
        self._working = working

    def _release(self) -> None:
        self._load.requests -= 1
        self._load.bytes -= self._bytes
