"""The raw bytes of an HTTP/1 response that an HTTP library cannot read, or reads in part."""

import json
import re
from typing import Final

from emay_voice_async.wire.content import decoded

__all__ = ["is_json_object", "salvaged"]

_STATUS_LINE: Final = re.compile(rb"HTTP/\d\.\d +(\d{3})[^\n]*\n")
_END_OF_HEAD: Final = re.compile(rb"\r?\n\r?\n")
_CHUNKED: Final = re.compile(rb"\ntransfer-encoding:[^\n]*chunked", re.IGNORECASE)
_ENCODINGS: Final = re.compile(rb"\ncontent-encoding:([^\n]*)", re.IGNORECASE)
_CHUNK: Final = re.compile(rb"\r?\n?([0-9a-fA-F]{1,8})[^\n]*\n")


def salvaged(raw: bytes, *, max_size: int) -> tuple[int, bytes]:
    """Return status and body of a raw response, in spite of malformed headers; 0 and ``raw`` without a head.

    The body is a JSON object if the bytes after the head are one: as they are, without chunks, or inflated to
    ``max_size`` bytes at most. Otherwise the body is all bytes after the head.
    """
    status = 0
    while not status >= 200:
        line, end = _STATUS_LINE.match(raw), _END_OF_HEAD.search(raw)
        if line is None or end is None:
            return 0, raw
        # Interim responses such as 100 precede the response.
        status, head, raw = int(line[1]), raw[: end.start()], raw[end.end() :]
    encodings = _ENCODINGS.search(head)
    names = encodings[1].decode("latin-1") if encodings else ""
    candidates = (raw, _without_chunks(raw)) if _CHUNKED.search(head) else (raw,)
    for candidate in candidates:
        body, _ = decoded(candidate, names, max_size=max_size)
        if is_json_object(body):
            return status, body
    return status, raw


def is_json_object(body: bytes) -> bool:
    """Tell whether a body is a whole JSON object; a cut-off object is no JSON."""
    try:
        return isinstance(json.loads(body), dict)
    except (ValueError, RecursionError):
        return False


def _without_chunks(raw: bytes) -> bytes:
    """Join the chunks of a body; the last chunk may be cut off."""
    pieces = []
    position = 0
    while chunk := _CHUNK.match(raw, position):
        size = int(chunk[1], 16)
        pieces.append(raw[chunk.end() : chunk.end() + size])
        position = chunk.end() + size
    return b"".join(pieces)
