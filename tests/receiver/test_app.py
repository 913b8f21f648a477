"""The receiver: confirmed, refused and rejected pushes."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
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
from emay_voice_async.receiver import PushReceiver, RecentReports, Rejected
from emay_voice_async.wire.compression import compress
from emay_voice_async.wire.encryption import encrypt


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

    @pytest.mark.parametrize("app_id", ["", "  ", None, f" {APP_ID} "])
    def test_an_empty_account_is_filled_in(self, app_id: str | None) -> None:
        """A report without an account gets the account whose key opened the push."""
        handler = Handler()
        assert run(push(PushReceiver(KEYS, handler), seal(text_of(entry(appId=app_id))))) == SUCCESS
        assert [report.app_id for report in handler.reports] == [APP_ID]

    @pytest.mark.parametrize("count", [1, 300])
    @pytest.mark.parametrize("foreign", [OTHER_ID, "UNKNOWN"])
    def test_reports_of_another_account_are_broken(self, foreign: str, count: int) -> None:
        """A report that names another account than the push is rejected, and the others are handed over."""
        handler, rejections = Handler(), Rejections()
        app = PushReceiver(KEYS, handler, on_rejected=rejections)
        entries = [entry("m1"), *(entry(f"x{number}", appId=foreign) for number in range(count)), 7]
        assert run(push(app, seal(text_of(*entries)))) == SUCCESS
        assert handler.done == [["m1"]]
        [rejected] = rejections.kept
        assert rejected.app_id == APP_ID
        assert list(rejected.error.reports) == handler.reports
        assert rejected.error.broken[0][0] == 7
        assert rejected.error.broken_count == count + 1
        assert len(rejected.error.broken) == min(count + 1, 100)
        for raw, reason in rejected.error.broken[1:]:
            assert raw["app_id"] == foreign
            assert reason == "the report names another account than the push"
        assert json.dumps([raw for raw, _ in rejected.error.broken])

    def test_each_account_has_its_key(self) -> None:
        """A receiver serves several accounts."""
        handler = Handler()
        app = PushReceiver(KEYS, handler)
        assert (
            run(push(app, seal(text_of(entry("m2", appId=OTHER_ID)), OTHER_KEY), app_ids=[OTHER_ID]))
            == SUCCESS
        )
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

        async def hang_on(_: Rejected) -> None:
            await hang()

        async def main() -> None:
            start = now()
            app = PushReceiver(KEYS, Handler(), on_rejected=hang_on, handler_timeout=3)
            assert await status(app, b"garbage") == 500
            assert now() - start == 3

        run(main())

    def test_without_on_rejected_broken_entries_are_counted(self, caplog: pytest.LogCaptureFixture) -> None:
        """The log has the number of broken entries and none of their content."""
        broken = [MOBILE, "yesterday"]
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

    def test_without_on_rejected_rejected_pushes_are_kept(self) -> None:
        """Without ``on_rejected`` the raw push is in ``rejected``, until it is taken."""
        app = PushReceiver(KEYS, Handler())
        partly = seal(text_of(entry(), 7))
        assert run(push(app, partly)) == SUCCESS
        assert run(status(app, b"garbage")) == 400
        assert [(one.body, one.error.broken) for one in app.rejected] == [
            (partly, ((7, app.rejected[0].error.broken[0][1]),)),
            (b"garbage", ()),
        ]
        kept = list(app.rejected)
        assert app.take_rejected() == kept
        assert (app.rejected, app.take_rejected()) == ((), [])


class TestHandle:
    """``handle``, for frameworks other than ASGI."""

    @pytest.mark.parametrize(
        "headers",
        [
            {"appId": APP_ID},
            {"APPID": APP_ID, "Content-Type": "application/octet-stream"},
            [("appid", APP_ID)],
            [(b"appId", APP_ID.encode())],
        ],
    )
    @pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
    def test_headers_and_bodies_of_all_kinds(self, headers: Any, kind: Callable[[bytes], Any]) -> None:
        """Headers are a mapping or pairs, of str or bytes; the body is any bytes."""
        handler = Handler()
        response = run(PushReceiver(KEYS, handler).handle("POST", "/", headers, kind(PUSH), None))
        assert (response.status, response.body) == SUCCESS
        assert response.headers["content-type"].startswith("text/plain")
        assert handler.done == [["m1"]]

    def test_a_body_in_pieces(self) -> None:
        """The body may be an async iterable."""

        async def pieces() -> AsyncIterator[bytes]:
            for start in range(0, len(PUSH), 7):
                yield PUSH[start : start + 7]

        handler = Handler()
        response = run(PushReceiver(KEYS, handler).handle("POST", "/", {"appId": APP_ID}, pieces(), ""))
        assert (response.status, response.body) == SUCCESS

    def test_a_body_that_fails(self, caplog: pytest.LogCaptureFixture) -> None:
        """An exception of the body is answered 500 and logged."""

        async def pieces() -> AsyncIterator[bytes]:
            yield PUSH[:16]
            raise ConnectionResetError("the peer is gone")

        response = run(PushReceiver(KEYS, Handler()).handle("POST", "/", {"appId": APP_ID}, pieces(), ""))
        assert response.status == 500
        assert "the peer is gone" in caplog.text

    def test_a_header_that_comes_twice(self) -> None:
        """An account that is named twice is refused."""
        headers = [("appId", APP_ID), ("appId", APP_ID)]
        assert run(PushReceiver(KEYS, Handler()).handle("POST", "/", headers, PUSH, None)).status == 403

    @pytest.mark.parametrize(("size", "status"), [(16, 400), (1024, 413)])
    def test_a_whole_body_is_bounded(self, size: int, status: int) -> None:
        """A whole body is bounded by ``max_body``, too."""
        app = PushReceiver(KEYS, Handler(), max_body=512)
        assert run(app.handle("POST", "/", {"appId": APP_ID}, bytes(size), None)).status == status

    def test_another_method(self) -> None:
        """Another method is answered 405 with the allowed method."""
        response = run(PushReceiver(KEYS, Handler()).handle("GET", "/", {}, b"", None))
        assert (response.status, response.headers["allow"]) == (405, "POST")
