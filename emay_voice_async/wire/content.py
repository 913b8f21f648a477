"""The body of an HTTP response, inflated; raw bytes for an encoding other than stated."""

import json
from typing import Final

from emay_voice_async.errors import PushError
from emay_voice_async.wire.compression import inflate

__all__ = ["TOO_LARGE", "decoded"]

TOO_LARGE: Final = "the body is too large when inflated"

_DEFLATED: Final = frozenset({"gzip", "x-gzip", "deflate"})
_GZIP_MAGIC: Final = b"\x1f\x8b"
_ZLIB_OR_GZIP: Final = 47
_RAW_DEFLATE: Final = -15
_HEAD: Final = 64
_OPENING: Final = (b"{", b"[")


def decoded(raw: bytes, encodings: str, *, max_size: int) -> tuple[bytes, str | None]:
    """Inflate ``raw`` if ``encodings``, a Content-Encoding header, and the bytes themselves say so.

    Returns the body, and the reason why it may still be compressed or cut off (None: neither). Without
    success the body is ``raw``. The output is limited to ``max_size`` bytes. Stacked encodings are not
    inflated: each layer multiplies the size.
    """
    names = [name for name in map(str.strip, encodings.lower().split(",")) if name not in ("", "identity")]
    if raw[:_HEAD].lstrip()[:1] in _OPENING:
        # Plain JSON, such as a body that a gateway has inflated without a change of the header.
        return raw, None
    if len(names) > 1:
        return raw, f"the body has {len(names)} content encodings"
    if not (raw.startswith(_GZIP_MAGIC) if not names else names[0] in _DEFLATED):
        return raw, "the content encoding is not supported" if names else None
    for window in (_ZLIB_OR_GZIP, _RAW_DEFLATE):
        try:
            body, whole = inflate(raw, window=window, max_size=max_size)
        except PushError as error:
            if error.stage == "size":
                return raw, TOO_LARGE
            continue
        if whole:
            return body, None
        return body if _is_json(body) else raw, "the compressed body is cut off"
    return raw, "the body is not compressed as stated"


def _is_json(body: bytes) -> bool:
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        return False
    return True
