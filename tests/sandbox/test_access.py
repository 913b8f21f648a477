"""Host and Origin headers, and bodies that are too long."""

import asyncio
from urllib.parse import urlencode

import httpx
import pytest
from starlette.types import Message

from emay_voice_async.sandbox import Sandbox
from emay_voice_async.sandbox.access import MAX_BODY, is_allowed
from sandbox.by_hand import APP_ID, KEY, MOBILE, NOW, form

HOSTS = {"localhost", "sandbox"}
FORM = "application/x-www-form-urlencoded"


def sandbox(*hosts: str) -> Sandbox:
    """Make a service with a clock that stands still."""
    return Sandbox(app_id=APP_ID, secret_key=KEY, clock=lambda: NOW, allowed_hosts=hosts or None)


@pytest.mark.parametrize(
    ("host", "origin", "allowed"),
    [
        ("localhost:8900", None, True),
        ("LOCALHOST", None, True),
        ("sandbox:80", None, True),
        ("127.0.0.1:8900", None, True),
        ("[::1]:8900", None, True),
        ("192.168.1.5", None, True),
        ("localhost:8900", "http://localhost:8900", True),
        ("evil.example", None, False),
        ("localhost.evil.example", None, False),
        ("127.0.0.1.evil.example", None, False),
        ("", None, False),
        ("[", None, False),
        ("localhost:8900", "http://evil.example", False),
        ("localhost:8900", "http://localhost:3000", False),
        ("127.0.0.1:8900", "null", False),
        ("127.0.0.1:8900", "", False),
    ],
)
def test_hosts_and_origins(host: str, origin: str | None, allowed: bool) -> None:
    """Foreign names and pages of other origins are refused; addresses and named hosts are allowed."""
    headers = {"host": host} | ({} if origin is None else {"origin": origin})
    assert is_allowed(headers, HOSTS) is allowed
    assert not is_allowed({}, HOSTS)


def test_a_web_page_cannot_post() -> None:
    """A post of a foreign page calls no number, costs nothing, and is recorded without fields."""

    async def main() -> None:
        local = sandbox("Localhost")
        transport = httpx.ASGITransport(local.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8900") as client:
            page = {"Origin": "http://evil.example"}
            assert (
                await client.post("/voice/send", data=form("/voice/send"), headers=page)
            ).status_code == 403
            name = {"Host": "evil.example"}
            assert (
                await client.post("/voice/send", data=form("/voice/send"), headers=name)
            ).status_code == 403
            assert (await client.post("/voice/send", data=form("/voice/send"))).json()["code"] == "SUCCESS"
        assert [(one.status, one.acted, len(one.fields)) for one in local.received[:2]] == [
            (403, False, 0)
        ] * 2
        assert [call.mobile for call in local.calls] == [MOBILE]

    asyncio.run(main())


class TestBody:
    """The size of a body."""

    def ask(self, chunks: list[bytes], length: str | None) -> tuple[Sandbox, int]:
        """Send a body in chunks; return the service and the status."""
        local, sent = sandbox(), list[Message]()
        left = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]

        async def receive() -> Message:
            return left.pop(0) if left else {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Message) -> None:
            sent.append(message)

        headers = [(b"content-type", FORM.encode())]
        if length is not None:
            headers.append((b"content-length", length.encode()))
        scope = {"type": "http", "method": "POST", "path": "/voice/send", "headers": headers}
        asyncio.run(local.app(scope, receive, send))
        return local, sent[0]["status"]

    @pytest.mark.parametrize("length", [None, "5", "x", "٣", str(MAX_BODY + 1), "9" * 30])
    def test_a_body_that_is_too_long(self, length: str | None) -> None:
        """A body beyond the limit gets 413, whatever length is declared, and is recorded."""
        local, status = self.ask([b"a" * 65_536] * 17, length)
        assert status == 413
        assert [(one.status, one.acted, dict(one.fields)) for one in local.received] == [(413, False, {})]

    def test_the_rest_is_not_read(self) -> None:
        """A declared length beyond the limit is refused without reading."""
        local, status = self.ask([], str(MAX_BODY + 1))
        assert (status, len(local.received)) == (413, 1)

    def test_a_full_send_has_room(self) -> None:
        """500 numbers with custom ids of 64 Chinese characters are far below the limit."""
        fields = form(
            "/voice/send", mobiles=",".join([MOBILE] * 500), customVoiceIds=",".join(["字" * 64] * 500)
        )
        body = urlencode(fields).encode()
        local, status = self.ask([body], str(len(body)))
        assert len(body) < MAX_BODY / 2
        assert (status, local.received[0].code, len(local.calls)) == (200, "SUCCESS", 500)
