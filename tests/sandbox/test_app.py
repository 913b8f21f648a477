"""The ASGI application, in process; in virtual time where time matters."""

import asyncio
from collections.abc import Sequence
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.types import Message
from support import virtual_time

from emay_voice_async.model.codes import ResultCode
from emay_voice_async.model.endpoints import ENDPOINTS
from emay_voice_async.sandbox import Fault, Sandbox
from sandbox.by_hand import APP_ID, KEY, MOBILE, NOW, form, in_process

FORM = "application/x-www-form-urlencoded"


def sandbox(**settings: float) -> Sandbox:
    """Make a service with a clock that stands still."""
    return Sandbox(app_id=APP_ID, secret_key=KEY, clock=lambda: NOW, **settings)  # type: ignore[arg-type]


async def drive(local: Sandbox, messages: Sequence[Message], *, kind: str = "http") -> list[Message]:
    """Call the application with a client that sends these messages, then disconnects."""
    left, sent = list(messages), list[Message]()

    async def receive() -> Message:
        return left.pop(0) if left else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [(b"content-type", FORM.encode())]
    scope = {"type": kind, "method": "POST", "path": "/voice/send", "headers": headers, "client": None}
    await local.app(scope, receive, send)
    return sent


def whole(path: str = "/voice/send") -> list[Message]:
    """Make the messages of a valid request."""
    return [{"type": "http.request", "body": urlencode(form(path)).encode()}]


class TestHttp:
    """Methods, paths, bodies and addresses."""

    def test_a_request_is_answered(self) -> None:
        """The response to a form is JSON, with a Date header by the service's clock."""

        async def main() -> None:
            async with in_process(sandbox(clock_offset=90.0).app) as client:
                answer = await client.post("/voice/getBalance", data=form("/voice/getBalance"))
            assert (answer.status_code, answer.json()) == (
                200,
                {"balance": "10000", "responseCode": "SUCCESS"},
            )
            assert answer.headers["content-type"] == "application/json;charset=utf-8"
            assert answer.headers.get_list("date") == ["Tue, 14 Nov 2023 22:14:50 GMT"]

        asyncio.run(main())

    @pytest.mark.parametrize("path", [endpoint.path for endpoint in ENDPOINTS])
    @pytest.mark.parametrize("method", ["GET", "PUT", "HEAD"])
    def test_only_post_is_answered(self, path: str, method: str) -> None:
        """Methods other than POST get 405, as the document has POST only."""

        async def main() -> None:
            local = sandbox()
            async with in_process(local.app) as client:
                answer = await client.request(method, path, params=form(path))
            assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
            assert [(one.method, one.path, one.status, one.acted) for one in local.received] == [
                (method, path, 405, False)
            ]

        asyncio.run(main())

    @pytest.mark.parametrize("path", ["/", "/voice/send/", "/voice/Send", "/join/secure/send"])
    def test_other_paths_are_unknown(self, path: str) -> None:
        """Paths other than the eight endpoints get 404."""

        async def main() -> None:
            local = sandbox()
            async with in_process(local.app) as client:
                answer = await client.post(path, data=form("/voice/send"))
            assert answer.status_code == 404
            assert [(one.path, one.status, one.code) for one in local.received] == [(path, 404, None)]

        asyncio.run(main())

    def test_fields_are_read_from_the_body_only(self) -> None:
        """Fields in the query are not part of the request."""

        async def main() -> None:
            async with in_process(sandbox().app) as client:
                answer = await client.post("/voice/send", params=form("/voice/send"))
            assert answer.json() == {"code": "ERROR_APPID"}

        asyncio.run(main())

    @pytest.mark.parametrize(
        ("content_type", "code"),
        [
            (FORM, "SUCCESS"),
            ("application/X-WWW-Form-Urlencoded; charset=UTF-8", "SUCCESS"),
            ("application/json", "ERROR_APPID"),
            ("", "ERROR_APPID"),
        ],
    )
    def test_a_form_must_say_so(self, content_type: str, code: str) -> None:
        """Only a body with the content type of a form is read as a form."""

        async def main() -> None:
            body = urlencode(form("/voice/send")).encode()
            async with in_process(sandbox().app) as client:
                answer = await client.post(
                    "/voice/send", content=body, headers={"Content-Type": content_type}
                )
            assert answer.json()["code"] == code

        asyncio.run(main())

    def test_addresses_are_those_of_the_connection(self) -> None:
        """The client's address is compared with the account's list."""

        async def main() -> None:
            local = sandbox()
            local.account.allowed_ips = {"10.1.2.3"}
            codes = []
            for address in ("10.1.2.3", "10.1.2.4"):
                async with in_process(local.app, address) as client:
                    answer = await client.post("/voice/send", data=form("/voice/send"))
                    codes.append(answer.json()["code"])
            assert codes == ["SUCCESS", "ERROR_CLIENT_IP"]
            assert [one.client for one in local.received] == ["10.1.2.3", "10.1.2.4"]

        asyncio.run(main())

    def test_it_can_be_mounted(self) -> None:
        """Mounted in another application, paths are relative to the mount."""

        async def main() -> None:
            local = sandbox()
            sent: list[Message] = []

            async def receive() -> Message:
                return {"type": "http.request", "body": urlencode(form("/voice/send")).encode()}

            async def send(message: Message) -> None:
                sent.append(message)

            await local.app(
                {
                    "type": "http",
                    "method": "POST",
                    "path": "/emay/voice/send",
                    "root_path": "/emay",
                    "headers": [(b"content-type", FORM.encode())],
                },
                receive,
                send,
            )
            assert [(one.path, one.code, one.client) for one in local.received] == [
                ("/voice/send", "SUCCESS", "")
            ]

        asyncio.run(main())

    def test_other_scopes_are_ignored(self) -> None:
        """Scopes other than HTTP get no response and no record."""
        local = sandbox()
        assert asyncio.run(drive(local, [], kind="lifespan")) == []
        assert list(local.received) == []

    def test_half_a_request_is_no_request(self) -> None:
        """A request whose client disconnects before the end is not recorded."""
        local = sandbox()
        half: Message = {"type": "http.request", "body": b"appId", "more_body": True}
        assert asyncio.run(drive(local, [half])) == []
        assert list(local.received) == []


FIELDS = st.sampled_from(
    [
        *(
            "appId",
            "sign",
            "timestamp",
            "mobiles",
            "mobile",
            "content",
            "voiceContent",
            "number",
            "isInteractive",
        ),
        *(
            "customVoiceIds",
            "customVoiceId",
            "customJoinIds",
            "triggerConditions",
            "keyContent",
            "connectTime",
        ),
        *("interactiveContent", "acousticSignContent", "isAcousticSign", "smsContent", "x"),
    ]
)
VALUES = (
    st.sampled_from(["", "1", "-1", "13800000000", "3", "4", "9" * 400, "１", "1e5", "0x1", ",", ",,", "\0"])
    | st.text()
)


class TestFuzz:
    """Any request."""

    @pytest.mark.slow
    @settings(max_examples=300)
    @given(
        st.sampled_from([endpoint.path for endpoint in ENDPOINTS]),
        st.dictionaries(FIELDS, VALUES, max_size=6),
        st.sets(FIELDS, max_size=3),
    )
    def test_any_fields(self, path: str, changes: dict[str, str], missing: set[str]) -> None:
        """A form with any fields gets 200 and a result code of the document; only SUCCESS acts."""

        async def main() -> None:
            local = sandbox()
            fields = {name: value for name, value in {**form(path), **changes}.items() if name not in missing}
            body = urlencode(fields, errors="surrogatepass").encode()
            async with in_process(local.app) as client:
                answer = await client.post(path, content=body, headers={"Content-Type": FORM})
            code = answer.json().get("code", answer.json().get("responseCode"))
            assert answer.status_code == 200
            assert code in set(ResultCode)
            assert code == "SUCCESS" or not local.calls

        asyncio.run(main())

    @pytest.mark.slow
    @settings(max_examples=300)
    @given(
        st.sampled_from(["GET", "POST", "PUT", "", "Ω"]),
        st.sampled_from(["/voice/send", "/join/getReport", "", "/", "//", "/voice/send\0", "/\ud800"])
        | st.text(max_size=8),
        st.lists(
            st.tuples(
                st.sampled_from([b"content-type", b"content-length", b"host", b"origin", b"x"]),
                st.sampled_from([FORM.encode(), b"", b"-1", b"[", b"localhost", b"\xff", b"1e9"])
                | st.binary(max_size=9),
            ),
            max_size=4,
        ),
        st.binary(max_size=60) | st.text("appId=&%+;A0", max_size=40).map(str.encode),
        st.booleans(),
    )
    def test_any_bytes(
        self, method: str, path: str, headers: list[tuple[bytes, bytes]], body: bytes, checked: bool
    ) -> None:
        """Any method, path, headers and body get a response, and no number is called."""
        local = Sandbox(clock=lambda: NOW, allowed_hosts=["localhost"] if checked else None)
        messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]
        sent: list[Message] = []

        async def receive() -> Message:
            return messages.pop(0) if messages else {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            sent.append(message)

        scope = {"type": "http", "method": method, "path": path, "headers": headers}
        asyncio.run(local.app(scope, receive, send))
        assert sent[0]["status"] in {200, 403, 404, 405, 413}
        assert [one.status for one in local.received] == [sent[0]["status"]]
        assert not local.calls


class TestRecord:
    """The records of requests."""

    def test_a_request_is_kept(self) -> None:
        """The record has the request, the response, and whether the service acted."""

        async def main() -> None:
            local = sandbox()
            fields = form("/voice/send", mobiles="12")
            async with in_process(local.app) as client:
                await client.post("/voice/send", data=fields)
            [one] = local.received
            assert (one.at, one.method, one.path, one.client) == (NOW, "POST", "/voice/send", "127.0.0.1")
            assert (one.fields, one.fault, one.acted) == (fields, None, True)
            assert (one.code, one.status) == ("ERROR_MOBILE_ERROR", 200)
            assert fields["sign"] not in repr(one)

        asyncio.run(main())

    def test_refusals_for_speed_are_counted(self) -> None:
        """ERROR_OVER_SPEED is counted separately, also as a fault."""

        async def main() -> None:
            local = sandbox()
            local.fail_next(Fault.code("ERROR_OVER_SPEED"))
            async with in_process(local.app) as client:
                for _ in range(13):
                    await client.post("/voice/getBalance", data=form("/voice/getBalance"))
            assert local.over_speed == 3
            assert [one.code for one in local.received].count("ERROR_OVER_SPEED") == 3

        asyncio.run(main())


class TestFaults:
    """Faults without a socket; faults of a socket are tested with the server."""

    @pytest.mark.parametrize("fault", [Fault.reset(), Fault.reset(acts=True), Fault.cut()], ids=repr)
    def test_a_broken_connection_is_raised(self, fault: Fault) -> None:
        """Without a socket, a reset or a cut raises ConnectionResetError."""

        async def main() -> None:
            local = sandbox()
            local.fail_next(fault)
            async with in_process(local.app) as client:
                with pytest.raises(ConnectionResetError):
                    await client.post("/voice/send", data=form("/voice/send"))
            [one] = local.received
            assert (one.fault, one.acted, one.code) == (fault.name, fault.acts, None)
            assert len(local.calls) == fault.acts

        asyncio.run(main())

    def test_unknown_paths_use_up_no_fault(self) -> None:
        """Requests to unknown paths use up no fault."""

        async def main() -> None:
            local = sandbox()
            local.fail_next(Fault.html())
            async with in_process(local.app) as client:
                await client.post("/elsewhere")
                await client.get("/voice/send")
                assert len(local.faults) == 1
                answer = await client.post("/voice/send", data=form("/voice/send"))
            assert answer.text.startswith("<html>")

        asyncio.run(main())


class TestTime:
    """Latencies and delays."""

    def test_each_way_takes_its_time(self) -> None:
        """The service acts after the latency, and the response comes after the answer latency."""

        async def main() -> None:
            local = Sandbox(
                app_id=APP_ID,
                secret_key=KEY,
                clock=virtual_time.now,
                latency=iter([1.0, 2.0]).__next__,
                answer_latency=iter([10.0, 20.0]).__next__,
            )
            start = virtual_time.now()
            local.fail_next(Fault.delay(before=100.0, after=1000.0), skip=1)
            ends = []
            async with in_process(local.app) as client:
                for _ in range(2):
                    await client.post("/voice/send", data=form("/voice/send"))
                    ends.append(virtual_time.now() - start)
            assert ends == [11.0, 11.0 + 2.0 + 100.0 + 1000.0 + 20.0]
            assert [one.at - start for one in local.received] == [1.0, 13.0]

        virtual_time.run(main())

    def test_a_delay_ends_when_the_client_disconnects(self) -> None:
        """A delay after acting ends with the connection; the service has acted."""

        async def main() -> None:
            local = sandbox()
            local.fail_next(Fault.delay(after=3600.0))
            start = virtual_time.now()
            await drive(local, whole())
            assert (virtual_time.now() - start, len(local.calls)) == (0.0, 1)

        virtual_time.run(main())

    def test_the_service_acts_after_the_client_has_disconnected(self) -> None:
        """The service acts on a request after the delay, although the client has disconnected."""

        async def main() -> None:
            local = sandbox()
            local.fail_next(Fault.delay(before=3600.0))
            start = virtual_time.now()
            await drive(local, whole())
            assert (virtual_time.now() - start, len(local.calls)) == (3600.0, 1)
            assert local.calls[0].mobile == MOBILE

        virtual_time.run(main())

    def test_further_messages_do_not_end_the_delay(self) -> None:
        """Only a disconnect ends a delay."""

        async def main() -> None:
            local = sandbox()
            local.fail_next(Fault.delay(after=3600.0))
            more: Message = {"type": "http.request", "body": b"", "more_body": False}
            sent = await drive(local, [*whole(), more])
            assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]

        virtual_time.run(main())
