"""Encryption, compared with other tools; damaged and hostile input."""

from base64 import b64decode

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from samples import blob, cases

from emay_voice_async.errors import InvalidRequestError, PushError
from emay_voice_async.wire.compression import compress, gunzip
from emay_voice_async.wire.encryption import decrypt, encrypt, opens_gzip

KEY = "0123456789abcdef"
CHUNK = 16 * 1024
MIB = 1024 * 1024
SEALED = cases("sealed-*")
PLAIN = blob("document-2.1.4.1-sealed-push")
keys = st.sampled_from([16, 24, 32]).flatmap(lambda size: st.binary(min_size=size, max_size=size))

# printf '0123456789abcdef' | openssl enc -aes-128-ecb -K 30313233343536373839616263646566 | base64
BLOCKS = [
    (b"0123456789abcdef", "cnJ+iB7c/QEApxhoeQm1ZTdyIuBhqSTFkc2cJ+oWPtQ="),
    (b"abc", "HSWCHD4xHuotTdhjOiXBtQ=="),
    (b"", "N3Ii4GGpJMWRzZwn6hY+1A=="),
]


class TestEncrypt:
    """Encryption of a push, the service's side."""

    @pytest.mark.parametrize(("data", "sealed"), BLOCKS)
    def test_vectors(self, data: bytes, sealed: str) -> None:
        """Encrypting gives the bytes of openssl; a full last block is followed by a block of padding."""
        assert encrypt(data, KEY) == b64decode(sealed)

    @pytest.mark.parametrize("case", [case for case in SEALED if "openssl" in case])
    def test_a_whole_push(self, case: str) -> None:
        """A push decrypted and encrypted again gives openssl's bytes, for each key length."""
        key = blob(case, "key.txt")
        assert encrypt(decrypt(blob(case), key), key) == blob(case)

    @given(st.binary(max_size=100), keys)
    def test_there_and_back(self, data: bytes, key: bytes) -> None:
        """Decrypting reverses encrypting, and the padding is 1 to 16 bytes."""
        sealed = encrypt(data, key)
        assert decrypt(sealed, key) == data
        assert len(sealed) == len(data) // 16 * 16 + 16


class TestDecrypt:
    """The first step of an encrypted push."""

    @pytest.mark.parametrize(("data", "sealed"), BLOCKS)
    def test_vectors(self, data: bytes, sealed: str) -> None:
        """Data encrypted by openssl is decrypted."""
        assert decrypt(b64decode(sealed), KEY) == data

    @pytest.mark.parametrize("case", SEALED)
    def test_other_languages(self, case: str) -> None:
        """Pushes made by Java and openssl are decrypted and inflated, for each key length."""
        assert gunzip(decrypt(blob(case), blob(case, "key.txt"))) == PLAIN
        assert gunzip(decrypt(blob(case), blob(case, "key.txt").decode())) == PLAIN

    @given(st.binary(max_size=20))
    def test_a_key_is_its_bytes(self, data: bytes) -> None:
        """A text key is used as its UTF-8 bytes, which may outnumber its characters."""
        key = "密钥密钥密a"  # 16 bytes in UTF-8
        assert decrypt(encrypt(data, key.encode()), key) == data

    @pytest.mark.parametrize("body", [b"", b"x", b"x" * 15, b"x" * 17, b"x" * 16, bytes(32)])
    def test_one_text_for_every_failure(self, body: bytes) -> None:
        """A wrong length and a wrong padding give the same text and no cause."""
        with pytest.raises(PushError) as caught:
            decrypt(body, KEY)
        error = caught.value
        assert error.args == ("decrypt", "the body is not encrypted with this account's key", (), (), 0)
        assert error.__cause__ is None
        assert error.__suppress_context__

    @given(st.binary(max_size=64), keys)
    @example(b"x" * 16, b"0" * 16)
    def test_any_bytes(self, body: bytes, key: bytes) -> None:
        """Any body is decrypted, or raises PushError."""
        try:
            data = decrypt(body, key)
        except PushError as error:
            assert error.stage == "decrypt"  # noqa: PT017 - either end is right
        else:
            assert encrypt(data, key) == body

    @pytest.mark.parametrize("case", SEALED)
    def test_truncated_at_every_byte(self, case: str) -> None:
        """A push cut off at any byte raises PushError."""
        key, whole = blob(case, "key.txt"), blob(case)
        for length in range(len(whole)):
            with pytest.raises(PushError) as caught:
                gunzip(decrypt(whole[:length], key))
            assert caught.value.stage in ("decrypt", "inflate")

    @pytest.mark.parametrize("size", [0, 1, 15, 17, 23, 25, 31, 33, 64])
    @pytest.mark.parametrize("kind", [str, bytes])
    def test_other_lengths_of_keys(self, size: int, kind: type) -> None:
        """A key of an unsupported length is an InvalidRequestError that shows the length, not the key."""
        key = "k" * size if kind is str else b"k" * size
        for call in (encrypt, decrypt):
            with pytest.raises(InvalidRequestError) as caught:
                call(bytes(16), key)
            assert caught.value.field == "secret_key"
            assert size < 2 or "k" * size not in repr(caught.value.args)

    def test_a_key_that_is_no_text(self) -> None:
        """A key with a lone surrogate is an InvalidRequestError, and the traceback hides the key."""
        key = "secret-secret-" + "\ud800"
        with pytest.raises(InvalidRequestError, match="secret_key: must be encodable") as caught:
            decrypt(bytes(16), key)
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__
        assert "secret-secret" not in repr(caught.value.args)


@pytest.mark.parametrize("size", [0, 1, 100, 100_000])
@pytest.mark.parametrize("key", ["1234567890abcdef", b"1234567890abcdef12345678", "密钥密钥密钥密钥密钥zz"])
def test_the_first_block_tells_a_sender_with_the_key(key: str | bytes, size: int) -> None:
    """The first block opens to gzip with the key only; a shorter beginning does not."""
    body = encrypt(compress(bytes(size)), key)
    assert opens_gzip(body, key)
    assert opens_gzip(body[:16], key)
    assert not opens_gzip(body[:15], key)
    assert not opens_gzip(body, "another key ....")
    assert not opens_gzip(encrypt(bytes(size), key), key)
