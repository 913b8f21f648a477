"""Compression with gzip and inflating within a limit, as pure functions."""

import gzip as _gzip
import zlib
from typing import Final

from emay_voice_async.errors import InvalidRequestError, PushError
from emay_voice_async.model.hidden import hides_arguments

__all__ = ["MAX_SIZE", "compress", "gunzip", "inflate"]

MAX_SIZE: Final = 64 * 1024 * 1024
"""The default limit of a push, or of a response, after inflating, in bytes."""

_CHUNK: Final = 16 * 1024
_OUTPUT: Final = 64 * 1024
_GZIP_WINDOW: Final = 16 + zlib.MAX_WBITS


def compress(data: bytes) -> bytes:
    """Compress ``data`` with gzip; equal input gives equal bytes, because no time is recorded."""
    return _gzip.compress(data, mtime=0)


@hides_arguments
def gunzip(data: bytes, *, max_size: int = MAX_SIZE) -> bytes:
    """Inflate one or more gzip members, to at most ``max_size`` bytes; joining them takes as much memory again.

    Raises :class:`PushError`: stage "size" when the output would be larger than ``max_size``,
    stage "inflate" when the data is not gzip, is cut off, is damaged, or has trailing bytes. Raises
    :class:`InvalidRequestError` for a ``max_size`` below 0.
    """
    if max_size < 0:
        raise InvalidRequestError("max_size", "must not be negative", 0, max_size)
    parts: list[bytes] = []
    position = size = 0
    while position < len(data) or not position:
        part, position, whole = _inflated(data, position, _GZIP_WINDOW, max_size - size)
        if not whole:
            raise PushError("inflate", "the data is not intact gzip")
        parts.append(part)
        size += len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


@hides_arguments
def inflate(data: bytes, *, window: int, max_size: int) -> tuple[bytes, bool]:
    """Inflate a single stream, to at most ``max_size`` bytes of output.

    ``window``: the ``wbits`` of :func:`zlib.decompressobj`. Returns the output, and whether the stream was
    whole; bytes after its end are ignored. Raises :class:`PushError`, stage "size" or "inflate".
    """
    output, _, whole = _inflated(data, 0, window, max_size)
    return output, whole


def _inflated(data: bytes, position: int, window: int, max_size: int) -> tuple[bytes, int, bool]:
    """Inflate the stream at ``position``; return output, end position, and whether the stream was whole."""
    # A list of parts, because a bytearray that grows is moved in memory again and again.
    parts: list[bytes] = []
    size = 0
    inflater = zlib.decompressobj(window)
    while not inflater.eof:
        # Small pieces of input, because zlib copies the unconsumed rest of each piece.
        piece = data[position : position + _CHUNK]
        try:
            # The limit is the free space plus one byte, to detect output above max_size.
            part = inflater.decompress(piece, min(_OUTPUT, max_size - size + 1))
        except zlib.error:
            raise PushError("inflate", "the data is not intact gzip") from None
        parts.append(part)
        size += len(part)
        if size > max_size:
            raise PushError("size", "the data is too large when inflated")
        position += len(piece) - len(inflater.unused_data if inflater.eof else inflater.unconsumed_tail)
        if not piece and not part:
            break
    return b"".join(parts), position, inflater.eof
