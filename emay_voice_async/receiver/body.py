"""Request bodies, read up to a size, within a time, and only from senders that know the key."""

import asyncio
from collections.abc import AsyncIterable, Callable, Iterable

from emay_voice_async.receiver.load import Share
from emay_voice_async.receiver.responses import TOO_LARGE, TOO_SLOW, RefusalError
from emay_voice_async.wire.encryption import BLOCK_SIZE

__all__ = ["Body", "StrangerError", "read_body"]

Body = bytes | AsyncIterable[bytes]
"""A request body, whole or in pieces."""


class StrangerError(Exception):
    """The beginning of a body shows that the sender does not know the key; ``read`` is the part that was read."""

    def __init__(self, read: bytes) -> None:
        super().__init__(f"{len(read)} bytes")
        self.read = read


async def read_body(
    body: Body,
    lengths: Iterable[str],
    share: Share,
    is_known: Callable[[bytes], bool],
    *,
    max_body: int,
    body_timeout: float | None,
) -> bytes:
    """Read a body; ``lengths`` are the values of its Content-Length headers.

    Raises :class:`RefusalError` as soon as the body is longer than ``max_body`` bytes, takes longer than
    ``body_timeout`` seconds, or exceeds the bytes of all requests, and :class:`StrangerError` when ``is_known`` is
    false for the first 16 bytes or more of a body in pieces.
    """
    if any(_exceeds(length, max_body) for length in lengths):
        raise RefusalError(TOO_LARGE)
    if isinstance(body, bytes | bytearray | memoryview):
        _check(len(body), len(body), share, max_body)
        return bytes(body)
    read, known = bytearray(), False
    try:
        async with asyncio.timeout(body_timeout):
            async for piece in body:
                if not known and len(read) >= BLOCK_SIZE:
                    # Not before another piece came: a whole body is decoded, which gives the exact error.
                    known = is_known(bytes(read))
                    if not known:
                        raise StrangerError(bytes(read))
                read += piece
                _check(len(read), len(piece), share, max_body)
    except TimeoutError:
        raise RefusalError(TOO_SLOW) from None
    return bytes(read)


def _check(total: int, more: int, share: Share, max_body: int) -> None:
    if total > max_body:
        raise RefusalError(TOO_LARGE)
    share.hold(more)


def _exceeds(length: str, limit: int) -> bool:
    # int() refuses thousands of digits, and nineteen are too many for any limit.
    return length.isdecimal() and (len(length) > 18 or int(length) > limit)
