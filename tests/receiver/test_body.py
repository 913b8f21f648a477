"""Bodies, read within bounds."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from urllib.parse import quote

import pytest
from support.pushes import (
    INSIDE,
    KEYS,
    NETWORKS,
    OTHER_KEY,
    OUTSIDE,
    PUSH,
    SUCCESS,
    Exchange,
    Handler,
    Message,
    Rejections,
    entry,
    fail,
    hang,
    push,
    seal,
    status,
    text_of,
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
            yield {"type": "http.request", "body": PUSH[:16] + piece[16:], "more_body": True}
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

    @pytest.mark.slow
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
            for byte in PUSH + bytes(1000):
                await asyncio.sleep(1)
                yield {"type": "http.request", "body": bytes([byte]), "more_body": True}

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


class TestStrangers:
    """Senders that do not know the key."""

    @pytest.mark.parametrize("start", [bytes(16), seal(text_of(entry()), OTHER_KEY)[:32], b"{" + b" " * 15])
    def test_a_stranger_is_refused_after_the_first_block(self, start: bytes) -> None:
        """A body in pieces that does not begin with gzip data is refused before another piece is awaited."""

        async def endless() -> AsyncIterator[Message]:
            yield {"type": "http.request", "body": start, "more_body": True}
            raise AssertionError("another piece was awaited")

        rejections = Rejections()
        exchange = Exchange(source=endless())
        answer = run(exchange.play(PushReceiver(KEYS, Handler(), on_rejected=rejections)))
        assert answer is not None
        assert (answer.status, answer.headers[b"connection"]) == (400, b"close")
        assert exchange.reads == 1
        [rejected] = rejections.kept
        assert (rejected.body, rejected.complete, rejected.error.stage) == (start, False, "decrypt")

    @pytest.mark.parametrize(("size", "reads"), [(1, 16), (5, 4), (15, 2)])
    def test_a_stranger_in_small_pieces(self, size: int, reads: int) -> None:
        """The check comes when 16 bytes have arrived."""

        async def small() -> AsyncIterator[Message]:
            while True:
                yield {"type": "http.request", "body": bytes(size), "more_body": True}

        exchange = Exchange(source=small())
        answer = run(exchange.play(PushReceiver(KEYS, Handler())))
        assert answer is not None
        assert answer.status == 400
        assert exchange.reads == reads

    @pytest.mark.parametrize(
        ("client", "body", "expected"),
        [
            (INSIDE, text_of(entry()), 200),
            (INSIDE, b"a=b&c=d&e=f&g=h&reports=" + quote(text_of(entry())).encode(), 200),
            (OUTSIDE, text_of(entry()), 403),
            (OUTSIDE, b"a=b&c=d&e=f&g=h&reports=" + quote(text_of(entry())).encode(), 400),
            (OUTSIDE, PUSH, 200),
        ],
    )
    def test_plain_pushes_in_pieces(self, client: str, body: bytes, expected: int) -> None:
        """A plain push in pieces is read to the end where plain pushes are accepted, and refused elsewhere."""
        app = PushReceiver(KEYS, Handler(), allow_plain=True, plain_networks=NETWORKS)
        headers = [(b"content-type", b"application/x-www-form-urlencoded")]
        pieces = [body[start : start + 20] for start in range(0, len(body), 20)]
        assert run(status(app, *pieces, client=(client, 1), headers=headers)) == expected


class TestTogether:
    """Bounds over all requests."""

    def test_requests_at_once(self) -> None:
        """Beyond ``max_requests`` requests at once a push is answered 503, and accepted again afterwards."""

        async def main() -> None:
            handler = Handler(*[lambda: asyncio.sleep(5)] * 3)
            app = PushReceiver(KEYS, handler, max_requests=2)
            statuses = await asyncio.gather(*(status(app) for _ in range(5)))
            assert statuses == [200, 200, 503, 503, 503]
            answer = await Exchange().play(app)
            assert answer is not None
            assert answer.status == 200

        run(main())

    def test_bytes_held(self) -> None:
        """Bodies of all requests together are held up to ``max_held`` bytes; the first of them ends well."""

        async def slow(body: bytes) -> AsyncIterator[Message]:
            for start in range(0, len(body), 16):
                await asyncio.sleep(1)
                yield {"type": "http.request", "body": body[start : start + 16], "more_body": True}
            yield {"type": "http.request"}

        async def main() -> None:
            app = PushReceiver(KEYS, Handler(), max_body=len(PUSH), max_held=2 * len(PUSH))
            answers = await asyncio.gather(*(Exchange(source=slow(PUSH)).play(app) for _ in range(6)))
            statuses = sorted(answer.status for answer in answers if answer)
            assert statuses.count(503) >= 2
            assert 200 in statuses
            refused = next(answer for answer in answers if answer and answer.status == 503)
            assert (refused.headers[b"connection"], refused.headers[b"retry-after"]) == (b"close", b"1")
            assert (app._load.requests, app._load.bytes) == (0, 0)
            assert await push(app) == SUCCESS

        run(main())

    def test_unfinished_bodies_of_strangers_hold_no_memory(self) -> None:
        """Without the key, unfinished bodies of 15 MB hold no more than their first pieces."""

        async def unfinished() -> AsyncIterator[Message]:
            for _ in range(15 * 16):
                yield {"type": "http.request", "body": bytes(64 * 1024), "more_body": True}
            await hang()

        async def main() -> None:
            app = PushReceiver(KEYS, Handler())
            answers = await asyncio.gather(*(Exchange(source=unfinished()).play(app) for _ in range(40)))
            assert [answer.status for answer in answers if answer] == [400] * 40
            assert sum(len(rejected.body) for rejected in app.rejected) == 40 * 64 * 1024

        run(main())

    @pytest.mark.parametrize("step", [fail, hang])
    def test_a_failed_request_gives_back_its_share(self, step: Callable[[], Awaitable[None]]) -> None:
        """After failures of all kinds no request is counted."""

        async def main() -> None:
            app = PushReceiver(KEYS, Handler(*[step] * 5), max_requests=1)
            for body in (PUSH, PUSH, b"garbage"):
                assert await status(app, body) in (400, 500)
            task = asyncio.create_task(push(app))
            await asyncio.sleep(1)
            task.cancel()
            await asyncio.wait([task])
            assert (app._load.requests, app._load.bytes) == (0, 0)

        run(main())
