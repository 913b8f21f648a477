"""Pushes received: what is confirmed, what is refused, and what comes twice."""

import asyncio
import json
import logging
import random
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
import uvicorn
from attrs import field, frozen
from fastapi import FastAPI
from support.virtual_time import CancellingLoop, cancel_everywhere, now, run

from emay_voice_async import CallState, InvalidRequestError, Product, PushError, Report
from emay_voice_async.receiver.app import PushReceiver, RecentReports, Rejected, ReportStore
from emay_voice_async.receiver.deduplication import Claim, report_key
from emay_voice_async.wire.encryption import compress, decrypt, encrypt

APP_ID, KEY = "EMAY-APP-1", "1234567890abcdef"
OTHER_ID, OTHER_KEY = "EMAY-APP-2", "fedcba0987654321"
KEYS = {APP_ID: KEY, OTHER_ID: OTHER_KEY}
MOBILE = "13812345678"
INSIDE, OUTSIDE = "203.0.113.9", "198.51.100.7"
NETWORKS = ["203.0.113.0/24"]
TOKEN = "a-long-secret-token"
Message = dict[str, Any]


def entry(message_id: str = "m1", state: str = "SUCCESS", **values: object) -> dict[str, object]:
    """Write one report as the service does."""
    return {"appId": APP_ID, "voiceId": message_id, "mobile": MOBILE, "state": state, **values}


def text_of(*entries: object) -> bytes:
    """Write the JSON of a push."""
    return json.dumps({"code": "SUCCESS", "data": list(entries)}).encode()


def seal(data: bytes, key: str = KEY) -> bytes:
    """Make the body of an encrypted push."""
    return encrypt(compress(data), key)


PUSH = seal(text_of(entry()))


@frozen
class Answer:
    """What the application sent."""

    status: int
    body: bytes
    headers: dict[bytes, bytes] = field(repr=False)


SUCCESS = (200, b"success")


class Exchange:
    """One request, driven by hand: what the application reads and what it sends."""

    def __init__(
        self,
        *chunks: bytes,
        app_ids: Sequence[str] = (APP_ID,),
        client: tuple[str, int] | None = (INSIDE, 50_000),
        headers: Sequence[tuple[bytes, bytes]] = (),
        http_version: str = "1.1",
        method: str = "POST",
        path: str = "/push",
        source: AsyncIterator[Message] | None = None,
    ) -> None:
        names = [(b"appid", one.encode()) for one in app_ids]
        self.scope: Message = {
            "type": "http",
            "http_version": http_version,
            "method": method,
            "path": path,
            "headers": [(b"host", b"localhost"), *names, *headers],
            "client": client,
        }
        self._source = source or self._all(chunks or (PUSH,))
        self.reads = 0
        self.sent: list[Message] = []

    @staticmethod
    async def _all(chunks: Sequence[bytes]) -> AsyncIterator[Message]:
        for place, chunk in enumerate(chunks, 1):
            yield {"type": "http.request", "body": chunk, "more_body": place < len(chunks)}

    async def receive(self) -> Message:
        """Give the application the next part of the request; there must be one."""
        self.reads += 1
        return await anext(self._source)

    async def send(self, message: Any) -> None:
        """Take what the application sends."""
        self.sent.append(message)

    async def play(self, app: PushReceiver) -> Answer | None:
        """Run the application, and return its answer if it gave one."""
        await app(self.scope, self.receive, self.send)
        if not self.sent:
            return None
        start, body = self.sent
        assert start["type"] == "http.response.start"
        assert body["type"] == "http.response.body"
        headers = dict(start["headers"])
        assert headers[b"content-length"] == str(len(body["body"])).encode()
        assert headers[b"content-type"].startswith(b"text/plain")
        return Answer(start["status"], body["body"], headers)


async def push(app: PushReceiver, *chunks: bytes, **options: Any) -> tuple[int, bytes] | None:
    """Push once, and return the status and the body of the answer."""
    answer = await Exchange(*chunks, **options).play(app)
    return None if answer is None else (answer.status, answer.body)


async def status(app: PushReceiver, *chunks: bytes, **options: Any) -> int:
    """Push once, and return the status of the answer."""
    answer = await push(app, *chunks, **options)
    assert answer is not None
    return answer[0]


class Handler:
    """An application's handler: keeps what it was given, and does what the script says first."""

    def __init__(self, *script: Callable[[], Awaitable[object]]) -> None:
        self._script: Iterator[Callable[[], Awaitable[object]]] = iter(script)
        self.begun: list[list[str]] = []
        self.done: list[list[str]] = []
        self.reports: list[Report] = []

    async def __call__(self, reports: list[Report]) -> None:
        """Take the reports of a push."""
        ids = [report.message_id for report in reports]
        self.begun.append(ids)
        if (step := next(self._script, None)) is not None:
            await step()
        self.done.append(ids)
        self.reports += reports


class Shelf:
    """An application's place for what cannot be decoded."""

    def __init__(self, *errors: Exception) -> None:
        self._errors = iter(errors)
        self.kept: list[Rejected] = []

    async def __call__(self, rejected: Rejected) -> None:
        """Keep it, and fail if told to."""
        self.kept.append(rejected)
        if (error := next(self._errors, None)) is not None:
            raise error


async def fail() -> None:
    """Fail as a database does."""
    raise ConnectionError("no database")


async def hang() -> None:
    """Never end."""
    await asyncio.Event().wait()


async def swallow() -> None:
    """Never end, tidy up when stopped, and hide that it was."""
    with suppress(asyncio.CancelledError):
        await hang()
    await asyncio.sleep(0)


class TestConfirming:
    """A push is confirmed when its reports were handled."""

    def test_reports_are_handed_over_and_confirmed(self) -> None:
        """The handler gets typed reports, and the service its text."""
        handler = Handler()
        answer = run(Exchange().play(PushReceiver(KEYS, handler)))
        assert answer is not None
        assert (answer.status, answer.body) == SUCCESS
        assert b"connection" not in answer.headers
        [report] = handler.reports
        assert (report.product, report.app_id, report.mobile) == (Product.VOICE, APP_ID, MOBILE)
        assert report.state is CallState.SUCCESS

    def test_a_push_is_confirmed_after_the_handler_returned(self) -> None:
        """Nothing is sent while the handler is at work."""

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

    def test_a_body_may_come_in_pieces(self) -> None:
        """Every part of the body counts, empty ones and those without a body included."""

        async def parts() -> AsyncIterator[Message]:
            yield {"type": "http.request", "body": PUSH[:7], "more_body": True}
            yield {"type": "http.request", "more_body": True}
            yield {"type": "http.request", "body": PUSH[7:], "more_body": True}
            yield {"type": "http.request"}

        handler = Handler()
        assert run(push(PushReceiver(KEYS, handler), source=parts())) == SUCCESS
        assert handler.done == [["m1"]]

    def test_a_push_without_reports_is_confirmed(self) -> None:
        """There is nothing to hand over, and nothing to push again."""
        handler = Handler()
        assert run(push(PushReceiver(KEYS, handler), seal(text_of()))) == SUCCESS
        assert not handler.begun

    @pytest.mark.parametrize("app_id", ["", "SOMEBODY-ELSE"])
    def test_reports_keep_the_account_that_they_name(self, app_id: str) -> None:
        """The header chooses the key, and changes nothing in the reports."""
        handler = Handler()
        run(push(PushReceiver(KEYS, handler), seal(text_of(entry(appId=app_id)))))
        assert [report.app_id for report in handler.reports] == [app_id]

    def test_each_account_has_its_key(self) -> None:
        """One receiver serves several accounts."""
        handler = Handler()
        app = PushReceiver(KEYS, handler)
        assert run(push(app, seal(text_of(entry("m2")), OTHER_KEY), app_ids=[OTHER_ID])) == SUCCESS
        assert handler.done == [["m2"]]

    def test_a_client_that_is_gone_at_the_end_changes_nothing(self) -> None:
        """The reports were handled; that nobody hears of it is no error of the application."""

        async def gone(_: object) -> None:
            raise BrokenPipeError

        handler, exchange = Handler(), Exchange()
        run(PushReceiver(KEYS, handler)(exchange.scope, exchange.receive, gone))
        assert handler.done == [["m1"]]


class TestRefusing:
    """What is refused, and how little is done for it."""

    @pytest.mark.parametrize("app_ids", [[], [""], ["nobody"], [APP_ID, APP_ID], [APP_ID, OTHER_ID]])
    def test_an_account_is_named_once_and_known(self, app_ids: list[str]) -> None:
        """Without an account nothing of the body is read."""
        exchange = Exchange(app_ids=app_ids)
        answer = run(exchange.play(PushReceiver(KEYS, Handler())))
        assert answer is not None
        assert (answer.status, answer.body) == (403, b"forbidden")
        assert exchange.reads == 0

    @pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "OPTIONS"])
    def test_only_post_is_served(self, method: str) -> None:
        """Another method is told which one is right."""
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
    def test_what_cannot_be_read_gets_one_answer(self, body: bytes) -> None:
        """The answer does not tell how far the body came, and nothing is handed over."""
        handler = Handler()
        assert run(push(PushReceiver(KEYS, handler), body)) == (400, b"the push cannot be read")
        assert not handler.begun

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
    def test_a_length_that_says_nothing_of_the_kind_is_the_servers_business(self, length: str) -> None:
        """What was read decides."""
        headers = [(b"content-length", length.encode("latin-1"))]
        assert run(push(PushReceiver(KEYS, Handler()), headers=headers)) == SUCCESS

    def test_a_body_has_a_limit_to_the_byte(self) -> None:
        """As much as allowed is read, one byte more is refused."""
        assert run(status(PushReceiver(KEYS, Handler(), max_body=len(PUSH)), PUSH)) == 200
        assert run(status(PushReceiver(KEYS, Handler(), max_body=len(PUSH) - 1), PUSH)) == 413

    def test_an_endless_body_is_read_to_the_limit_only(self) -> None:
        """Of 100 MB in pieces, no more is read than the limit and the piece that breaks it."""
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
        """One byte a second does not keep a request alive."""

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

    def test_a_connection_is_closed_by_header_in_http_1_only(self) -> None:
        """HTTP/2 forbids the header that HTTP/1 needs."""
        exchange = Exchange(headers=[(b"content-length", b"9" * 30)], http_version="2")
        answer = run(exchange.play(PushReceiver(KEYS, Handler())))
        assert answer is not None
        assert answer.status == 413
        assert b"connection" not in answer.headers

    def test_a_client_that_goes_away_leaves_nothing(self) -> None:
        """Half a body is not handed over, and nobody is answered."""

        async def half() -> AsyncIterator[Message]:
            yield {"type": "http.request", "body": PUSH[:16], "more_body": True}
            yield {"type": "http.disconnect"}

        handler, shelf = Handler(), Shelf()
        assert run(push(PushReceiver(KEYS, handler, on_rejected=shelf), source=half())) is None
        assert not handler.begun
        assert not shelf.kept


class TestKeys:
    """Keys from an async function, for many accounts."""

    def test_a_function_finds_the_key(self) -> None:
        """It is asked for the account of the header; None is nobody."""
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
    def test_a_key_that_opens_nothing_is_our_failure(self, key: Any) -> None:
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

    def test_a_function_that_hangs_is_given_up(self) -> None:
        """It has as long as any function of the application."""

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
    """A handler that did not succeed confirms nothing."""

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
        """Even if it hides that it was stopped, nobody knows how far it came."""

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
        """It cannot be awaited, which is an error of the application."""
        app = PushReceiver(KEYS, lambda _: None)  # type: ignore[arg-type,return-value]
        assert run(status(app)) == 500

    @pytest.mark.parametrize("store", [None, RecentReports()])
    def test_a_server_that_stops_confirms_nothing(self, store: RecentReports | None) -> None:
        """Cancelled while the handler is at work, the application answers nothing."""

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


class TestPlain:
    """Plain pushes, which nobody signs, need a reason to be believed."""

    @pytest.mark.parametrize(
        ("content_type", "body"),
        [
            (b"application/json", text_of(entry())),
            (b"application/json;charset=utf-8", b"\xef\xbb\xbf" + text_of(entry())),
            (b"text/plain", b"  " + json.dumps([entry()]).encode()),
            (b"application/x-www-form-urlencoded", text_of(entry())),
            (b"application/x-www-form-urlencoded", urlencode({"reports": text_of(entry())}).encode()),
            (None, text_of(entry())),
        ],
    )
    def test_every_form_is_read(self, content_type: bytes | None, body: bytes) -> None:
        """JSON, a form, and JSON under the name of a form."""
        handler = Handler()
        app = PushReceiver(KEYS, handler, allow_plain=True, plain_networks=NETWORKS)
        headers = [(b"content-type", content_type)] if content_type else []
        assert run(push(app, body, headers=headers)) == SUCCESS
        assert handler.done == [["m1"]]

    @pytest.mark.parametrize(
        ("networks", "token", "client", "path", "allowed"),
        [
            (NETWORKS, None, INSIDE, "/push", True),
            (NETWORKS, None, f"::ffff:{INSIDE}", "/push", True),
            (["2001:db8::/32", *NETWORKS], None, "2001:db8::9", "/push", True),
            (NETWORKS, None, OUTSIDE, "/push", False),
            (NETWORKS, None, f"::ffff:{OUTSIDE}", "/push", False),
            (NETWORKS, None, "2001:db8::9", "/push", False),
            (NETWORKS, None, "testclient", "/push", False),
            (NETWORKS, None, None, "/push", False),
            (None, TOKEN, OUTSIDE, f"/push/{TOKEN}", True),
            (None, TOKEN, None, f"/{TOKEN}", True),
            (None, TOKEN, INSIDE, "/push", False),
            (None, TOKEN, INSIDE, f"/push/{TOKEN}x", False),
            (None, TOKEN, INSIDE, f"/push/{TOKEN[:-1]}", False),
            (None, TOKEN, INSIDE, f"/push/{TOKEN}/", False),
            (None, TOKEN, INSIDE, f"/{TOKEN}/push", False),
            (None, TOKEN, INSIDE, "/push/\udcff", False),
            (None, "密钥", OUTSIDE, "/push/密钥", True),
            (NETWORKS, TOKEN, INSIDE, f"/push/{TOKEN}", True),
            (NETWORKS, TOKEN, OUTSIDE, f"/push/{TOKEN}", False),
            (NETWORKS, TOKEN, INSIDE, "/push", False),
        ],
    )
    def test_every_rule_that_is_given_must_hold(
        self, networks: list[str] | None, token: str | None, client: str | None, path: str, *, allowed: bool
    ) -> None:
        """A plain push from elsewhere, or to another path, is not believed."""
        handler = Handler()
        app = PushReceiver(KEYS, handler, allow_plain=True, plain_networks=networks, plain_token=token)
        options = {"client": client and (client, 1), "path": path}
        assert run(status(app, text_of(entry()), **options)) == (200 if allowed else 403)
        assert len(handler.done) == allowed

    def test_encrypted_pushes_need_no_rule(self) -> None:
        """Where plain pushes are allowed, encrypted ones come from anywhere to any path."""
        app = PushReceiver(KEYS, Handler(), allow_plain=True, plain_networks=NETWORKS, plain_token=TOKEN)
        assert run(push(app, client=(OUTSIDE, 1))) == SUCCESS

    @pytest.mark.parametrize("client", [INSIDE, OUTSIDE])
    @pytest.mark.parametrize(
        "body", [b"", b"hello", bytes(64), seal(b"[]", OTHER_KEY), encrypt(b"hello", KEY), seal(b"hello")]
    )
    def test_what_is_neither_cannot_be_read(self, body: bytes, client: str) -> None:
        """From wherever it comes: it is no plain push that could be forbidden."""
        app = PushReceiver(KEYS, Handler(), allow_plain=True, plain_networks=NETWORKS)
        assert run(status(app, body, client=(client, 1))) == 400

    def test_a_plain_push_with_the_looks_of_a_padding_is_read(self) -> None:
        """A plain body that happens to decipher is still recognized, because that is no gzip."""
        fill = "x" * (16 - len(_numbered(0, "")) % 16)
        body = next(one for number in range(10_000) if _deciphers(one := _numbered(number, fill)))
        handler = Handler()
        app = PushReceiver(KEYS, handler, allow_plain=True, plain_networks=NETWORKS)
        assert run(push(app, body)) == SUCCESS
        assert len(handler.done) == 1

    def test_a_plain_push_that_cannot_be_read_is_kept_as_such(self) -> None:
        """Its error is that of a plain push, not of a failed decryption."""
        shelf = Shelf()
        app = PushReceiver(KEYS, Handler(), allow_plain=True, plain_token=TOKEN, on_rejected=shelf)
        assert run(status(app, b"{not json", path=f"/{TOKEN}")) == 400
        assert [one.error.stage for one in shelf.kept] == ["decode"]

    def test_large_plain_pushes_are_read_too(self) -> None:
        """What is decoded in a thread follows the same rules."""
        body = text_of(*(entry(f"m{number}") for number in range(100)))
        app = PushReceiver(KEYS, Handler(), allow_plain=True, plain_networks=NETWORKS)
        assert run(push(app, body)) == SUCCESS
        assert run(status(app, body, client=(OUTSIDE, 1))) == 403


def _numbered(number: int, fill: str) -> bytes:
    """Write a plain push whose last bytes differ with the number."""
    return json.dumps({"data": [entry(fill=fill)], "code": f"{number:05}"}).encode()


def _deciphers(body: bytes) -> bool:
    """Tell whether a body passes for an encrypted one, by the means of its receiver."""
    try:
        decrypt(body, KEY)
    except PushError:
        return False
    return True


class Key(str):
    """A key that tells who used it."""

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
        """Small ones are not worth a thread."""
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
    """What cannot be decoded is kept by the application, if it wants to."""

    def test_a_push_that_cannot_be_read_is_kept_whole(self) -> None:
        """The body is kept as it came; the service is told that it was not understood."""
        handler, shelf = Handler(), Shelf()
        app = PushReceiver(KEYS, handler, on_rejected=shelf)
        body = seal(text_of(entry()), OTHER_KEY)
        assert run(status(app, body)) == 400
        [rejected] = shelf.kept
        assert (rejected.app_id, rejected.body, rejected.error.stage) == (APP_ID, body, "decrypt")
        assert not handler.begun

    def test_a_push_that_inflates_too_far_is_kept(self) -> None:
        """It may be wanted with a higher limit."""
        shelf = Shelf()
        assert run(status(PushReceiver(KEYS, Handler(), on_rejected=shelf, max_size=10))) == 413
        assert [(one.body, one.error.stage) for one in shelf.kept] == [(PUSH, "size")]

    @pytest.mark.parametrize("entries", [[entry(), 7, entry("m2")], [7], [entry(), {}]])
    def test_the_broken_part_is_kept_and_the_rest_handled(self, entries: list[object]) -> None:
        """The push is confirmed: every entry of it is in one place or the other."""
        handler, shelf = Handler(), Shelf()
        body = seal(text_of(*entries))
        assert run(push(PushReceiver(KEYS, handler, on_rejected=shelf), body)) == SUCCESS
        [rejected] = shelf.kept
        assert rejected.body == body
        assert len(rejected.error.broken) + len(handler.reports) == len(entries)
        assert list(rejected.error.reports) == handler.reports

    def test_reports_are_handled_before_the_broken_part_is_kept(self) -> None:
        """So a repeat after a failure of the handler finds nothing kept twice."""
        handler, shelf = Handler(fail), Shelf()
        app = PushReceiver(KEYS, handler, on_rejected=shelf)
        body = seal(text_of(entry(), 7))
        assert run(status(app, body)) == 500
        assert not shelf.kept
        assert run(status(app, body)) == 200
        assert (len(handler.done), len(shelf.kept)) == (1, 1)

    @pytest.mark.parametrize(("body", "then"), [(seal(text_of(entry(), 7)), 200), (b"garbage", 400)])
    def test_what_could_not_be_kept_may_come_again(self, body: bytes, then: int) -> None:
        """A failure to keep it is answered so that nothing is lost; repeated reports are known."""
        handler, shelf = Handler(), Shelf(OSError("disk full"))
        app = PushReceiver(KEYS, handler, on_rejected=shelf, deduplicate=RecentReports())
        assert run(status(app, body)) == 500
        assert run(status(app, body)) == then
        assert len(shelf.kept) == 2
        assert len(handler.done) <= 1

    def test_a_shelf_that_hangs_is_given_up(self) -> None:
        """It has as long as any function of the application."""

        async def main() -> None:
            start = now()
            app = PushReceiver(KEYS, Handler(), on_rejected=lambda _: hang(), handler_timeout=3)
            assert await status(app, b"garbage") == 500
            assert now() - start == 3

        run(main())

    def test_without_a_shelf_broken_entries_are_counted(self, caplog: pytest.LogCaptureFixture) -> None:
        """The log has their number, and nothing that was in them."""
        broken = {"voiceId": "m1", "mobile": MOBILE, "state": "SUCCESS", "callingTime": "yesterday"}
        assert run(push(PushReceiver(KEYS, Handler()), seal(text_of(broken, 7, entry("m2"))))) == SUCCESS
        [record] = [one for one in caplog.records if one.levelno == logging.WARNING]
        assert "2 broken entries" in record.getMessage()
        assert MOBILE not in caplog.text
        assert "yesterday" not in caplog.text

    def test_a_rejected_push_shows_nothing_of_its_content(self) -> None:
        """Neither the body nor a mobile is in its repr."""
        shelf = Shelf()
        run(push(PushReceiver(KEYS, Handler(), on_rejected=shelf), seal(text_of({"mobile": [MOBILE]}))))
        assert MOBILE not in repr(shelf.kept)
        assert f"<{len(shelf.kept[0].body)} bytes>" in repr(shelf.kept)


class TestRepeats:
    """With a store, a report is handed over once, however often it is pushed."""

    def test_a_repeat_is_confirmed_and_not_handed_over(self) -> None:
        """The handler sees the new reports only; with none it is not called."""
        handler = Handler()
        app = PushReceiver(KEYS, handler, deduplicate=RecentReports())
        assert run(push(app, seal(text_of(entry("a"), entry("b"))))) == SUCCESS
        assert run(push(app, seal(text_of(entry("b"), entry("a"))))) == SUCCESS
        assert run(push(app, seal(text_of(entry("c"), entry("b"), entry("c"), entry("d"))))) == SUCCESS
        assert handler.done == [["a", "b"], ["c", "d"]]

    def test_without_a_store_repeats_are_handed_over(self) -> None:
        """Nothing is remembered unless asked to."""
        handler = Handler()
        app = PushReceiver(KEYS, handler)
        run(push(app))
        run(push(app))
        assert handler.done == [["m1"], ["m1"]]

    @pytest.mark.parametrize(
        "other",
        [
            entry("m2"),
            entry(state="FAIL"),
            {"joinId": "m1", "mobile": MOBILE, "state": "SUCCESS"},
        ],
    )
    def test_what_differs_is_no_repeat(self, other: object) -> None:
        """Product, message id and state make a report what it is."""
        handler = Handler()
        app = PushReceiver(KEYS, handler, deduplicate=RecentReports())
        run(push(app))
        run(push(app, seal(text_of(other))))
        assert len(handler.reports) == 2

    def test_one_account_cannot_hide_the_reports_of_another(self) -> None:
        """The same message id under another account's key is another report."""
        handler = Handler()
        app = PushReceiver(KEYS, handler, deduplicate=RecentReports())
        run(push(app, seal(text_of(entry()), OTHER_KEY), app_ids=[OTHER_ID]))
        run(push(app))
        assert handler.done == [["m1"], ["m1"]]

    def test_a_report_without_a_message_id_is_nobodys_repeat(self) -> None:
        """Nothing tells it from another, so it is handed over each time, in its place."""
        handler = Handler()
        app = PushReceiver(KEYS, handler, deduplicate=RecentReports())
        body = seal(text_of(entry("a"), entry(""), entry("b"), entry("")))
        run(push(app, body))
        run(push(app, body))
        assert handler.done == [["a", "", "b", ""], ["", ""]]

    def test_a_message_id_may_be_any_text(self) -> None:
        """A lone surrogate, which no encoding takes, is told apart as well."""
        handler = Handler()
        app = PushReceiver(KEYS, handler, deduplicate=RecentReports())
        for message_id in ("\ud800", "\ud801", "\ud800"):
            assert run(push(app, seal(text_of(entry(message_id))))) == SUCCESS
        assert len(handler.reports) == 2

    def test_a_failure_lets_the_repeat_in(self) -> None:
        """What the handler did not do is handed over again."""
        handler = Handler(fail)
        app = PushReceiver(KEYS, handler, deduplicate=RecentReports())
        assert run(status(app)) == 500
        assert run(status(app)) == 200
        assert run(status(app)) == 200
        assert (handler.begun, handler.done) == ([["m1"], ["m1"]], [["m1"]])

    def test_a_repeat_in_the_meantime_waits_for_the_first(self) -> None:
        """It is not confirmed before the first one's handler succeeded, and then it is."""

        async def main() -> None:
            handler = Handler(lambda: asyncio.sleep(5))
            app, start = PushReceiver(KEYS, handler, deduplicate=RecentReports()), now()
            answers = await asyncio.gather(*(push(app) for _ in range(5)))
            assert answers == [SUCCESS] * 5
            assert now() - start == 5
            assert handler.begun == [["m1"]]

        run(main())

    def test_a_repeat_in_the_meantime_takes_over(self) -> None:
        """One of those who wait takes over when the first one fails, the others wait for it."""

        async def fail_late() -> None:
            await asyncio.sleep(5)
            await fail()

        async def main() -> None:
            handler = Handler(fail_late, fail_late, lambda: asyncio.sleep(5))
            app, start = PushReceiver(KEYS, handler, deduplicate=RecentReports()), now()
            statuses = await asyncio.gather(*(status(app) for _ in range(4)))
            assert sorted(statuses) == [200, 200, 500, 500]
            assert now() - start == 15
            assert (len(handler.begun), len(handler.done)) == (3, 1)

        run(main())

    def test_a_repeat_does_not_wait_forever(self) -> None:
        """It has the patience of the handler's timeout; then the service may push again."""

        async def main() -> None:
            handler, start = Handler(*[hang] * 9), now()
            app = PushReceiver(KEYS, handler, deduplicate=RecentReports(), handler_timeout=10)

            async def at(delay: float) -> tuple[int, float]:
                await asyncio.sleep(delay)
                return await status(app), now() - start

            ends = await asyncio.gather(*(at(delay) for delay in (0, 1, 2, 3)))
            assert ends == [(500, 10), (500, 20), (500, 12), (500, 13)]
            assert len(handler.begun) == 2

        run(main())

    def test_pushes_that_share_reports_do_not_block_each_other(self) -> None:
        """Nothing is held while waiting, in whatever order they name the reports."""

        async def main() -> None:
            handler = Handler(*[lambda: asyncio.sleep(1)] * 3)
            app, start = PushReceiver(KEYS, handler, deduplicate=RecentReports()), now()
            bodies = [["a", "b", "c"], ["c", "d", "a"], ["d", "e", "b"]]
            answers = await asyncio.gather(*(push(app, seal(text_of(*map(entry, ids)))) for ids in bodies))
            assert answers == [SUCCESS] * 3
            assert handler.done == [["a", "b", "c"], ["d"], ["e"]]
            assert now() - start == 1

        run(main())

    def test_no_cancellation_leaves_a_claim(self) -> None:
        """Cancelled at whatever point, the first push is confirmed or can be repeated at once."""

        def scenario() -> Callable[[CancellingLoop], Awaitable[None]]:
            async def play(loop: CancellingLoop) -> None:
                start, handler = loop.time(), Handler(*[lambda: asyncio.sleep(0)] * 2)
                app = PushReceiver(KEYS, handler, deduplicate=RecentReports())
                loop.victim = first = asyncio.create_task(push(app))
                second = asyncio.create_task(push(app))
                await asyncio.wait([first, second])
                assert first.cancelled() or first.result() == SUCCESS
                assert second.result() == SUCCESS
                assert await push(app) == SUCCESS
                assert handler.done == [["m1"]]
                assert loop.time() == start

            return play

        assert cancel_everywhere(scenario) > 4

    def test_reports_are_forgotten_one_day(self) -> None:
        """The store keeps so many and no more; the oldest go first."""
        handler = Handler()
        app = PushReceiver(KEYS, handler, deduplicate=RecentReports(maxsize=2))
        for message_id in ("a", "b", "c", "b", "c", "a"):
            run(push(app, seal(text_of(entry(message_id)))))
        assert handler.done == [["a"], ["b"], ["c"], ["a"]]

    @pytest.mark.parametrize("maxsize", [0, -1, True, 1.5, "1"])
    def test_a_store_has_a_size(self, maxsize: Any) -> None:
        """A size that is none is refused when the store is made."""
        with pytest.raises(InvalidRequestError, match=r"^maxsize: "):
            RecentReports(maxsize)

    def test_whoever_waits_for_nothing_goes_on(self) -> None:
        """The claim may have ended between asking and waiting."""
        run(RecentReports().wait("nothing"))

    def test_keys_are_short_and_say_nothing(self) -> None:
        """A database that keeps them learns nothing of the calls."""
        report = Report(Product.VOICE, APP_ID, "m" * 1000, mobile=MOBILE, raw_state="SUCCESS")
        assert report_key(APP_ID, report) == report_key(APP_ID, report)
        assert len(report_key(APP_ID, report)) == len(report_key(APP_ID, Report(Product.VOICE))) == 32


class Shared:
    """Another store, as one over a network may be: it polls, and can fail."""

    def __init__(self, *broken: str) -> None:
        self._broken = broken
        self._claims: dict[str, Claim] = {}

    async def claim(self, keys: Sequence[str]) -> Sequence[Claim]:
        """Claim with a round trip on each side."""
        await self._trip("claim")
        found = [self._claims.get(key, Claim.YOURS) for key in keys]
        self._claims |= {key: Claim.HELD for key in keys if key not in self._claims}
        await asyncio.sleep(0.1)
        return found

    async def settle(self, keys: Sequence[str], *, handled: bool) -> None:
        """Keep, or give back."""
        await self._trip("settle")
        for key in keys:
            self._claims[key] = Claim.HANDLED
            if not handled:
                del self._claims[key]

    async def wait(self, key: str) -> None:
        """Come back before anything happened."""
        await self._trip("wait")

    async def _trip(self, name: str) -> None:
        await asyncio.sleep(0.1)
        if name in self._broken:
            raise ConnectionError(f"no {name}")


class TestOtherStores:
    """A store may be somebody else's."""

    def test_a_store_may_be_far_away(self) -> None:
        """One that polls serves as well."""

        async def main() -> None:
            store: ReportStore = Shared()
            handler = Handler(fail, lambda: asyncio.sleep(5))
            app = PushReceiver(KEYS, handler, deduplicate=store)
            statuses = await asyncio.gather(*(status(app) for _ in range(4)))
            assert sorted(statuses) == [200, 200, 200, 500]
            assert len(handler.done) == 1

        run(main())

    def test_a_store_that_cannot_claim_hands_nothing_over(self) -> None:
        """Without a claim the report may be somebody else's."""
        handler = Handler()
        assert run(status(PushReceiver(KEYS, handler, deduplicate=Shared("claim")))) == 500
        assert not handler.begun

    @pytest.mark.parametrize(("steps", "expected"), [([], 200), ([fail], 500)])
    def test_a_store_that_cannot_settle_does_not_change_what_happened(
        self, steps: list[Callable[[], Awaitable[None]]], expected: int, caplog: pytest.LogCaptureFixture
    ) -> None:
        """The handler's result is answered, and the log has the store's."""
        app = PushReceiver(KEYS, Handler(*steps), deduplicate=Shared("settle"))
        assert run(status(app)) == expected
        assert "no settle" in caplog.text
        assert ("no database" in caplog.text) == bool(steps)


class TestScopes:
    """What else a server asks of an application."""

    def test_the_servers_start_and_end_are_confirmed(self) -> None:
        """It works without a framework."""
        phases = iter(["lifespan.startup", "lifespan.shutdown"])
        sent = []

        async def receive() -> Message:
            return {"type": next(phases)}

        async def send(message: Any) -> None:
            sent.append(message)

        run(PushReceiver(KEYS, Handler())({"type": "lifespan"}, receive, send))
        assert sent == [{"type": "lifespan.startup.complete"}, {"type": "lifespan.shutdown.complete"}]

    def test_a_websocket_is_refused(self) -> None:
        """It is closed before it was accepted."""
        exchange = Exchange()
        run(PushReceiver(KEYS, Handler())({"type": "websocket"}, exchange.receive, exchange.send))
        assert exchange.sent == [{"type": "websocket.close"}]

    def test_an_unknown_scope_is_an_error(self) -> None:
        """The server learns that nobody serves it."""
        exchange = Exchange()
        with pytest.raises(NotImplementedError, match="'telegraph'"):
            run(PushReceiver(KEYS, Handler())({"type": "telegraph"}, exchange.receive, exchange.send))


class TestArguments:
    """What is wrong is said when the receiver is made."""

    @pytest.mark.parametrize(
        ("name", "options"),
        [
            ("keys", {"keys": None}),
            ("keys", {"keys": APP_ID}),
            ("keys", {"keys": {APP_ID: "short"}}),
            ("keys", {"keys": {APP_ID: ""}}),
            ("keys", {"keys": {APP_ID: None}}),
            ("keys", {"keys": {"": KEY}}),
            ("keys", {"keys": {7: KEY}}),
            ("on_reports", {"on_reports": None}),
            ("on_rejected", {"on_rejected": 7}),
            ("deduplicate", {"deduplicate": True}),
            ("deduplicate", {"deduplicate": {}}),
            ("max_body", {"max_body": 0}),
            ("max_body", {"max_body": 1.5}),
            ("max_size", {"max_size": None}),
            ("max_size", {"max_size": True}),
            ("body_timeout", {"body_timeout": 0}),
            ("body_timeout", {"body_timeout": float("nan")}),
            ("handler_timeout", {"handler_timeout": float("inf")}),
            ("handler_timeout", {"handler_timeout": "30"}),
            ("handler_timeout", {"handler_timeout": True}),
            ("allow_plain", {"allow_plain": True}),
            ("allow_plain", {"allow_plain": 1, "plain_token": TOKEN}),
            ("plain_token", {"plain_token": TOKEN}),
            ("plain_networks", {"plain_networks": NETWORKS}),
            ("plain_networks", {"plain_networks": NETWORKS, "plain_token": TOKEN}),
            ("plain_token", {"allow_plain": True, "plain_token": " "}),
            ("plain_token", {"allow_plain": True, "plain_token": "a/b"}),
            ("plain_token", {"allow_plain": True, "plain_token": 7}),
            ("plain_networks", {"allow_plain": True, "plain_networks": []}),
            ("plain_networks", {"allow_plain": True, "plain_networks": "203.0.113.0/24"}),
            ("plain_networks", {"allow_plain": True, "plain_networks": ["203.0.113.9/24"]}),
            ("plain_networks", {"allow_plain": True, "plain_networks": [*NETWORKS, "everywhere"]}),
            ("plain_networks", {"allow_plain": True, "plain_networks": [7]}),
            ("plain_networks", {"allow_plain": True, "plain_networks": 7}),
        ],
    )
    def test_a_broken_argument_is_named(self, name: str, options: dict[str, Any]) -> None:
        """The error has its name, and never a secret."""
        with pytest.raises(InvalidRequestError) as caught:
            PushReceiver(**{"keys": KEYS, "on_reports": Handler(), **options})
        assert caught.value.field == name
        for secret in (KEY, TOKEN, "short"):
            assert secret not in str(caught.value)

    def test_plain_pushes_without_a_rule_name_the_fix(self) -> None:
        """The message says what is missing."""
        with pytest.raises(InvalidRequestError, match=r"plain_networks=\[\.\.\.\] or plain_token="):
            PushReceiver(KEYS, Handler(), allow_plain=True)

    def test_options_are_given_by_name(self) -> None:
        """The first two arguments are the only ones with a place."""
        with pytest.raises(TypeError):
            PushReceiver(KEYS, Handler(), True)  # type: ignore[call-arg]

    def test_no_secret_is_shown(self, caplog: pytest.LogCaptureFixture) -> None:
        """Neither a repr nor a log record has a key, the token or a number."""
        caplog.set_level(logging.DEBUG)
        app = PushReceiver(KEYS, Handler(fail), allow_plain=True, plain_token=TOKEN)
        for body in (PUSH, PUSH, b"garbage", text_of(entry())):
            run(push(app, body))
            run(push(app, body, path=f"/{TOKEN}"))
        shown = caplog.text + repr(app) + repr(app._plain)
        for secret in (KEY, OTHER_KEY, TOKEN, MOBILE):
            assert secret not in shown


class TestServers:
    """Behind a client and a server that are not ours."""

    def test_httpx_can_push_to_it(self) -> None:
        """The transport of httpx for ASGI applications finds a well-behaved one."""

        async def main() -> None:
            handler = Handler()
            transport = httpx.ASGITransport(PushReceiver(KEYS, handler))
            async with httpx.AsyncClient(transport=transport, base_url="http://local") as http:
                answer = await http.post("/push", headers={"appId": APP_ID}, content=PUSH)
                assert (answer.status_code, answer.content) == SUCCESS
                assert answer.headers["content-type"] == "text/plain; charset=utf-8"
                assert (await http.get("/push")).status_code == 405
                assert (await http.post("/push", content=PUSH)).status_code == 403
            assert handler.done == [["m1"]]

        run(main())

    def test_a_fastapi_application_under_uvicorn_receives_pushes(self) -> None:
        """Over a socket: pushes, repeats, refusals, a client that stalls, and pushes again."""

        async def main() -> None:
            handler = Handler()
            receiver = PushReceiver(
                KEYS, handler, deduplicate=RecentReports(), max_body=9000, body_timeout=0.2
            )
            web = FastAPI()
            web.mount("/emay", receiver)
            async with _served(web) as (host, port), _client(f"http://{host}:{port}") as http:

                async def post(body: bytes, app_id: str = APP_ID) -> tuple[int, bytes]:
                    answer = await http.post("/emay/push", headers={"appId": app_id}, content=body)
                    return answer.status_code, answer.content

                chance = random.Random(1)
                large = seal(text_of(*(entry(chance.randbytes(16).hex()) for _ in range(200))))
                assert 4096 < len(large) < 9000
                assert await asyncio.gather(*(post(PUSH) for _ in range(5))) == [SUCCESS] * 5
                assert await post(large) == SUCCESS
                assert (await post(PUSH, "nobody"))[0] == 403
                assert (await post(b"garbage"))[0] == 400
                assert (await post(bytes(10_000)))[0] == 413
                assert (await http.get("/emay/push")).headers["allow"] == "POST"
                assert await _stall(host, port) == b"HTTP/1.1 408 Request Timeout\r\n"
                assert await post(seal(text_of(entry("m2")))) == SUCCESS
            assert [len(ids) for ids in handler.done] == [1, 200, 1]

        asyncio.run(main())


def _client(base_url: str) -> httpx.AsyncClient:
    """Make a client that knows nothing of this host's proxies."""
    return httpx.AsyncClient(base_url=base_url, trust_env=False)


@asynccontextmanager
async def _served(web: FastAPI) -> AsyncIterator[tuple[str, int]]:
    """Serve an application on a loopback socket, which takes connections from the beginning."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(web, http="h11", ws="none", lifespan="on", log_config=None)
        server = uvicorn.Server(config)
        task = asyncio.create_task(server.serve([listener]))
        try:
            yield listener.getsockname()
        finally:
            server.should_exit = True
            await task


async def _stall(host: str, port: int) -> bytes:
    """Begin a push and never end it; return the first line of the answer when the server hung up."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(f"POST /emay/ HTTP/1.1\r\nhost: x\r\nappId: {APP_ID}\r\n".encode())
        writer.write(b"content-length: 99\r\n\r\nx")
        line = await reader.readline()
        await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()
    return line
