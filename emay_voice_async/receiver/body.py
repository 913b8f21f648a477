"""Request bodies, read up to a size and within a time."""

import asyncio
from collections.abc import AsyncIterable, Iterable

from emay_voice_async.receiver.responses import TOO_LARGE, TOO_SLOW, RefusalError

__all__ = ["Body", "read_body"]

Body = bytes | AsyncIterable[bytes]
"""A request body, whole or in pieces."""


async def read_body(
    body: Body, lengths: Iterable[str], *, max_body: int, body_timeout: float | None
) -> bytes:
    """Read a body; ``lengths`` are the values of its Content-Length headers.

    Raises :class:`RefusalError` as soon as the body is longer than ``max_body`` bytes, or takes longer than
    ``body_timeout`` seconds.
    """
    if any(_exceeds(length, max_body) for length in lengths):
        raise RefusalError(TOO_LARGE)
    if isinstance(body, bytes):
        if len(body) > max_body:
            raise RefusalError(TOO_LARGE)
        return body
    read = bytearray()
    try:
        async with asyncio.timeout(body_timeout):
            async for piece in body:
                read += piece
                if len(read) > max_body:
                    raise RefusalError(TOO_LARGE)
    except TimeoutError:
        raise RefusalError(TOO_SLOW) from None
    return bytes(read)


def _exceeds(length: str, limit: int) -> bool:
    # int() refuses thousands of digits, and nineteen are too many for any limit.
    return length.isdecimal() and (len(length) > 18 or int(length) > limit)
