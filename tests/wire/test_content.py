"""Bodies under right and wrong Content-Encoding headers."""

import gzip
import tracemalloc
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emay_voice_async.wire.content import TOO_LARGE, decoded

MIB = 1024 * 1024
JSON = b'{"code":"SUCCESS","data":[]}'
PAGE = b"<html>503</html>"


def raw_deflate(data: bytes) -> bytes:
    """Compress without a header."""
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


FORMATS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "zlib": zlib.compress,
    "raw deflate": raw_deflate,
}


class TestDecoded:
    """The body without its encoding."""

    @pytest.mark.parametrize("body", [JSON, PAGE, b"", b"\n " + JSON])
    @pytest.mark.parametrize("encodings", ["", " ", "identity", "Identity, "])
    def test_no_encoding(self, body: bytes, encodings: str) -> None:
        """Without an encoding the body is as it came."""
        assert decoded(body, encodings, max_size=100) == (body, None)

    @pytest.mark.parametrize("encodings", ["gzip", "GZIP", "x-gzip", "deflate", " gzip ", "identity, gzip"])
    @pytest.mark.parametrize("form", FORMATS)
    @pytest.mark.parametrize("body", [JSON, PAGE, b""])
    def test_inflated(self, encodings: str, form: str, body: bytes) -> None:
        """Each format of deflated data is inflated under each name of these encodings."""
        assert decoded(FORMATS[form](body), encodings, max_size=100) == (body, None)

    @pytest.mark.parametrize(
        "encodings", ["gzip", "deflate", "br", "zstd", "gzip, gzip", "gzip, deflate, br", "\u00e9"]
    )
    @pytest.mark.parametrize("body", [JSON, b" \r\n" + JSON, b"[]"])
    def test_json_under_a_wrong_header(self, encodings: str, body: bytes) -> None:
        """JSON as it stands is read under any header."""
        assert decoded(body, encodings, max_size=1) == (body, None)

    def test_gzip_without_a_header(self) -> None:
        """Data with the first bytes of gzip is inflated without a header, too."""
        assert decoded(gzip.compress(JSON), "", max_size=100) == (JSON, None)

    @pytest.mark.parametrize(
        "body", [PAGE, b"not gzip", b"\x1f\x8b", b"\x1f\x8b\x08" + bytes(30), b"\x78\x9c\xff"]
    )
    def test_not_compressed_as_stated(self, body: bytes) -> None:
        """Data that cannot be inflated is kept raw, with the reason."""
        kept, problem = decoded(body, "gzip", max_size=100)
        assert kept == body
        assert problem in ("the body is not compressed as stated", "the compressed body is cut off")

    @pytest.mark.parametrize("encodings", ["br", "zstd", "compress", "x-unknown"])
    def test_other_encodings(self, encodings: str) -> None:
        """Data under another encoding is kept raw."""
        assert decoded(PAGE, encodings, max_size=100) == (PAGE, "the content encoding is not supported")

    @pytest.mark.parametrize("encodings", ["gzip, gzip", "gzip,deflate", "br, gzip", "gzip, identity, gzip"])
    def test_stacked_encodings(self, encodings: str) -> None:
        """Stacked encodings are refused, and the raw bytes are kept."""
        raw = gzip.compress(gzip.compress(JSON))
        assert decoded(raw, encodings, max_size=MIB) == (raw, "the body has 2 content encodings")

    def test_two_layers_under_a_single_name(self) -> None:
        """Only one layer is inflated."""
        inner = gzip.compress(JSON)
        assert decoded(gzip.compress(inner), "gzip", max_size=MIB) == (inner, None)

    @pytest.mark.parametrize("form", FORMATS)
    @given(st.integers(1, 30))
    def test_cut_off(self, form: str, missing: int) -> None:
        """A cut-off body is inflated if the output is whole JSON, else kept raw."""
        raw = FORMATS[form](JSON)
        cut = raw[: max(1, len(raw) - missing)]
        body, problem = decoded(cut, "gzip", max_size=100)
        assert body in (JSON, cut)
        assert problem in ("the compressed body is cut off", "the body is not compressed as stated")

    def test_without_the_checksum(self) -> None:
        """Gzip data without its trailer is inflated."""
        assert decoded(gzip.compress(JSON)[:-8], "gzip", max_size=100)[0] == JSON

    def test_a_wrong_checksum(self) -> None:
        """Gzip data with a wrong checksum is not trusted."""
        raw = gzip.compress(JSON)[:-8] + bytes(8)
        assert decoded(raw, "gzip", max_size=100) == (raw, "the body is not compressed as stated")

    def test_bytes_after_the_end(self) -> None:
        """Bytes after the end of the data are ignored, such as the rest of a wrong Content-Length."""
        assert decoded(gzip.compress(JSON) + b"\r\n0\r\n", "gzip", max_size=100) == (JSON, None)

    @pytest.mark.parametrize("form", FORMATS)
    def test_the_limit(self, form: str) -> None:
        """Output of exactly the limit is accepted; more is refused with the raw bytes."""
        raw = FORMATS[form](PAGE)
        assert decoded(raw, "deflate", max_size=len(PAGE)) == (PAGE, None)
        assert decoded(raw, "deflate", max_size=len(PAGE) - 1) == (raw, TOO_LARGE)

    @pytest.mark.slow
    def test_a_bomb(self) -> None:
        """A bomb is refused before the memory use passes the limit."""
        packer = zlib.compressobj(9, wbits=31)
        bomb = b"".join(packer.compress(bytes(MIB)) for _ in range(100)) + packer.flush()
        tracemalloc.start()
        try:
            assert decoded(bomb, "gzip", max_size=MIB) == (bomb, TOO_LARGE)
            assert tracemalloc.get_traced_memory()[1] < 2 * MIB
        finally:
            tracemalloc.stop()

    @given(st.binary(max_size=80), st.text(max_size=20) | st.sampled_from(["gzip", "deflate", "gzip, gzip"]))
    def test_any_bytes_under_any_header(self, raw: bytes, encodings: str) -> None:
        """Any bytes under any header are inflated within the limit, or kept raw."""
        body, _ = decoded(raw, encodings, max_size=200)
        assert body == raw or len(body) <= 200
