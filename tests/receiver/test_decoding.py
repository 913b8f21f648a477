"""Decoding of pushes within bounds."""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from support.pushes import (
    APP_ID,
    KEY,
    KEYS,
    NETWORKS,
    SUCCESS,
    Handler,
    Rejections,
    entry,
    push,
    seal,
    status,
    text_of,
)
from support.virtual_time import run

from emay_voice_async.receiver import PushReceiver


class Key(str):
    """A key that records the threads in which it is used."""

    __slots__ = ("users",)

    users: list[threading.Thread]

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        """Encode, and note the thread."""
        self.users.append(threading.current_thread())
        return super().encode(encoding, errors)


class TestDecoding:
    """Decoding that takes long does not hold up the event loop."""

    @pytest.mark.parametrize(("length", "in_thread"), [(4 * 1024, False), (4 * 1024 + 16, True)])
    def test_large_pushes_are_decoded_in_a_thread(self, length: int, *, in_thread: bool) -> None:
        """Small bodies are decoded on the event loop, larger bodies in a thread."""
        key = Key(KEY)
        key.users = []
        app = PushReceiver({APP_ID: key}, Handler())
        key.users.clear()
        assert run(status(app, bytes(length))) == 400
        assert {thread is not threading.main_thread() for thread in key.users} == {in_thread}

    def test_large_pushes_are_handed_over(self) -> None:
        """A thousand reports come in order."""
        handler = Handler()
        body = seal(text_of(*(entry(f"m{number}", customVoiceId=str(number**9)) for number in range(1000))))
        assert len(body) > 4 * 1024
        assert run(push(PushReceiver(KEYS, handler), body)) == SUCCESS
        assert handler.done == [[f"m{number}" for number in range(1000)]]

    def test_a_small_body_that_inflates_far_is_decoded_in_a_thread(self) -> None:
        """The inflated size counts, not the size of the body."""
        key = Key(KEY)
        key.users = []
        app = PushReceiver({APP_ID: key}, Handler())
        key.users.clear()
        body = seal(text_of(entry(), *[None] * 20_000))
        assert len(body) < 4 * 1024
        assert run(status(app, body, client=None)) == 400
        assert any(thread is not threading.main_thread() for thread in key.users)

    @pytest.mark.parametrize("data", [b"[" + b"[]," * 20_000 + b"[]]", text_of(*[entry()] * 20_001), b"[]"])
    @pytest.mark.parametrize("plain", [False, True])
    def test_too_many_entries(self, data: bytes, *, plain: bool) -> None:
        """A push with more than ``max_reports`` entries, readable or not, is answered 400."""
        handler, rejections = Handler(), Rejections()
        app = PushReceiver(
            KEYS,
            handler,
            allow_plain=True,
            plain_networks=NETWORKS,
            on_rejected=rejections,
            max_reports=20_000,
        )
        expected = 200 if data == b"[]" else 400
        assert run(status(app, data if plain else seal(data))) == expected
        assert not handler.begun
        assert [rejected.error.stage for rejected in rejections.kept] == ["decode"] * (expected == 400)

    @pytest.mark.parametrize("count", [9, 10, 11])
    def test_max_reports(self, count: int) -> None:
        """``max_reports`` reports are handed over, and no more."""
        handler = Handler()
        app = PushReceiver(KEYS, handler, max_reports=10)
        body = seal(text_of(*(entry(f"m{number}") for number in range(count))))
        assert run(status(app, body)) == (200 if count <= 10 else 400)
        assert len(handler.reports) == (count if count <= 10 else 0)

    def test_decoding_is_bounded_in_time(self) -> None:
        """Decoding that takes longer than ``handler_timeout`` is answered 500; the thread keeps its share."""
        go = threading.Event()

        class SlowKey(str):
            __slots__ = ()

            def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
                if threading.current_thread() is not threading.main_thread():
                    go.wait(10)
                return super().encode(encoding, errors)

        async def main() -> None:
            app = PushReceiver({APP_ID: SlowKey(KEY)}, Handler(), handler_timeout=0.05, max_requests=1)
            try:
                assert await status(app, bytes(8 * 1024)) == 500
                assert await status(app) == 503
            finally:
                go.set()
            while app._load.requests:
                await asyncio.sleep(0)
            assert app._load.bytes == 0
            assert await push(app) == SUCCESS

        asyncio.run(main())

    def test_few_threads_at_once(self) -> None:
        """At most four pushes are decoded in threads at once; the others wait for their turn."""
        running, most, lock = 0, 0, threading.Lock()

        class CountingKey(str):
            __slots__ = ()

            def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
                nonlocal running, most
                if threading.current_thread() is not threading.main_thread():
                    with lock:
                        running += 1
                        most = max(most, running)
                    time.sleep(0.02)  # long enough for the other threads to begin
                    with lock:
                        running -= 1
                return super().encode(encoding, errors)

        async def main() -> None:
            app = PushReceiver({APP_ID: CountingKey(KEY)}, Handler())
            assert await asyncio.gather(*(status(app, bytes(8 * 1024)) for _ in range(12))) == [400] * 12

        asyncio.run(main())
        assert 1 < most <= 4

    def test_without_threads(self) -> None:
        """A push that cannot be decoded in a thread is answered 500, and does not keep a place."""

        async def main() -> None:
            app = PushReceiver(KEYS, Handler())
            executor = ThreadPoolExecutor()
            asyncio.get_running_loop().set_default_executor(executor)
            executor.shutdown()
            for _ in range(9):
                assert await status(app, bytes(8 * 1024)) == 500
            assert (app._load.requests, app._load.bytes) == (0, 0)
            assert await push(app) == SUCCESS

        asyncio.run(main())

    def test_a_plain_push_is_bounded_like_an_inflated_one(self) -> None:
        """``max_size`` bounds plain pushes, too."""
        app = PushReceiver(KEYS, Handler(), allow_plain=True, plain_networks=NETWORKS, max_size=100)
        assert run(status(app, text_of(entry(fill="x" * 200)))) == 413
        assert run(status(app, text_of())) == 200
