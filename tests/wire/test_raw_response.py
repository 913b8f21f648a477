"""Raw HTTP/1 responses with malformed headers."""

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emay_voice_async.wire.raw_response import is_json_object, salvaged

JSON = b'{"code":"SUCCESS","data":[{"voiceId":"1"}]}'
PAGE = b"<html>"
HEAD = b"HTTP/1.1 200 OK\r\n"


def chunks(body: bytes, size: int) -> bytes:
    """Write a body in chunks."""
    pieces = [body[place : place + size] for place in range(0, len(body), size)]
    return b"".join(b"%x;a=b\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


class TestSalvaged:
    """Status and body."""

    @pytest.mark.parametrize(
        "headers",
        [
            b"",
            b"Content-Length: abc\r\n",
            b"Content-Length: -1\r\n",
            b"Content-Length: 3\r\nContent-Length: 5\r\n",
            b"no colon\r\n",
            b"Transfer-Encoding: identity\r\n",
            b"Transfer-Encoding: chunked\r\n",
            b"Content-Encoding: gzip, gzip\r\n",
            b"X: \xff\r\n",
        ],
    )
    @pytest.mark.parametrize("end", [b"\r\n", b"\n"])
    def test_json_after_any_head(self, headers: bytes, end: bytes) -> None:
        """A JSON object after any head is the body."""
        head = (HEAD + headers).replace(b"\r\n", end)
        assert salvaged(head + end + JSON, max_size=1000) == (200, JSON)

    @pytest.mark.parametrize("size", [1, 7, 1000])
    @pytest.mark.parametrize("encoding", [b"", b"Content-Encoding: gzip\r\n"])
    def test_chunks(self, size: int, encoding: bytes) -> None:
        """Chunks are joined, and inflated."""
        body = gzip.compress(JSON) if encoding else JSON
        raw = HEAD + b"Transfer-Encoding: gzip, chunked\r\n" + encoding + b"\r\n" + chunks(body, size)
        assert salvaged(raw, max_size=1000) == (200, JSON)

    @pytest.mark.parametrize("status", [200, 302, 404, 500, 999])
    @pytest.mark.parametrize("body", [b"", PAGE, JSON[:-1], b"[]", b"\x1f\x8b", b"[" * 100_000])
    def test_other_bodies(self, status: int, body: bytes) -> None:
        """Any other body is all bytes after the head, with the status."""
        assert salvaged(b"HTTP/1.0 %d X\r\n\r\n" % status + body, max_size=1000) == (status, body)

    def test_interim_responses(self) -> None:
        """Interim responses before the response are skipped."""
        raw = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 X\r\nLink: a\r\n\r\n" + HEAD + b"\r\n" + JSON
        assert salvaged(raw, max_size=1000) == (200, JSON)

    @pytest.mark.parametrize(
        "raw",
        [b"", JSON, PAGE, HEAD, b"HTTP/1.1 200", b"HTTP/1.1 100 Continue\r\n\r\n", b"\x15\x03\x01\x00\x02"],
    )
    def test_without_a_head(self, raw: bytes) -> None:
        """Bytes without a whole head have the status 0, and are kept."""
        status, kept = salvaged(raw, max_size=1000)
        assert status == 0
        assert raw.endswith(kept)

    def test_the_limit(self) -> None:
        """A body that is too large when inflated is kept raw."""
        raw = gzip.compress(JSON + b" " * 1000)
        assert salvaged(HEAD + b"Content-Encoding: gzip\r\n\r\n" + raw, max_size=1000) == (200, raw)

    @given(
        st.binary(max_size=100), st.sampled_from([b"", HEAD, HEAD + b"Transfer-Encoding: chunked\r\n\r\n"])
    )
    def test_any_bytes(self, rest: bytes, head: bytes) -> None:
        """Any bytes give a status and a part of the bytes, without an exception."""
        status, body = salvaged(head + rest, max_size=1000)
        assert 0 <= status <= 999
        assert len(body) <= len(head + rest) or is_json_object(body)
