"""Bodies, read within bounds."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from support.pushes import (
    KEYS,
    PUSH,
    SUCCESS,
    Exchange,
    Handler,
    Message,
    push,
    seal,
    status,
)
from support.virtual_time import now, run

from emay_voice_async.receiver import PushReceiver


class TestBounds:
    """Size and time."""

    @pytest.mark.parametrize("length", [str(16 * 1024 * 1024 + 1), "9" * 30, "9" * 5000])
    def test_a_body_that_says_it_is_too_large_is_not_read(self, length: str) -> None:
        """The announced length is enough to refuse."""
        exchange = Exchange(headers=[(b"content-length", length.encode())])
        answer = run(exchange.play(PushReceiver(KEYS, Handler())))
        assert answer is not None
        assert answer.status == 413
        assert answer.headers[b"connection"] == b"close"
        assert exchange.reads == 0

    @pytest.mark.parametrize("length", [str(len(PUSH)), "0" * 17 + "1", "-1", "many", "²"])
    def test_an_unusable_length_is_ignored(self, length: str) -> None:
        """An unusable Content-Length is ignored."""
        headers = [(b"content-length", length.encode("latin-1"))]
        assert run(push(PushReceiver(KEYS, Handler()), headers=headers)) == SUCCESS

    def test_a_body_has_a_limit_to_the_byte(self) -> None:
        """A body of ``max_body`` bytes is read, and a longer body is refused."""
        assert run(status(PushReceiver(KEYS, Handler(), max_body=len(PUSH)), PUSH)) == 200
        assert run(status(PushReceiver(KEYS, Handler(), max_body=len(PUSH) - 1), PUSH)) == 413

    def test_an_endless_body_is_read_to_the_limit_only(self) -> None:
        """Of 100 MB in pieces, only the pieces up to the limit and the next piece are read."""
        piece, handler = bytes(64 * 1024), Handler()

        async def flood() -> AsyncIterator[Message]:
            for _ in range(1600):
                yield {"type": "http.request", "body": piece, "more_body": True}

        exchange = Exchange(source=flood())
        app = PushReceiver(KEYS, handler)
        answer = run(exchange.play(app))
        assert answer is not None
        assert answer.status == 413
        assert answer.headers[b"connection"] == b"close"
        assert exchange.reads == 16 * 1024 * 1024 // len(piece) + 1
        assert run(push(app)) == SUCCESS

    @pytest.mark.parametrize("blanks", [2_000_000, 50_000_000])
    def test_a_body_that_inflates_too_far_is_refused(self, blanks: int) -> None:
        """A gzip bomb is too large, decoded in place or in a thread, and the next push is served."""
        app = PushReceiver(KEYS, Handler(), max_size=1024 * 1024)
        assert run(status(app, seal(b"[" + b" " * blanks + b"]"))) == 413
        assert run(push(app)) == SUCCESS

    @pytest.mark.parametrize("seconds", [30.0, 2.5])
    def test_a_body_must_come_in_time(self, seconds: float) -> None:
        """The timeout counts for the whole body, not for each piece."""

        async def trickle() -> AsyncIterator[Message]:
            while True:
                await asyncio.sleep(1)
                yield {"type": "http.request", "body": b"x", "more_body": True}

        async def main() -> None:
            handler, start = Handler(), now()
            app = PushReceiver(KEYS, handler, body_timeout=seconds)
            answer = await Exchange(source=trickle()).play(app)
            assert answer is not None
            assert (answer.status, answer.headers[b"connection"]) == (408, b"close")
            assert now() - start == seconds
            assert not handler.begun
            assert await push(app) == SUCCESS

        run(main())

    def test_a_slow_body_may_be_waited_for(self) -> None:
        """Without a timeout a day is not too long."""

        async def slow() -> AsyncIterator[Message]:
            await asyncio.sleep(86_400)
            yield {"type": "http.request", "body": PUSH}

        assert run(push(PushReceiver(KEYS, Handler(), body_timeout=None), source=slow())) == SUCCESS
