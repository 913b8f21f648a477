"""The ASGI side of the receiver."""

import asyncio
import random
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from support.pushes import (
    APP_ID,
    KEYS,
    PUSH,
    SUCCESS,
    Exchange,
    Handler,
    Message,
    Rejections,
    entry,
    push,
    seal,
    text_of,
)
from support.virtual_time import run

from emay_voice_async.receiver import PushReceiver, RecentReports


class TestRequests:
    """Requests and responses."""

    def test_a_body_may_come_in_pieces(self) -> None:
        """A body may arrive in pieces, some of them empty or missing."""

        async def parts() -> AsyncIterator[Message]:
            yield {"type": "http.request", "body": PUSH[:7], "more_body": True}
            yield {"type": "http.request", "more_body": True}
            yield {"type": "http.request", "body": PUSH[7:], "more_body": True}
            yield {"type": "http.request"}

        handler = Handler()
        assert run(push(PushReceiver(KEYS, handler), source=parts())) == SUCCESS
        assert handler.done == [["m1"]]

    def test_a_client_that_is_gone_at_the_end(self) -> None:
        """A closed connection at the response is no error: the reports were handled."""

        async def gone(_: object) -> None:
            raise BrokenPipeError

        handler, exchange = Handler(), Exchange()
        run(PushReceiver(KEYS, handler)(exchange.scope, exchange.receive, gone))
        assert handler.done == [["m1"]]

    def test_a_connection_is_closed_by_header_in_http_1_only(self) -> None:
        """HTTP/2 forbids the header that HTTP/1 needs."""
        exchange = Exchange(headers=[(b"content-length", b"9" * 30)], http_version="2")
        answer = run(exchange.play(PushReceiver(KEYS, Handler())))
        assert answer is not None
        assert answer.status == 413
        assert b"connection" not in answer.headers

    def test_a_client_that_goes_away_leaves_nothing(self) -> None:
        """After a disconnect no report is handed over and no response is sent."""

        async def half() -> AsyncIterator[Message]:
            yield {"type": "http.request", "body": PUSH[:16], "more_body": True}
            yield {"type": "http.disconnect"}

        handler, rejections = Handler(), Rejections()
        assert run(push(PushReceiver(KEYS, handler, on_rejected=rejections), source=half())) is None
        assert not handler.begun
        assert not rejections.kept


class TestScopes:
    """Scopes other than requests."""

    def test_the_servers_start_and_end_are_confirmed(self) -> None:
        """The server's start and end are confirmed."""
        phases = iter(["lifespan.startup", "lifespan.shutdown"])
        sent = []

        async def receive() -> Message:
            return {"type": next(phases)}

        async def send(message: Any) -> None:
            sent.append(message)

        run(PushReceiver(KEYS, Handler())({"type": "lifespan"}, receive, send))
        assert sent == [{"type": "lifespan.startup.complete"}, {"type": "lifespan.shutdown.complete"}]

    def test_a_websocket_is_refused(self) -> None:
        """A websocket is closed before the handshake."""
        exchange = Exchange()
        run(PushReceiver(KEYS, Handler())({"type": "websocket"}, exchange.receive, exchange.send))
        assert exchange.sent == [{"type": "websocket.close"}]

    def test_an_unknown_scope_is_an_error(self) -> None:
        """An unknown scope raises NotImplementedError."""
        exchange = Exchange()
        with pytest.raises(NotImplementedError, match="'telegraph'"):
            run(PushReceiver(KEYS, Handler())({"type": "telegraph"}, exchange.receive, exchange.send))


class TestServers:
    """Behind a client and a server that are not ours."""

    def test_httpx_can_push_to_it(self) -> None:
        """The ASGI transport of httpx accepts the receiver."""

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
        """Over a socket: pushes, duplicates, refusals, a client that stalls, and pushes again."""

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
    """Make a client that ignores the proxies of the environment."""
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
    """Send half a push; return the first line of the response when the server has closed the connection."""
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
