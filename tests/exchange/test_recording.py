"""The bytes of a response, recorded below the HTTP library."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emay_voice_async.exchange.recording import Recording, tap


class Stream:
    """A network stream of a few pieces."""

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = list(pieces)
        self.asked: list[tuple[Any, ...]] = []

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read a piece."""
        self.asked.append((max_bytes, timeout))
        return self.pieces.pop(0)


class TestRecording:
    """Pieces of a response."""

    def test_pieces_of_this_task_are_recorded(self) -> None:
        """Reads of this task are recorded while the recording runs; the stream's results do not change."""

        async def main() -> None:
            stream = Stream(b"a", b"b", b"c", b"d")
            tap(stream)
            recording = Recording()
            assert not recording
            assert await stream.read(1) == b"a"
            with recording.running():
                assert await stream.read(2, timeout=3) == b"b"
                assert await stream.read(max_bytes=4) == b"c"
            assert await stream.read(5) == b"d"
            assert recording.raw == b"bc"
            assert recording
            assert stream.asked == [(1, None), (2, 3), (4, None), (5, None)]

        asyncio.run(main())

    def test_tasks_are_recorded_apart(self) -> None:
        """Two tasks with a connection each have recordings of their own."""

        async def read(stream: Stream) -> bytes:
            recording = Recording()
            with recording.running():
                for _ in range(2):
                    await stream.read(1)
                    await asyncio.sleep(0)
            return recording.raw

        async def main() -> None:
            streams = Stream(b"a", b"b"), Stream(b"c", b"d")
            for stream in streams:
                tap(stream)
            assert await asyncio.gather(*map(read, streams)) == [b"ab", b"cd"]

        asyncio.run(main())

    def test_an_error_of_the_stream(self) -> None:
        """An error of the stream comes out, and the pieces before are kept."""

        async def main() -> None:
            stream = Stream(b"a")
            tap(stream)
            recording = Recording()
            with recording.running():
                await stream.read(1)
                with pytest.raises(IndexError):
                    await stream.read(1)
            assert recording.raw == b"a"

        asyncio.run(main())

    @given(st.lists(st.binary(max_size=5), max_size=4), st.integers(0, 20))
    def test_more_than_the_body(self, pieces: list[bytes], length: int) -> None:
        """The bytes after the head are compared with the length of the body."""
        recording = Recording()
        assert not recording.has_more_than(0)
        recording.add(b"HTTP/1.1 200 OK\r\n\r\n")
        for piece in pieces:
            recording.add(piece)
        assert recording.has_more_than(length) is (len(b"".join(pieces)) > length)

    def test_clear(self) -> None:
        """A cleared recording is empty, and its repr never has bytes."""
        recording = Recording()
        recording.add(b"secret")
        assert "secret" not in repr(recording)
        recording.clear()
        assert recording.raw == b""
