"""Encryption and compression of pushes, in both directions, as pure functions.

An encrypted push is AES in ECB mode with PKCS#7 padding over gzip over JSON (section 2.1.4.1). The
key is the secretKey's own bytes. ECB and the missing authentication are the service's choice.
"""

import gzip as _gzip
import zlib
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from emay_voice_async.errors import InvalidRequestError, PushError
from emay_voice_async.model.checks import check_text
from emay_voice_async.model.hidden import hides_arguments

__all__ = ["BLOCK_SIZE", "MAX_SIZE", "compress", "decrypt", "encrypt", "gunzip", "inflate", "opens_gzip"]

MAX_SIZE: Final = 64 * 1024 * 1024
"""The default limit of a push after inflating, in bytes."""

BLOCK_SIZE: Final = 16
"""Bytes of one block of AES."""

_BLOCK_BITS: Final = 8 * BLOCK_SIZE
_GZIP_MAGIC: Final = b"\x1f\x8b\x08"
_CHUNK: Final = 16 * 1024
_GZIP_WINDOW: Final = 16 + zlib.MAX_WBITS


@hides_arguments
def encrypt(data: bytes, secret_key: str | bytes) -> bytes:
    """Encrypt ``data`` as the service does: AES/ECB with PKCS#7 padding.

    Raises :class:`InvalidRequestError` for a key that is not 16, 24 or 32 bytes long.
    """
    padder = PKCS7(_BLOCK_BITS).padder()
    encryptor = _cipher(secret_key).encryptor()
    return encryptor.update(padder.update(data) + padder.finalize()) + encryptor.finalize()


@hides_arguments
def decrypt(body: bytes, secret_key: str | bytes) -> bytes:
    """Decrypt the body of an encrypted push; the result is still compressed.

    Raises :class:`PushError` (stage "decrypt") when the body was not encrypted with this key, and
    :class:`InvalidRequestError` for a key that is not 16, 24 or 32 bytes long.
    """
    decryptor = _cipher(secret_key).decryptor()
    unpadder = PKCS7(_BLOCK_BITS).unpadder()
    try:
        padded = decryptor.update(body) + decryptor.finalize()
        return unpadder.update(padded) + unpadder.finalize()
    except ValueError:
        # The same text for a wrong length and a wrong padding: a sender must not learn which check failed.
        raise PushError("decrypt", "the body is not encrypted with this account's key") from None


@hides_arguments
def opens_gzip(body: bytes, secret_key: str | bytes) -> bool:
    """Tell whether the first block (16 bytes) of an encrypted body decrypts to the beginning of gzip data.

    Raises :class:`InvalidRequestError` for a key that is not 16, 24 or 32 bytes long.
    """
    return _cipher(secret_key).decryptor().update(body[:BLOCK_SIZE]).startswith(_GZIP_MAGIC)


def compress(data: bytes) -> bytes:
    """Compress ``data`` with gzip; equal input gives equal bytes, because no time is recorded."""
    return _gzip.compress(data, mtime=0)


@hides_arguments
def gunzip(data: bytes, *, max_size: int = MAX_SIZE) -> bytes:
    """Inflate one or more gzip members, never holding more than ``max_size`` bytes of output.

    Raises :class:`PushError`: stage "size" when the output would be larger than ``max_size``,
    stage "inflate" when the data is not gzip, is cut off, is damaged, or has trailing bytes. Raises
    :class:`InvalidRequestError` for a ``max_size`` below 0.
    """
    if max_size < 0:
        raise InvalidRequestError("max_size", "must not be negative", 0, max_size)
    output = bytearray()
    position = 0
    while position < len(data) or not position:
        part, position, whole = _inflated(data, position, _GZIP_WINDOW, max_size - len(output))
        if not whole:
            raise PushError("inflate", "the data is not intact gzip")
        output = output + part if output else part
    return bytes(output)


@hides_arguments
def inflate(data: bytes, *, window: int, max_size: int) -> tuple[bytes, bool]:
    """Inflate a single stream, never holding more than ``max_size`` bytes of output.

    ``window``: the ``wbits`` of :func:`zlib.decompressobj`. Returns the output, and whether the stream was
    whole; bytes after its end are ignored. Raises :class:`PushError`, stage "size" or "inflate".
    """
    output, _, whole = _inflated(data, 0, window, max_size)
    return bytes(output), whole


def _inflated(data: bytes, position: int, window: int, max_size: int) -> tuple[bytearray, int, bool]:
    """Inflate the stream at ``position``; return output, end position, and whether the stream was whole."""
    output = bytearray()
    inflater = zlib.decompressobj(window)
    while not inflater.eof:
        # Small pieces of input, because zlib copies the unconsumed rest of each piece.
        piece = data[position : position + _CHUNK]
        before = len(output)
        try:
            # The limit is the free space plus one byte, to detect output above max_size.
            output += inflater.decompress(piece, min(_CHUNK, max_size - before + 1))
        except zlib.error:
            raise PushError("inflate", "the data is not intact gzip") from None
        if len(output) > max_size:
            raise PushError("size", "the data is too large when inflated")
        position += len(piece) - len(inflater.unused_data if inflater.eof else inflater.unconsumed_tail)
        if not piece and len(output) == before:
            break
    return output, position, inflater.eof


def _cipher(secret_key: str | bytes) -> Cipher[modes.ECB]:
    if isinstance(secret_key, str):
        check_text("secret_key", secret_key)
    key = secret_key.encode() if isinstance(secret_key, str) else secret_key
    if len(key) not in (16, 24, 32):
        raise InvalidRequestError(
            "secret_key", "must have 16, 24 or 32 bytes to decrypt with", None, len(key)
        )
    # ECB is the choice of the service.
    return Cipher(algorithms.AES(key), modes.ECB())  # noqa: S305 # nosec B305
