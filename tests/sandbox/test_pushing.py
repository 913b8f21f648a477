"""Pushes of status reports, decoded by hand."""

import asyncio
import gzip
import json
from urllib.parse import parse_qs

import httpx
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send
from support import virtual_time

from emay_voice_async.model.endpoints import Product
from emay_voice_async.sandbox import Account, Delivery, Sandbox
from emay_voice_async.sandbox.pushing import PushMode, push_as_ready
from emay_voice_async.sandbox.requests import FormRequest
from emay_voice_async.sandbox.server import serve
from sandbox.by_hand import APP_ID, ENDPOINT, KEY, MOBILE, NOW, client, form, form_of, in_process

URL = "http://customer/push"


class Receiver:
    """A customer's application: keeps the pushes, and responds as told."""

    def __init__(self, *answers: tuple[int, str]) -> None:
        self.pushed: list[tuple[dict[str, str], bytes]] = []
        self._answers = list(answers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take a push."""
        request = Request(scope, receive)
        self.pushed.append((dict(request.headers), await request.body()))
        status, text = self._answers.pop(0) if self._answers else (200, "success")
        await PlainTextResponse(text, status)(scope, receive, send)


async def called(*mobiles: str, path: str = "/voice/send") -> Sandbox:
    """Make a service that has called these numbers."""
    local = Sandbox(app_id=APP_ID, secret_key=KEY, clock=lambda: NOW)
    async with in_process(local.app) as http:
        answer = await http.post(path, data=form(path, mobiles=",".join(mobiles)))
        assert answer.json()["code"] == "SUCCESS"
    return local


def unsealed(body: bytes, key: str) -> bytes:
    """Decrypt and inflate without the package."""
    decryptor = Cipher(algorithms.AES(key.encode()), modes.ECB()).decryptor()  # noqa: S305 - the service's choice
    unpadder = PKCS7(128).unpadder()
    padded = decryptor.update(body) + decryptor.finalize()
    return gzip.decompress(unpadder.update(padded) + unpadder.finalize())


def read(mode: PushMode, body: bytes) -> bytes:
    """Return the JSON of a push."""
    match mode:
        case "encrypted":
            return unsealed(body, KEY)
        case "form":
            return parse_qs(body.decode("ascii"), strict_parsing=True)["reports"][0].encode()
        case "json":
            return body


class TestPush:
    """A single push."""

    @pytest.mark.parametrize("bare", [False, True])
    @pytest.mark.parametrize(
        ("mode", "content_type"),
        [
            ("encrypted", "application/octet-stream"),
            ("json", "application/json;charset=utf-8"),
            ("form", "application/x-www-form-urlencoded;charset=utf-8"),
        ],
    )
    def test_the_body(self, mode: PushMode, content_type: str, bare: bool) -> None:
        """The reports of an account come in the chosen form, with the appId in a header."""

        async def main() -> None:
            local, receiver = await called(MOBILE, "13800000001"), Receiver()
            async with in_process(receiver) as http:
                deliveries = await local.push(URL, mode=mode, bare=bare, client=http)
            assert deliveries == [Delivery(APP_ID, 2, 200, "success")]
            [(headers, body)] = receiver.pushed
            assert (headers["appid"], headers["content-type"]) == (APP_ID, content_type)
            document = json.loads(read(mode, body))
            if not bare:
                assert document["code"] == "SUCCESS"
                document = document["data"]
            assert [(one["mobile"], one["state"], one["message"]) for one in document] == [
                (MOBILE, "SUCCESS", "成功"),
                ("13800000001", "FAIL_CALL", "呼叫失败"),
            ]

        asyncio.run(main())

    def test_recordings_may_be_signed_bytes(self) -> None:
        """A recording is pushed in the form of ``recordings``."""

        async def main() -> None:
            receiver = Receiver()
            local = Sandbox(app_id=APP_ID, secret_key=KEY, clock=lambda: NOW, recordings="signed")
            async with in_process(local.app) as http:
                await http.post("/voice/send", data=form("/voice/send", mobiles="13800000010"))
            async with in_process(receiver) as http:
                await local.push(URL, mode="json", bare=True, client=http)
            assert json.loads(receiver.pushed[0][1])[0]["voiceSign"][:4] == list(b"RIFF")

        asyncio.run(main())

    def test_over_a_socket(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without a client, a push makes a client that ignores the proxies of the environment."""
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")

        async def main() -> None:
            local, receiver = await called(MOBILE), Receiver()
            async with serve(receiver) as url:
                deliveries = await local.push(f"{url}/push")
            assert [one.delivered for one in deliveries] == [True]
            assert json.loads(unsealed(receiver.pushed[0][1], KEY))["data"][0]["mobile"] == MOBILE

        asyncio.run(main())


class TestDelivery:
    """Confirmed and unconfirmed reports."""

    def test_confirmed_reports_are_removed(self) -> None:
        """After a confirmation, a second push has no reports."""

        async def main() -> None:
            local, receiver = await called(MOBILE), Receiver()
            async with in_process(receiver) as http:
                await local.push(URL, client=http)
                assert await local.push(URL, client=http) == []
            assert local.reports_waiting == 0

        asyncio.run(main())

    @pytest.mark.parametrize(
        ("answer", "delivered"),
        [
            ((200, "success"), True),
            ((200, "success\n"), True),
            ((200, "SUCCESS"), False),
            ((200, ""), False),
            ((500, "success"), False),
            ((302, "success"), False),
        ],
    )
    def test_only_success_confirms(self, answer: tuple[int, str], delivered: bool) -> None:
        """Reports stay unless the response is 200 and ``success``."""

        async def main() -> None:
            local, receiver = await called(MOBILE), Receiver(answer)
            async with in_process(receiver) as http:
                assert await local.push(URL, client=http) == [Delivery(APP_ID, 1, *answer)]
                assert local.reports_waiting == 1 - delivered
                await local.push(URL, client=http)
            assert local.reports_waiting == 0

        asyncio.run(main())

    @pytest.mark.parametrize(
        "url", ["http://[::1", "http://\u2603.", "nope", "ftp://x", "http://127.0.0.1:1"]
    )
    def test_an_unusable_address(self, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """An unusable address is a failed delivery with a reason, also beside an unusable proxy."""
        monkeypatch.setenv("ALL_PROXY", "socks://127.0.0.1:1")

        async def main() -> None:
            local = await called(MOBILE)
            [delivery] = await local.push(url)
            assert not delivery.delivered
            assert delivery.status is None
            assert ": " in delivery.body
            assert local.reports_waiting == 1

        asyncio.run(main())

    def test_an_unreachable_receiver(self) -> None:
        """An unreachable receiver confirms no report, and the delivery has the reason."""

        async def main() -> None:
            local = await called(MOBILE)
            async with serve(Receiver()) as url:
                pass
            async with client(url) as http:
                [delivery] = await local.push(f"{url}/push", client=http)
            assert (delivery.status, delivery.delivered, local.reports_waiting) == (None, False, 1)
            assert delivery.body.startswith("ConnectError")

        asyncio.run(main())

    def test_a_push_may_be_cancelled(self) -> None:
        """The reports of a cancelled push are put back."""

        async def main() -> None:
            local, reached = await called(MOBILE), asyncio.Event()

            async def stuck(request: httpx.Request) -> httpx.Response:
                reached.set()
                await asyncio.Event().wait()
                return httpx.Response(200)

            async with httpx.AsyncClient(transport=httpx.MockTransport(stuck)) as http:
                pushing = asyncio.create_task(local.push(URL, client=http))
                await reached.wait()
                pushing.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await pushing
            assert local.reports_waiting == 1

        asyncio.run(main())

    def test_many_reports_come_in_parts(self) -> None:
        """A push has at most 1,000 reports, and the first failure stops the account."""

        async def main() -> None:
            local = await called(*[MOBILE] * 500)
            async with in_process(local.app) as http:
                for _ in range(4):
                    await http.post("/voice/send", data=form("/voice/send", mobiles=",".join([MOBILE] * 500)))
            receiver = Receiver((200, "success"), (503, "later"))
            async with in_process(receiver) as http:
                deliveries = await local.push(URL, client=http)
                assert [(one.reports, one.delivered) for one in deliveries] == [(1000, True), (1000, False)]
                deliveries = await local.push(URL, client=http)
                assert [(one.reports, one.delivered) for one in deliveries] == [(1000, True), (500, True)]

        asyncio.run(main())

    def test_each_account_has_its_own(self) -> None:
        """Each account pushes with its appId and key; a failure does not stop the next account."""

        async def main() -> None:
            other = Account(app_id="OTHER", secret_key="0123456789ABCDEF")
            local = Sandbox(app_id=APP_ID, secret_key=KEY, accounts=[other], clock=lambda: NOW)
            async with in_process(local.app) as http:
                await http.post("/voice/send", data=form("/voice/send"))
                await http.post("/voice/send", data=form_of(other, "/voice/send", NOW))
            receiver = Receiver((500, ""))
            async with in_process(receiver) as http:
                deliveries = await local.push(URL, client=http)
            assert [(one.app_id, one.delivered) for one in deliveries] == [(APP_ID, False), ("OTHER", True)]
            assert (
                json.loads(unsealed(receiver.pushed[1][1], other.secret_key))["data"][0]["appId"] == "OTHER"
            )

        asyncio.run(main())

    def test_voice_sms_on_request(self) -> None:
        """The document has no push for voice SMS, but their reports can be pushed."""

        async def main() -> None:
            local, receiver = await called(MOBILE, path="/join/send"), Receiver()
            async with in_process(receiver) as http:
                assert await local.push(URL, client=http) == []
                await local.push(URL, client=http, mode="json", product=Product.JOIN)
            assert json.loads(receiver.pushed[0][1])["data"][0]["state"] == "4"

        asyncio.run(main())


class TestPushAsReady:
    """Pushes that go on, in virtual time."""

    def test_again_after_failures(self) -> None:
        """A push without a confirmation is made again, later and later; after a success the pauses start anew."""

        async def main() -> list[tuple[float, bool, float]]:
            loop = asyncio.get_running_loop()
            local = Sandbox(clock=loop.time)
            receiver = Receiver((503, ""), (200, "no"), (200, "success"), (500, ""))
            seen: list[tuple[float, bool, float]] = []
            http = httpx.AsyncClient(transport=httpx.ASGITransport(receiver))

            def note(delivery: Delivery, pause: float) -> None:
                seen.append((round(loop.time() - 1000, 1), delivery.delivered, pause))

            async with http:
                pusher = asyncio.ensure_future(
                    push_as_ready(URL, local.app.service, loop.time, on_delivery=note, client=http)
                )
                for _ in range(2):
                    fields = FormRequest(
                        ENDPOINT["/voice/send"],
                        form_of(local.account, "/voice/send", loop.time()),
                        "",
                    )
                    assert local.app.service.answer(fields, loop.time()).code == "SUCCESS"
                    await asyncio.sleep(20)
                pusher.cancel()
                await asyncio.wait([pusher])
            return seen

        assert virtual_time.run(main()) == [
            (0.0, False, 1.0),
            (1.0, False, 2.0),
            (3.0, True, 0.0),
            (20.0, False, 1.0),
            (21.0, True, 0.0),
        ]

    def test_over_a_socket(self) -> None:
        """Beside the service, reports are pushed to another one as they get ready."""

        async def main() -> int:
            receiver, confirmed = Receiver(), asyncio.Event()
            local = await called(MOBILE)
            async with serve(receiver) as url:
                pusher = asyncio.ensure_future(
                    local.push_as_ready(url, on_delivery=lambda *_: confirmed.set())
                )
                await confirmed.wait()
                pusher.cancel()
                await asyncio.wait([pusher])
            return local.reports_waiting

        assert asyncio.run(main()) == 0
