"""The receiver: confirmed, refused and rejected pushes."""

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from support.pushes import (
    APP_ID,
    KEY,
    KEYS,
    MOBILE,
    OTHER_ID,
    OTHER_KEY,
    PUSH,
    SUCCESS,
    Exchange,
    Handler,
    Rejections,
    entry,
    fail,
    hang,
    push,
    seal,
    status,
    swallow,
    text_of,
)
from support.virtual_time import now, run

from emay_voice_async import CallState, Product, Report
from emay_voice_async.receiver import PushReceiver, RecentReports
from emay_voice_async.wire.encryption import compress, encrypt


class TestConfirming:
    """A push is confirmed when its reports were handled."""

    def test_reports_are_handed_over_and_confirmed(self) -> None:
        """The handler gets typed reports, and the service gets ``success``."""
        handler = Handler()
        answer = run(Exchange().play(PushReceiver(KEYS, handler)))
        assert answer is not None
        assert (answer.status, answer.body) == SUCCESS
        assert b"connection" not in answer.headers
        [report] = handler.reports
        assert (report.product, report.app_id, report.mobile) == (Product.VOICE, APP_ID, MOBILE)
        assert report.state is CallState.SUCCESS

    def test_a_push_is_confirmed_after_the_handler_returned(self) -> None:
        """No response is sent while the handler is running."""

        async def main() -> None:
            ready, go = asyncio.Event(), asyncio.Event()

            async def on_reports(_: list[Report]) -> None:
                ready.set()
                await go.wait()

            exchange = Exchange()
            task = asyncio.create_task(exchange.play(PushReceiver(KEYS, on_reports)))
            await ready.wait()
            assert not exchange.sent
            go.set()
            answer = await task
            assert answer is not None
            assert answer.status == 200

        run(main())

    def test_a_push_without_reports_is_confirmed(self) -> None:
        """An empty push is confirmed without a call of the handler."""
        handler = Handler()
        assert run(push(PushReceiver(KEYS, handler), seal(text_of()))) == SUCCESS
        assert not handler.begun

    @pytest.mark.parametrize("app_id", ["", "SOMEBODY-ELSE"])
    def test_reports_keep_the_account_that_they_name(self, app_id: str) -> None:
        """The header chooses the key and does not change the reports."""
        handler = Handler()
        run(push(PushReceiver(KEYS, handler), seal(text_of(entry(appId=app_id)))))
        assert [report.app_id for report in handler.reports] == [app_id]

    def test_each_account_has_its_key(self) -> None:
        """A receiver serves several accounts."""
        handler = Handler()
        app = PushReceiver(KEYS, handler)
        assert run(push(app, seal(text_of(entry("m2")), OTHER_KEY), app_ids=[OTHER_ID])) == SUCCESS
        assert handler.done == [["m2"]]


class TestRefusing:
    """Refusals, and how little work each takes."""

    @pytest.mark.parametrize("app_ids", [[], [""], ["nobody"], [APP_ID, APP_ID], [APP_ID, OTHER_ID]])
    def test_an_account_is_named_once_and_known(self, app_ids: list[str]) -> None:
        """Without a known account the body is not read."""
        exchange = Exchange(app_ids=app_ids)
        answer = run(exchange.play(PushReceiver(KEYS, Handler())))
        assert answer is not None
        assert (answer.status, answer.body) == (403, b"forbidden")
        assert exchange.reads == 0

    @pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "OPTIONS"])
    def test_only_post_is_served(self, method: str) -> None:
        """Another method is refused, with POST as the allowed method."""
        exchange = Exchange(method=method)
        answer = run(exchange.play(PushReceiver(KEYS, Handler())))
        assert answer is not None
        assert answer.status == 405
        assert answer.headers[b"allow"] == b"POST"
        assert exchange.reads == 0

    @pytest.mark.parametrize(
        "body",
        [
            pytest.param(b"", id="empty"),
            pytest.param(b"garbage", id="no whole blocks"),
            pytest.param(bytes(64), id="no padding"),
            pytest.param(seal(text_of(entry()), OTHER_KEY), id="another key"),
            pytest.param(encrypt(text_of(entry()), KEY), id="not compressed"),
            pytest.param(encrypt(compress(text_of(entry()))[:-9], KEY), id="cut off"),
            pytest.param(seal(b"hello"), id="no JSON"),
            pytest.param(seal(b'"hello"'), id="no list"),
            pytest.param(text_of(entry()), id="plain"),
            pytest.param(b"reports=%5B%5D", id="plain form"),
        ],
    )
    def test_all_unreadable_bodies_get_the_same_response(self, body: bytes) -> None:
        """The response does not tell at which stage decoding failed, and no report is handed over."""
        handler = Handler()
        assert run(push(PushReceiver(KEYS, handler), body)) == (400, b"the push cannot be read")
        assert not handler.begun


class TestKeys:
    """Keys from an async function, for many accounts."""

    def test_a_function_finds_the_key(self) -> None:
        """The function gets the app_id of the header; None means an unknown account."""
        asked = []

        async def find(app_id: str) -> str | None:
            asked.append(app_id)
            return KEYS.get(app_id)

        app = PushReceiver(find, Handler())
        assert run(push(app)) == SUCCESS
        assert run(status(app, app_ids=["nobody"])) == 403
        assert run(status(app, app_ids=[])) == 403
        assert asked == [APP_ID, "nobody"]

    @pytest.mark.parametrize("key", ["short", 7])
    def test_an_unusable_key_is_answered_500(self, key: Any) -> None:
        """The service can push again when the key is mended."""

        async def find(_: str) -> Any:
            return key

        assert run(status(PushReceiver(find, Handler()))) == 500

    def test_a_function_that_fails_is_logged(self, caplog: pytest.LogCaptureFixture) -> None:
        """The push can come again, and the log says why."""

        async def find(_: str) -> str:
            raise LookupError("no vault")

        exchange = Exchange()
        answer = run(exchange.play(PushReceiver(find, Handler())))
        assert answer is not None
        assert answer.status == 500
        assert exchange.reads == 0
        assert "no vault" in caplog.text

    def test_a_function_that_hangs_is_cancelled(self) -> None:
        """The function is cancelled after ``handler_timeout`` seconds."""

        async def find(_: str) -> str:
            await hang()
            raise AssertionError

        async def main() -> None:
            start = now()
            assert await status(PushReceiver(find, Handler(), handler_timeout=4)) == 500
            assert now() - start == 4

        run(main())

    def test_a_mapping_may_change(self) -> None:
        """An account that is added later is served."""
        keys: dict[str, str | bytes] = {}
        app = PushReceiver(keys, Handler())
        assert run(status(app)) == 403
        keys[APP_ID] = KEY.encode()
        assert run(push(app)) == SUCCESS


class TestFailing:
    """A push whose handler failed is not confirmed."""

    def test_a_handler_that_fails_is_logged(self, caplog: pytest.LogCaptureFixture) -> None:
        """The push can come again, the log says why, and the next push is served."""
        handler = Handler(fail)
        app = PushReceiver(KEYS, handler)
        assert run(push(app)) == (500, b"the push could not be handled")
        assert "no database" in caplog.text
        assert run(push(app)) == SUCCESS
        assert handler.done == [["m1"]]

    @pytest.mark.parametrize("step", [hang, swallow])
    @pytest.mark.parametrize("seconds", [30.0, 0.5])
    def test_a_handler_that_hangs_is_stopped(
        self, step: Callable[[], Awaitable[None]], seconds: float
    ) -> None:
        """The push is not confirmed, even if the handler suppresses the cancellation."""

        async def main() -> None:
            app, start = PushReceiver(KEYS, Handler(step), handler_timeout=seconds), now()
            assert await status(app) == 500
            assert now() - start == seconds
            assert await push(app) == SUCCESS

        run(main())

    def test_a_handler_may_take_its_time(self) -> None:
        """Without a timeout a day is not too long."""
        handler = Handler(lambda: asyncio.sleep(86_400))
        assert run(push(PushReceiver(KEYS, handler, handler_timeout=None))) == SUCCESS

    def test_a_handler_that_is_not_async_confirms_nothing(self) -> None:
        """A result that cannot be awaited is answered with 500."""
        app = PushReceiver(KEYS, lambda _: None)  # type: ignore[arg-type,return-value]
        assert run(status(app)) == 500

    @pytest.mark.parametrize("store", [None, RecentReports()])
    def test_a_server_that_stops_confirms_nothing(self, store: RecentReports | None) -> None:
        """Cancelled while the handler is running, the application sends no response."""

        async def main() -> None:
            ready = asyncio.Event()

            async def stuck() -> None:
                ready.set()
                await hang()

            exchange, handler = Exchange(), Handler(stuck)
            app = PushReceiver(KEYS, handler, deduplicate=store)
            task = asyncio.create_task(exchange.play(app))
            await ready.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert not exchange.sent
            assert await push(app) == SUCCESS
            assert handler.done == [["m1"]]

        run(main())


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


class TestRejected:
    """Undecodable pushes are handed to ``on_rejected``."""

    def test_a_push_that_cannot_be_read_is_kept_whole(self) -> None:
        """``on_rejected`` gets the body as it arrived; the response is 400."""
        handler, rejections = Handler(), Rejections()
        app = PushReceiver(KEYS, handler, on_rejected=rejections)
        body = seal(text_of(entry()), OTHER_KEY)
        assert run(status(app, body)) == 400
        [rejected] = rejections.kept
        assert (rejected.app_id, rejected.body, rejected.error.stage) == (APP_ID, body, "decrypt")
        assert not handler.begun

    def test_a_push_that_inflates_too_far_is_kept(self) -> None:
        """A push that is too large when inflated is handed over, and answered 413."""
        rejections = Rejections()
        assert run(status(PushReceiver(KEYS, Handler(), on_rejected=rejections, max_size=10))) == 413
        assert [(rejected.body, rejected.error.stage) for rejected in rejections.kept] == [(PUSH, "size")]

    @pytest.mark.parametrize("entries", [[entry(), 7, entry("m2")], [7], [entry(), {}]])
    def test_the_broken_part_is_handed_over_apart(self, entries: list[object]) -> None:
        """Each entry of the push is handed either to the handler or to ``on_rejected``."""
        handler, rejections = Handler(), Rejections()
        body = seal(text_of(*entries))
        assert run(push(PushReceiver(KEYS, handler, on_rejected=rejections), body)) == SUCCESS
        [rejected] = rejections.kept
        assert rejected.body == body
        assert len(rejected.error.broken) + len(handler.reports) == len(entries)
        assert list(rejected.error.reports) == handler.reports

    def test_reports_are_handled_before_the_broken_part(self) -> None:
        """After a failure of the handler the broken part is handed over with the repeated push only."""
        handler, rejections = Handler(fail), Rejections()
        app = PushReceiver(KEYS, handler, on_rejected=rejections)
        body = seal(text_of(entry(), 7))
        assert run(status(app, body)) == 500
        assert not rejections.kept
        assert run(status(app, body)) == 200
        assert (len(handler.done), len(rejections.kept)) == (1, 1)

    @pytest.mark.parametrize(("body", "then"), [(seal(text_of(entry(), 7)), 200), (b"garbage", 400)])
    def test_a_failure_of_on_rejected_is_answered_500(self, body: bytes, then: int) -> None:
        """A failure of ``on_rejected`` is answered 500; the repeated push hands no report over twice."""
        handler, rejections = Handler(), Rejections(OSError("disk full"))
        app = PushReceiver(KEYS, handler, on_rejected=rejections, deduplicate=RecentReports())
        assert run(status(app, body)) == 500
        assert run(status(app, body)) == then
        assert len(rejections.kept) == 2
        assert len(handler.done) <= 1

    def test_an_on_rejected_that_hangs_is_cancelled(self) -> None:
        """The function is cancelled after ``handler_timeout`` seconds."""

        async def main() -> None:
            start = now()
            app = PushReceiver(KEYS, Handler(), on_rejected=lambda _: hang(), handler_timeout=3)
            assert await status(app, b"garbage") == 500
            assert now() - start == 3

        run(main())

    def test_without_on_rejected_broken_entries_are_counted(self, caplog: pytest.LogCaptureFixture) -> None:
        """The log has the number of broken entries and none of their content."""
        broken = {"voiceId": "m1", "mobile": MOBILE, "state": "SUCCESS", "callingTime": "yesterday"}
        assert run(push(PushReceiver(KEYS, Handler()), seal(text_of(broken, 7, entry("m2"))))) == SUCCESS
        [record] = [one for one in caplog.records if one.levelno == logging.WARNING]
        assert "2 broken entries" in record.getMessage()
        assert MOBILE not in caplog.text
        assert "yesterday" not in caplog.text

    def test_a_rejected_push_shows_nothing_of_its_content(self) -> None:
        """The repr shows neither body nor mobile."""
        rejections = Rejections()
        run(push(PushReceiver(KEYS, Handler(), on_rejected=rejections), seal(text_of({"mobile": [MOBILE]}))))
        assert MOBILE not in repr(rejections.kept)
        assert f"<{len(rejections.kept[0].body)} bytes>" in repr(rejections.kept)
