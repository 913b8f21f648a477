"""Compression, compared with other tools; damaged and hostile input."""

import gzip
import subprocess
import sys
import tracemalloc
import zlib
from base64 import b64decode
from functools import cache

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from samples import blob, cases

from emay_voice_async.errors import InvalidRequestError, PushError
from emay_voice_async.wire.compression import MAX_SIZE, compress, gunzip

KEY = "0123456789abcdef"
CHUNK = 16 * 1024
MIB = 1024 * 1024
SEALED = cases("sealed-*")
PLAIN = blob("document-2.1.4.1-sealed-push")

# (printf 'first ' | gzip -n -c; printf 'second' | gzip -n -c) | base64
MEMBERS = "H4sIAAAAAAAAA0vLLCouUQAA/HrxHAYAAAAfiwgAAAAAAAADK05Nzs9LAQBpER+2BgAAAA=="


def stage(data: bytes, max_size: int = MAX_SIZE) -> str:
    """Return the stage at which inflating must fail."""
    with pytest.raises(PushError) as caught:
        gunzip(data, max_size=max_size)
    assert str(caught.value) in (
        "inflate: the data is not intact gzip",
        "size: the data is too large when inflated",
    )
    return caught.value.stage


class TestCompress:
    """Compression of a push, the service's side."""

    @given(st.binary(max_size=300))
    def test_there_and_back(self, data: bytes) -> None:
        """The package and the standard library both inflate compressed data."""
        assert gunzip(compress(data)) == gzip.decompress(compress(data)) == data

    def test_no_time_in_it(self) -> None:
        """Equal data gives equal bytes: the time in the header is 0."""
        assert compress(PLAIN) == compress(PLAIN)
        assert compress(PLAIN)[4:8] == bytes(4)


class TestGunzip:
    """Inflating with a size limit."""

    def test_members_of_the_tool(self) -> None:
        """Several members are joined."""
        assert gunzip(b64decode(MEMBERS)) == b"first second"

    @given(st.lists(st.binary(max_size=200), min_size=1, max_size=6), st.integers(0, 9))
    def test_any_members(self, pieces: list[bytes], level: int) -> None:
        """Any members at any level, empty members too, are joined."""
        data = b"".join(gzip.compress(piece, level) for piece in pieces)
        whole = b"".join(pieces)
        assert gunzip(data) == gunzip(data, max_size=len(whole)) == whole
        if whole:
            assert stage(data, len(whole) - 1) == "size"

    def test_optional_header_fields(self) -> None:
        """A member with a file name, as the tool writes it, is read."""
        raw = zlib.compress(b"named", wbits=-15)
        header = b"\x1f\x8b\x08\x08" + bytes(6) + b"name.json\x00"
        tail = zlib.crc32(b"named").to_bytes(4, "little") + (5).to_bytes(4, "little")
        assert gunzip(header + raw + tail) == b"named"

    @pytest.mark.parametrize(
        "data",
        [compress(PLAIN), b64decode(MEMBERS), gzip.compress(bytes(range(256)), 0)],
        ids=["pushed", "members", "stored"],  # names of tests must not depend on the second of the start
    )
    def test_truncated_at_every_byte(self, data: bytes) -> None:
        """Gzip data cut off at any byte is refused, except between two members."""
        for length in range(len(data)):
            if data[length:].startswith(b"\x1f\x8b\x08") and length:
                assert gunzip(data[:length]) == b"first "
            else:
                assert stage(data[:length]) == "inflate"

    @pytest.mark.parametrize("wbits", [15, -15], ids=["zlib", "raw"])
    def test_other_formats(self, wbits: int) -> None:
        """Deflated data in another format than gzip is refused."""
        assert stage(zlib.compress(PLAIN, wbits=wbits)) == "inflate"

    @given(st.binary(min_size=1, max_size=40))
    @example(b"\x00")
    @example(b"\n")
    @example(b"\x1f")
    @example(b"\x1f\x8b")
    @example(compress(b"")[:-1])
    def test_a_tail(self, tail: bytes) -> None:
        """Trailing bytes that are no gzip member are refused."""
        assert stage(compress(PLAIN) + tail) == "inflate"

    @pytest.mark.parametrize("place", range(-8, 0))
    @pytest.mark.parametrize("bit", [0, 7])
    def test_a_damaged_trailer(self, place: int, bit: int) -> None:
        """A checksum or a length with a wrong bit is refused."""
        data = bytearray(compress(PLAIN))
        data[place] ^= 1 << bit
        assert stage(bytes(data)) == "inflate"

    @given(st.integers(0), st.integers(0, 7))
    def test_any_damaged_bit(self, place: int, bit: int) -> None:
        """Data with a wrong bit is refused, unless the bit has no influence on the contents."""
        data = bytearray(compress(PLAIN))
        data[place % len(data)] ^= 1 << bit
        try:
            assert gunzip(bytes(data)) == PLAIN
        except PushError as error:
            assert error.stage == "inflate"  # noqa: PT017 - either end is right

    @pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 100_000])
    @pytest.mark.parametrize("filler", [b"\0", b"0123456789"])
    @pytest.mark.parametrize("level", [0, 1, 9])
    def test_the_bound_is_exact(self, size: int, filler: bytes, level: int) -> None:
        """Output of exactly max_size bytes is inflated; a limit below that is refused."""
        text = (filler * size)[:size]
        data = gzip.compress(text, level)
        assert gunzip(data, max_size=size) == text
        assert gunzip(data, max_size=size + 1) == text
        if size:
            assert stage(data, size - 1) == "size"
            assert stage(data, 0) == "size"

    @pytest.mark.parametrize("max_size", [-1, -2, -MAX_SIZE])
    def test_a_bound_below_zero(self, max_size: int) -> None:
        """A negative limit is an InvalidRequestError."""
        with pytest.raises(InvalidRequestError) as caught:
            gunzip(compress(b""), max_size=max_size)
        assert (caught.value.field, caught.value.actual) == ("max_size", max_size)

    @pytest.mark.slow
    def test_a_bomb_within_python(self) -> None:
        """A bomb of 200 MiB in 200 KiB is refused before the memory use passes the limit."""
        bomb = _bomb(200 * MIB)
        assert len(bomb) < 256 * 1024
        for max_size in (0, 1, MIB, 4 * MIB):
            tracemalloc.start()
            try:
                found = stage(bomb, max_size)
                _, peak = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()
            assert found == "size"
            assert peak < max_size * 1.05 + 16 * CHUNK

    def test_a_bomb_within_the_process(self) -> None:
        """A process with less memory than the bomb's output refuses the bomb."""
        code = (
            "import resource, sys\n"
            "from emay_voice_async.errors import PushError\n"
            "from emay_voice_async.wire.compression import gunzip\n"
            "used = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()\n"
            "resource.setrlimit(resource.RLIMIT_AS, (used + 40 * 2**20,) * 2)\n"
            "try:\n"
            "    gunzip(sys.stdin.buffer.read(), max_size=16 * 2**20)\n"
            "except PushError as error:\n"
            "    print(error.stage)\n"
        )
        if not sys.platform.startswith("linux"):
            pytest.skip("the limit is Linux's")
        done = subprocess.run(
            [sys.executable, "-c", code], input=_bomb(200 * MIB), capture_output=True, check=True
        )
        assert done.stdout.strip() == b"size"

    @settings(deadline=None)
    @given(
        st.binary(max_size=64), st.sampled_from([b"", b"\x1f\x8b\x08", compress(b"x")[:10], compress(b"x")])
    )
    def test_any_bytes(self, data: bytes, head: bytes) -> None:
        """Any bytes, with or without a gzip header, are inflated or raise PushError."""
        try:
            gunzip(head + data, max_size=1000)
        except PushError as error:
            assert error.stage in ("inflate", "size")  # noqa: PT017 - either end is right
        else:
            assert (head + data).startswith(b"\x1f\x8b")

    def test_many_small_members(self) -> None:
        """Ten thousand empty members are inflated in linear time."""
        assert gunzip(compress(b"") * 10_000 + compress(b"end")) == b"end"


@cache
def _bomb(size: int) -> bytes:
    """Compress zeros piece by piece."""
    packer = zlib.compressobj(9, wbits=31)
    return b"".join(packer.compress(bytes(MIB)) for _ in range(size // MIB)) + packer.flush()
