"""The raw bytes of a response, recorded below the HTTP library.

The library gives up a response with a malformed head, and the rest of a body after a Content-Length that is too
small. These bytes may hold reports, and the service hands each report out once.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

__all__ = ["Recording", "tap"]

_END_OF_HEAD: Final = b"\r\n\r\n"


class Recording:
    """The pieces of a response as they were read from the network; references, no copies."""

    __slots__ = ("_pieces",)

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def __bool__(self) -> bool:
        return any(self._pieces)

    @property
    def raw(self) -> bytes:
        """All bytes: the head of the response, and the body with its transfer encoding."""
        return b"".join(self._pieces)

    def add(self, piece: bytes) -> None:
        """Add a piece."""
        self._pieces.append(piece)

    def clear(self) -> None:
        """Start again, such as after the response of a proxy to CONNECT."""
        self._pieces.clear()

    def has_more_than(self, length: int) -> bool:
        """Tell whether more bytes came than the head and a body of this length."""
        if not self._pieces:
            return False
        head = self._pieces[0].find(_END_OF_HEAD) + len(_END_OF_HEAD)
        return sum(map(len, self._pieces)) > head + length

    @contextmanager
    def running(self) -> Iterator[None]:
        """Record the pieces that this task reads from tapped connections."""
        token = _RECORDING.set(self)
        try:
            yield
        finally:
            _RECORDING.reset(token)


_RECORDING: Final[ContextVar[Recording | None]] = ContextVar("emay_voice_async_recording", default=None)
"""The recording of this task. A connection of HTTP/1 is read by the task of its request."""


def tap(stream: Any) -> None:
    """Have a network stream of httpcore record the pieces that are read."""
    read = stream.read

    async def recorded(*arguments: Any, **options: Any) -> bytes:
        piece: bytes = await read(*arguments, **options)
        if (recording := _RECORDING.get()) is not None:
            recording.add(piece)
        return piece

    stream.read = recorded
