"""Encryption of pushes, in both directions, as pure functions.

An encrypted push is AES in ECB mode with PKCS#7 padding over gzip over JSON (section 2.1.4.1). The
key is the secretKey's own bytes. ECB and the missing authentication are the service's choice.
"""

from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from emay_voice_async.errors import InvalidRequestError, PushError
from emay_voice_async.model.checks import check_text
from emay_voice_async.model.hidden import hides_arguments

__all__ = ["BLOCK_SIZE", "decrypt", "encrypt", "opens_gzip"]

BLOCK_SIZE: Final = 16
"""Bytes of one block of AES."""

_BLOCK_BITS: Final = 8 * BLOCK_SIZE
_GZIP_MAGIC: Final = b"\x1f\x8b\x08"


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
