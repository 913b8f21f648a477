"""One POST: the request on the wire, the response, and failures before and after the first byte."""

import asyncio
import gc
import gzip
import sys
import time
import zlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import httpcore
import pytest
from support.http_transport import Script, answers, fields_of
from support.libraries import client_over, each_exception, each_library, exceptions_of, make_exception
from support.raw_server import certificate, closed_port, raw_server, replies, response_bytes
from support.virtual_time import now, run

from emay_voice_async.errors import InvalidRequestError, NotSentError, OutcomeUnknownError
from emay_voice_async.exchange import transport as transport_module
from emay_voice_async.exchange.attempts import Credentials
from emay_voice_async.exchange.exchanges import Exchanges
from emay_voice_async.exchange.failures import ERRORS
from emay_voice_async.exchange.http_client import KEEPALIVE
from emay_voice_async.exchange.transport import Progress, Transport
from emay_voice_async.model.endpoints import VOICE_BALANCE
from emay_voice_async.model.limits import RateLimits
from emay_voice_async.model.version import __version__
from emay_voice_async.pacing.local import LocalPacer
from emay_voice_async.wire.envelope import HttpResponse

JSON = b'{"code":"SUCCESS","data":[]}'
MIB = 1024 * 1024
ENVIRONMENT = (
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start without settings of proxies and certificates."""
    for name in ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)


async def post(
    client: Any, base_url: str = "http://service", timeout: float = 7, **options: Any
) -> HttpResponse:
    """Post a small form over a client; close the own client at the end."""
    transport = Transport(base_url, client, timeout, **options)
    try:
        return await transport.post("/voice/send", b"a=1", Progress())
    finally:
        await transport.aclose()


def exchange(library: ModuleType | None, reply: bytes, **options: Any) -> HttpResponse:
    """Post to a server that replies with these bytes, over a shared client, or over an own client (None)."""

    async def main() -> HttpResponse:
        async with raw_server(replies(reply)) as port:
            url = f"http://127.0.0.1:{port}"
            if library is None:
                return await post(None, url, **options)
            async with library.AsyncClient(trust_env=False) as client:
                return await post(client, url, **options)

    return asyncio.run(main())


def responds(library: ModuleType, status: int = 200, **options: Any) -> Callable[[Any], Any]:
    """Return a handler that answers with a response of the library."""

    async def handle(_: Any) -> Any:
        return library.Response(status, **options)

    return handle


def streams(library: ModuleType, *pieces: bytes | Exception, **options: Any) -> Callable[[Any], Any]:
    """Return a handler that answers with these pieces of a body; an exception is raised in its place."""

    class Stream(library.AsyncByteStream):  # type: ignore[name-defined,misc]
        async def __aiter__(self) -> AsyncIterator[bytes]:
            for piece in pieces:
                if isinstance(piece, Exception):
                    raise piece
                yield piece

    return responds(library, stream=Stream(), **options)


class TestRequest:
    """The request on the wire."""

    @each_library
    @pytest.mark.parametrize(
        ("base_url", "url"),
        [
            ("http://service", "http://service/voice/send"),
            ("http://service/", "http://service/voice/send"),
            ("https://service:8443/emay/v3//", "https://service:8443/emay/v3/voice/send"),
            ("http://127.0.0.1:80/a%20b", "http://127.0.0.1/a%20b/voice/send"),
            ("http://[::1]:8080/x", "http://[::1]:8080/x/voice/send"),
        ],
    )
    def test_the_url_is_exact(self, library: ModuleType, base_url: str, url: str) -> None:
        """The path of the endpoint follows the base URL with any port, prefix and slashes."""
        requests: list[Any] = []

        async def handle(request: Any) -> Any:
            requests.append(request)
            return library.Response(200)

        run(post(client_over(library, handle), base_url))
        assert (requests[0].method, str(requests[0].url)) == ("POST", url)

    def test_the_form_is_in_the_body(self) -> None:
        """The body is the form, and the request has no header beyond the expected ones."""
        script = Script(answers())
        run(post(script.client()))
        [request] = script.requests
        assert fields_of(request) == {"a": "1"}
        assert dict(request.headers) == {
            "host": "service",
            "accept": "application/json",
            "accept-encoding": "gzip, deflate",
            "content-type": "application/x-www-form-urlencoded;charset=UTF-8",
            "content-length": "3",
            "user-agent": f"emay_voice_async/{__version__}",
        }

    @each_library
    def test_nothing_of_a_shared_client_is_sent(self, library: ModuleType) -> None:
        """A shared client's base URL, headers, parameters, cookies and credentials are not sent."""
        requests: list[Any] = []

        async def handle(request: Any) -> Any:
            requests.append(request)
            return library.Response(200)

        client = client_over(
            library,
            handle,
            base_url="http://other/",
            headers={"x-token": "t"},
            params={"p": "1"},
            cookies={"c": "1"},
            auth=("user", "password"),
            follow_redirects=True,
        )
        run(post(client))
        [request] = requests
        assert str(request.url) == "http://service/voice/send"
        assert not {"x-token", "cookie", "authorization"} & set(request.headers)

    @each_library
    def test_a_shared_client_is_left_as_it_was(self, library: ModuleType) -> None:
        """A request changes neither cookies nor hooks nor the open state of a shared client."""
        called: list[str] = []

        async def on_request(_: Any) -> None:
            called.append("request")

        async def on_response(_: Any) -> None:
            called.append("response")

        headers = [("set-cookie", "session=secret; Path=/"), ("set-cookie", "b=2")]
        client = client_over(
            library,
            responds(library, headers=headers),
            cookies={"mine": "1"},
            event_hooks={"request": [on_request], "response": [on_response]},
        )
        for _ in range(2):
            run(post(client))
        assert dict(client.cookies) == {"mine": "1"}
        assert client.event_hooks == {"request": [on_request], "response": [on_response]}
        assert called == ["request", "response"] * 2
        assert not client.is_closed

    @each_library
    def test_a_redirect_is_not_followed(self, library: ModuleType) -> None:
        """A redirect is not followed: a form sent elsewhere would be a second send."""
        seen: list[str] = []

        async def handle(request: Any) -> Any:
            seen.append(str(request.url))
            return library.Response(302, headers={"location": "http://elsewhere/"})

        response = run(post(client_over(library, handle, follow_redirects=True)))
        assert (response.status, response.location) == (302, "http://elsewhere/")
        assert len(seen) == 1

    def test_the_timeout_reaches_the_transport(self) -> None:
        """Connecting has the timeout; reading has twice the timeout, for late responses."""
        script = Script(answers())
        run(post(script.client(), timeout=7))
        assert script.requests[0].extensions["timeout"] == {
            "connect": 7,
            "pool": 3.5,
            "read": 14,
            "write": 14,
        }


class TestResponse:
    """The response, under right and wrong headers."""

    @each_library
    def test_the_response_is_kept_whole(self, library: ModuleType) -> None:
        """Status, body and the Date header come back."""
        date = "Tue, 24 Nov 2026 01:49:57 GMT"
        response = exchange(library, response_bytes(b"<html>", 503, {"date": date}))
        assert (response.status, response.body, response.date) == (503, b"<html>", date)
        assert response.incomplete is None

    @pytest.mark.parametrize("encoding", ["gzip", "deflate", "identity", "br", "gzip, gzip", "x"])
    @each_library
    def test_json_under_any_content_encoding(self, library: ModuleType, encoding: str) -> None:
        """Plain JSON is read under any Content-Encoding."""
        response = exchange(library, response_bytes(JSON, headers={"content-encoding": encoding}))
        assert (response.body, response.incomplete) == (JSON, None)

    @each_library
    @pytest.mark.parametrize(
        ("body", "encoding"),
        [(gzip.compress(JSON), "gzip"), (gzip.compress(JSON), "x"), (zlib.compress(JSON), "deflate")],
        ids=["gzip", "unknown", "deflate"],
    )
    def test_a_compressed_response(self, library: ModuleType, body: bytes, encoding: str) -> None:
        """A compressed body is inflated; under an unknown name it is kept raw."""
        response = exchange(library, response_bytes(body, headers={"content-encoding": encoding}))
        assert response.body == (JSON if encoding != "x" else body)

    @each_library
    def test_stacked_encodings(self, library: ModuleType) -> None:
        """A body with stacked encodings is kept raw."""
        raw = gzip.compress(gzip.compress(bytes(10 * MIB)))
        response = exchange(library, response_bytes(raw, headers={"content-encoding": "gzip, gzip"}))
        assert (response.body, response.incomplete) == (raw, "the body has 2 content encodings")

    @each_library
    def test_a_damaged_compression(self, library: ModuleType) -> None:
        """A body that cannot be inflated is kept raw, with the reason."""
        response = exchange(library, response_bytes(b"not gzip", headers={"content-encoding": "gzip"}))
        assert (response.body, response.incomplete) == (b"not gzip", "the body is not compressed as stated")

    @each_library
    @pytest.mark.parametrize(
        "headers",
        [
            {"content-length": len(JSON) + 10},
            {"transfer-encoding": "chunked"},
        ],
        ids=["Content-Length too large", "chunked, cut off"],
    )
    def test_an_incomplete_transfer(self, library: ModuleType, headers: dict[str, object]) -> None:
        """The bytes of an incomplete transfer are kept, with the reason."""
        head = response_bytes(b"", headers=headers)
        body = JSON if "content-length" in headers else f"{len(JSON):x}\r\n".encode() + JSON + b"\r\n"
        response = exchange(library, head + body)
        assert response.body == JSON
        assert response.incomplete == "the body is incomplete (RemoteProtocolError)"

    @each_library
    @pytest.mark.parametrize(
        "head",
        [
            b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: abc\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n",
            b"HTTP/1.1 200 OK\nContent-Length: 3\n\n",
        ],
    )
    def test_whole_json_after_malformed_headers(self, library: ModuleType, head: bytes) -> None:
        """A whole JSON object is read after malformed headers and wrong lengths."""
        response = exchange(library, head + JSON)
        assert (response.status, response.body) == (200, JSON)
        assert response.incomplete is not None

    @each_library
    @pytest.mark.parametrize(
        ("reply", "status", "body"),
        [
            (b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n<html>", 200, b"<html>"),
            (b"HTTP/1.1 404 X\r\nContent-Length: x\r\n\r\n" + JSON[:-1], 404, JSON[:-1]),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n<html>", 200, b"<html>"),
            (JSON, 0, JSON),
            (b"\x15\x03\x01\x00\x02\x02\x16", 0, b"\x15\x03\x01\x00\x02\x02\x16"),
        ],
    )
    def test_other_bytes_after_malformed_headers(
        self, library: ModuleType, reply: bytes, status: int, body: bytes
    ) -> None:
        """All bytes after malformed headers, or without any HTTP, are kept."""
        response = exchange(library, reply)
        assert (response.status, response.body) == (status, body)

    @each_library
    def test_malformed_headers_on_a_reused_connection(self, library: ModuleType) -> None:
        """The bytes of the second response of a connection are recorded, without the first."""

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"a=1")
            writer.write(response_bytes(b'{"first":1}'))
            await reader.readuntil(b"a=1")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n" + JSON)

        async def main() -> None:
            async with raw_server(serve) as port, library.AsyncClient(trust_env=False) as client:
                transport = Transport(f"http://127.0.0.1:{port}", client, 5)
                first = await transport.post("/voice/send", b"a=1", Progress())
                second = await transport.post("/voice/send", b"a=1", Progress())
                assert (first.body, second.body) == (b'{"first":1}', JSON)

        asyncio.run(main())

    def test_malformed_headers_over_tls(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The decrypted bytes are recorded."""
        file, context = certificate(tmp_path)
        monkeypatch.setenv("SSL_CERT_FILE", str(file))

        async def main() -> None:
            reply = b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n" + JSON
            async with raw_server(replies(reply), context) as port:
                assert (await post(None, f"https://127.0.0.1:{port}")).body == JSON

        asyncio.run(main())

    @each_library
    @pytest.mark.parametrize("whole", [True, False])
    def test_a_content_length_that_is_too_large_on_an_open_connection(
        self, library: ModuleType, whole: bool
    ) -> None:
        """A whole JSON object is read after a second of silence; other bodies have the time of late responses."""

        class Silent(library.AsyncByteStream):  # type: ignore[name-defined,misc]
            async def __aiter__(self) -> AsyncIterator[bytes]:
                yield JSON[:-1]
                await asyncio.sleep(5)
                if whole:
                    yield b"}"
                await asyncio.sleep(1000)

        async def main() -> None:
            began = now()
            response = await post(client_over(library, responds(library, stream=Silent())), timeout=30)
            assert response.body == (JSON if whole else JSON[:-1])
            assert response.incomplete == "the body is incomplete (TimeoutError)"
            assert now() - began == pytest.approx(6 if whole else 60)

        run(main())

    @each_library
    def test_both_limits_in_the_same_turn(self, library: ModuleType) -> None:
        """Silence after a whole JSON object, and the end of the time for a late response, can come together."""
        failures: list[dict[str, Any]] = []

        class Late(library.AsyncByteStream):  # type: ignore[name-defined,misc]
            async def __aiter__(self) -> AsyncIterator[bytes]:
                # Within the resolution of the clock.
                await asyncio.sleep(59 + 1e-10)
                yield JSON
                await asyncio.sleep(1000)

        async def main() -> None:
            asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
            response = await post(client_over(library, responds(library, stream=Late())), timeout=30)
            assert (response.body, response.incomplete) == (JSON, "the body is incomplete (TimeoutError)")

        run(main())
        assert not failures

    @each_library
    def test_a_broken_connection(self, library: ModuleType) -> None:
        """The part of a body that arrived before a broken connection is kept: it may hold reports."""
        handle = streams(library, b'{"code":', library.ReadError("..."))
        response = run(post(client_over(library, handle)))
        assert (response.body, response.incomplete) == (b'{"code":', "the body is incomplete (ReadError)")

    @each_library
    def test_a_response_that_a_hook_has_read(self, library: ModuleType) -> None:
        """A body that an event hook of the user has read is used as the hook left it."""

        async def read(response: Any) -> None:
            await response.aread()

        handle = streams(library, gzip.compress(JSON), headers={"content-encoding": "gzip"})
        client = client_over(library, handle, event_hooks={"response": [read]})
        assert run(post(client)).body == JSON

    @each_library
    @pytest.mark.parametrize("compressed", [False, True])
    def test_the_size_limit(self, library: ModuleType, compressed: bool) -> None:
        """A body of exactly the limit is read; of a larger body, the raw bytes up to the limit are kept."""
        text = b"[" + b" " * 998 + b"]"
        sent = gzip.compress(text) if compressed else text
        reply = response_bytes(sent, headers={"content-encoding": "gzip"} if compressed else None)
        assert exchange(library, reply, max_response_size=1000).body == text
        response = exchange(library, reply, max_response_size=999)
        assert response.body == (sent if compressed else text[:999])
        assert "" if response.incomplete is None else response.incomplete.startswith("the body")

    @each_library
    def test_no_more_than_the_limit_is_read(self, library: ModuleType) -> None:
        """Reading stops at the limit."""
        pieces = 0

        class Endless(library.AsyncByteStream):  # type: ignore[name-defined,misc]
            async def __aiter__(self) -> AsyncIterator[bytes]:
                nonlocal pieces
                while True:
                    pieces += 1
                    yield bytes(1000)

        client = client_over(library, responds(library, stream=Endless()))
        response = run(post(client, max_response_size=10_000))
        assert len(response.body) == 10_000
        assert pieces == 11

    def test_a_large_body_is_inflated_in_a_thread(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A body above the inline size is inflated in a thread, a smaller body in the event loop."""
        sizes: list[int] = []

        async def to_thread(call: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
            sizes.extend(options.values())
            return call(*arguments, **options)

        monkeypatch.setattr(asyncio, "to_thread", to_thread)
        for size in (transport_module.INLINE_SIZE, transport_module.INLINE_SIZE + 1):
            text = b"[" + bytes(size - 1)
            reply = response_bytes(gzip.compress(text), headers={"content-encoding": "gzip"})
            assert exchange(None, reply).body == text
        assert sizes == [64 * MIB]


class TestFailures:
    """Failures before and after the first byte."""

    @each_exception
    def test_an_exception_of_the_transport(self, library: ModuleType, name: str) -> None:
        """An exception of a transport without trace events becomes the error of its row."""
        raised = make_exception(library, exceptions_of(library)[name])

        async def handle(_: Any) -> Any:
            raise raised

        with pytest.raises(ERRORS[name].kind) as caught:
            run(post(client_over(library, handle)))
        assert type(caught.value) is ERRORS[name].kind
        assert caught.value.__cause__ is raised

    @each_library
    @pytest.mark.parametrize(
        "error", [OSError("..."), RuntimeError("..."), TimeoutError(), ValueError("...")]
    )
    def test_an_unlisted_exception(self, library: ModuleType, error: Exception) -> None:
        """An unlisted exception never means "not sent", once the transport has the request."""

        async def handle(_: Any) -> Any:
            raise error

        with pytest.raises((OutcomeUnknownError, TimeoutError)):
            run(post(client_over(library, handle)))

    @each_library
    @pytest.mark.parametrize(
        "error", [OSError("..."), RuntimeError("..."), TimeoutError(), ValueError("...")]
    )
    def test_before_the_headers(self, library: ModuleType, error: Exception) -> None:
        """Any failure between connecting and the first header means "not sent"."""

        async def handle(request: Any) -> Any:
            await request.extensions["trace"]("connection.connect_tcp.started", {})
            raise error

        with pytest.raises(NotSentError):
            run(post(client_over(library, handle)))

    @each_library
    @pytest.mark.parametrize(
        "error", [OSError("..."), RuntimeError("..."), TimeoutError(), ValueError("...")]
    )
    def test_an_event_hook_before_the_request(self, library: ModuleType, error: Exception) -> None:
        """A request hook of the user that fails means "not sent": the transport never got the request."""

        async def fail(_: Any) -> None:
            raise error

        client = client_over(library, responds(library), event_hooks={"request": [fail]})
        with pytest.raises(NotSentError) as caught:
            run(post(client))
        assert caught.value.__cause__ is error

    @each_library
    def test_a_second_connection_after_the_headers(self, library: ModuleType) -> None:
        """A transport that sends again, and cannot connect then, leaves the outcome unknown."""

        async def handle(request: Any) -> Any:
            await request.extensions["trace"]("http11.send_request_headers.started", {})
            raise library.ConnectError("...")

        with pytest.raises(OutcomeUnknownError):
            run(post(client_over(library, handle)))

    @each_library
    def test_a_closed_shared_client(self, library: ModuleType) -> None:
        """A closed shared client raises NotSentError with that reason."""

        async def main() -> None:
            client = client_over(library, responds(library))
            await client.aclose()
            with pytest.raises(NotSentError, match="http_client is closed") as caught:
                await post(client)
            assert caught.value.permanent

        run(main())

    @each_library
    def test_a_library_without_its_parts(self, library: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
        """A library that lacks a part, or is gone, means "not sent", with the reason."""
        client = client_over(library, responds(library))
        for part in ("Request", "ByteStream"):
            with monkeypatch.context() as patch:
                patch.delattr(library, part)
                with pytest.raises(NotSentError, match="AttributeError") as caught:
                    run(post(client))
                assert caught.value.path == "/voice/send"
                assert caught.value.permanent
        monkeypatch.delitem(sys.modules, library.__name__)
        with pytest.raises(NotSentError, match="KeyError") as caught:
            run(post(client))
        assert caught.value.path == "/voice/send"
        assert caught.value.permanent

    @pytest.mark.parametrize("library", [None, *each_library.args[1]], ids=["own client", "httpx", "httpx2"])
    def test_a_refused_connection(self, library: ModuleType | None) -> None:
        """A refused connection on a real socket means "not sent"; the sentence has the address."""

        async def main() -> None:
            port = await closed_port()
            client = None if library is None else library.AsyncClient(trust_env=False)
            with pytest.raises(NotSentError, match=f"127.0.0.1:{port} refused the connection") as caught:
                await post(client, f"http://127.0.0.1:{port}")
            assert not caught.value.permanent

        asyncio.run(main())

    @pytest.mark.parametrize("library", [None, *each_library.args[1]], ids=["own client", "httpx", "httpx2"])
    def test_a_connection_that_breaks_after_the_request(self, library: ModuleType | None) -> None:
        """A connection that breaks after the request leaves the outcome unknown."""
        with pytest.raises(OutcomeUnknownError, match="broke the rules of HTTP"):
            exchange(library, b"")

    @each_library
    def test_a_server_without_tls(self, library: ModuleType) -> None:
        """An https address of a server without TLS means "not sent", with advice."""

        async def main() -> None:
            async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                await reader.read(100)
                writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

            async with raw_server(refuse) as port:
                client = library.AsyncClient(trust_env=False)
                with pytest.raises(NotSentError, match="check http or https in base_url"):
                    await post(client, f"https://127.0.0.1:{port}")

        asyncio.run(main())

    def test_another_kind_of_client(self) -> None:
        """A client object of another kind is refused; the sentence names both libraries."""
        for wrong in (object(), "http://service", print):
            with pytest.raises(InvalidRequestError, match=r"httpx\.AsyncClient or an httpx2\.AsyncClient"):
                Transport("http://service", wrong, 5)  # type: ignore[arg-type]

    @pytest.mark.parametrize("base_url", ["http://[::1", "http://[v9.x]", "http://\u2603.", "http://x\x00"])
    def test_an_unreadable_base_url(self, base_url: str) -> None:
        """A base URL that the HTTP library refuses is refused at once."""
        with pytest.raises(InvalidRequestError, match="base_url"):
            Transport(base_url, None, 5)


class _TurnLoop(asyncio.SelectorEventLoop):
    """Cancels the task ``victim`` after ``turns`` turns, in real time."""

    victim: asyncio.Task[Any] | None = None
    turns = 0

    def _run_once(self) -> None:
        if self.victim is not None:
            self.turns -= 1
            if self.turns == 0:
                self.victim.cancel()
        super()._run_once()  # type: ignore[misc]


class TestPool:
    """No request leaves a connection in the pool of a client that no other request can use."""

    def one_by_one(self, library: ModuleType, main: Callable[[Any, int], Any], **options: Any) -> None:
        """Run a test with a client of a single connection, and a server that closes each connection."""

        async def living() -> None:
            reply = response_bytes(JSON, headers={"connection": "close"})
            limits = library.Limits(max_connections=1)
            async with (
                raw_server(replies(reply)) as port,
                library.AsyncClient(trust_env=False, limits=limits, **options) as client,
            ):
                await main(client, port)

        with asyncio.Runner(loop_factory=_TurnLoop) as runner:
            runner.run(living())

    # anyio 4.0 leaves the socket of a cancelled connection to the garbage collector.
    @pytest.mark.filterwarnings("ignore::ResourceWarning")
    @each_library
    def test_a_caller_that_leaves_at_any_turn(self, library: ModuleType) -> None:
        """The next request gets the connection, whenever the caller of the one before is cancelled."""

        async def main(client: Any, port: int) -> None:
            loop = asyncio.get_running_loop()
            assert isinstance(loop, _TurnLoop)
            exchanges = Exchanges(
                Transport(f"http://127.0.0.1:{port}", client, 10),
                LocalPacer(RateLimits(balance=None)),
                Credentials("app", "secret"),
                timeout=10,
                clock=lambda: 0.0,
            )
            turn = 0
            cancelled = True
            while cancelled:
                turn += 1
                loop.turns = turn
                loop.victim = asyncio.ensure_future(exchanges.call(VOICE_BALANCE, b"", lambda _: None))
                await asyncio.wait([loop.victim])
                cancelled, loop.victim = loop.victim.cancelled(), None
                gc.collect()
                await exchanges.call(VOICE_BALANCE, b"", lambda _: None)
            assert turn > 8
            await exchanges.aclose()

        self.one_by_one(library, main)

    @each_library
    def test_a_response_is_closed_without_a_limit(self, library: ModuleType) -> None:
        """The end of the time for a body, and a silence after a whole body, do not interrupt the closing."""

        class Slow(library.AsyncByteStream):  # type: ignore[name-defined,misc]
            def __init__(self, trace: Any) -> None:
                self.trace = trace
                self.closed = False

            async def __aiter__(self) -> AsyncIterator[bytes]:
                yield JSON

            async def aclose(self) -> None:
                await self.trace("http11.response_closed.started", {})
                await asyncio.sleep(100)
                self.closed = True

        streams: list[Slow] = []

        async def handle(request: Any) -> Any:
            streams.append(Slow(request.extensions["trace"]))
            return library.Response(200, stream=streams[0])

        response = run(post(client_over(library, handle), timeout=30))
        assert (response.body, response.incomplete) == (JSON, None)
        assert streams[0].closed

    @each_library
    def test_a_failed_request_is_closed_without_a_limit(self, library: ModuleType) -> None:
        """The end of the time for a response does not interrupt the closing of a broken connection."""

        async def handle(request: Any) -> Any:
            await request.extensions["trace"]("http11.send_request_headers.started", {})
            await asyncio.sleep(59)
            await request.extensions["trace"]("http11.response_closed.started", {})
            await asyncio.sleep(2)
            raise library.ReadError("...")

        with pytest.raises(OutcomeUnknownError, match="ReadError"):
            run(post(client_over(library, handle), timeout=30))

    @each_library
    def test_a_slow_way_from_the_connection_to_the_request(self, library: ModuleType) -> None:
        """The time limit does not cancel between connection and request, and holds again from then on."""
        reached: list[float] = []

        async def handle(request: Any) -> Any:
            trace = request.extensions["trace"]
            await trace("connection.connect_tcp.complete", {})
            await asyncio.sleep(61)
            reached.append(now())
            await trace("http11.send_request_headers.started", {})
            await asyncio.sleep(50)
            raise AssertionError("unreachable")

        async def main() -> None:
            began = now()
            with pytest.raises(TimeoutError):
                await post(client_over(library, handle), timeout=30)
            assert now() - began == reached[0] - began == 61

        run(main())

    @each_library
    def test_a_transport_that_sends_again(self, library: ModuleType) -> None:
        """After a closing the time limit holds again, for a transport of the user that repeats the request."""

        async def handle(request: Any) -> Any:
            trace = request.extensions["trace"]
            for _ in range(2):
                await trace("http11.send_request_headers.started", {})
                await asyncio.sleep(50)
                await trace("http11.response_closed.started", {})
                await trace("http11.response_closed.complete", {})
            raise AssertionError("unreachable")

        async def main() -> None:
            began = now()
            with pytest.raises(TimeoutError):
                await post(client_over(library, handle), timeout=30)
            assert now() - began == 60

        run(main())


class TestOwnClient:
    """The own client."""

    def test_made_at_the_first_request(self) -> None:
        """The first request makes the own client, further requests use its connection, aclose closes it."""

        async def main() -> None:
            ended = asyncio.Event()

            async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                for _ in range(2):
                    await reader.readuntil(b"a=1")
                    writer.write(response_bytes(b"{}"))
                assert await reader.read() == b""
                ended.set()

            async with raw_server(serve) as port:
                transport = Transport(f"http://127.0.0.1:{port}", None, 5)
                for _ in range(2):
                    progress = Progress()
                    assert (await transport.post("/voice/send", b"a=1", progress)).body == b"{}"
                    assert progress.written
                    assert progress.address in (("127.0.0.1", port), None)
                await transport.aclose()
                await ended.wait()

        asyncio.run(main())

    @pytest.mark.parametrize(("idle", "connections"), [(KEEPALIVE - 1, 1), (KEEPALIVE + 0.1, 2)])
    def test_an_idle_connection(self, idle: float, connections: int, monkeypatch: pytest.MonkeyPatch) -> None:
        """A connection that was idle for longer than the keep-alive is not used again: the service may close it."""
        found: list[int] = []
        offset = 0.0
        clock = time.monotonic
        monkeypatch.setattr("time.monotonic", lambda: clock() + offset)

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            found.append(0)
            while True:
                await reader.readuntil(b"a=1")
                writer.write(response_bytes(JSON))

        async def main() -> None:
            nonlocal offset
            async with raw_server(serve) as port:
                transport = Transport(f"http://127.0.0.1:{port}", None, 30)
                await transport.post("/voice/send", b"a=1", Progress())
                offset = idle
                await transport.post("/voice/send", b"a=1", Progress())
                await transport.aclose()

        asyncio.run(main())
        assert len(found) == connections

    def test_any_number_of_connections(self) -> None:
        """The number of connections is not limited: max_concurrency limits the requests."""
        number = 120

        async def main() -> None:
            together = asyncio.Barrier(number)

            async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                await reader.readuntil(b"a=1")
                await together.wait()
                writer.write(response_bytes(JSON))

            async with raw_server(serve) as port:
                transport = Transport(f"http://127.0.0.1:{port}", None, 10)
                posts = [transport.post("/voice/send", b"a=1", Progress()) for _ in range(number)]
                assert {response.body for response in await asyncio.gather(*posts)} == {JSON}
                await transport.aclose()

        asyncio.run(main())

    def test_a_certificate_of_the_environment(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """An https service with a certificate of SSL_CERT_FILE is reached; without it, it is not trusted."""
        file, context = certificate(tmp_path)

        async def main() -> None:
            async with raw_server(replies(response_bytes(JSON)), context) as port:
                with pytest.raises(NotSentError, match="is not trusted: self-signed certificate") as caught:
                    await post(None, f"https://127.0.0.1:{port}")
                assert caught.value.permanent
                monkeypatch.setenv("SSL_CERT_FILE", str(file))
                for scheme in ("https", "HTTPS"):
                    assert (await post(None, f"{scheme}://127.0.0.1:{port}")).body == JSON

        asyncio.run(main())


class TestProgress:
    """The progress of a request."""

    def test_a_silent_transport_may_have_written(self) -> None:
        """With a transport without trace events, bytes may be written from the start."""
        progress = Progress()
        assert not progress.written
        progress.started = True
        assert progress.written

    def test_a_tracing_transport_tells_when_it_writes(self) -> None:
        """With httpcore's events, no byte is written before the headers start."""

        async def main() -> None:
            progress = Progress(started=True)
            await progress.trace("connection.connect_tcp.started", {})
            assert not progress.written
            await progress.trace("http11.send_request_headers.started", {})
            assert progress.written

        run(main())

    def test_what_goes_to_a_proxy_is_not_the_request(self) -> None:
        """The headers of a CONNECT belong to the tunnel, not to the request."""

        async def main() -> None:
            progress = Progress(started=True)
            connect = httpcore.Request("CONNECT", "http://proxy/")
            await progress.trace("http11.send_request_headers.started", {"request": connect})
            assert not progress.written
            post = httpcore.Request("POST", "http://service/")
            await progress.trace("http11.send_request_headers.started", {"request": post})
            assert progress.written

        run(main())

    def test_the_response_to_connect_is_not_recorded(self) -> None:
        """The recording starts with the request: the response of a proxy to CONNECT is dropped."""

        async def main() -> None:
            progress = Progress(started=True)
            progress.recording.add(b"HTTP/1.1 200 Connection established")
            await progress.trace("http11.send_request_headers.started", {})
            assert progress.recording.raw == b""

        run(main())

    def test_an_abandoned_request_is_stopped_before_it_is_written(self) -> None:
        """An abandoned request is not written when the connection is made late."""

        async def main() -> None:
            progress = Progress(started=True, abandoned=True)
            await progress.trace("connection.connect_tcp.complete", {})
            with pytest.raises(NotSentError):
                await progress.trace("http2.send_request_headers.started", {})
            assert not progress.written

        run(main())

    @pytest.mark.parametrize("secure", [False, True])
    def test_connected(self, secure: bool) -> None:
        """A service over TLS is connected after the handshake, another one before."""

        async def main() -> None:
            progress = Progress(started=True, secure=secure)
            await progress.trace("connection.connect_tcp.started", {})
            assert not progress.connected
            await progress.trace("connection.connect_tcp.complete", {})
            assert progress.connected is not secure
            await progress.trace("connection.start_tls.complete", {})
            assert progress.connected

        run(main())

    def test_closing_outside_of_a_limit(self) -> None:
        """The closing of a response has no effect on a limit that does not run any more, or was never set."""

        async def main() -> None:
            progress = Progress()
            await progress.trace("http11.response_closed.started", {})
            async with asyncio.timeout(1) as progress.limit:
                await asyncio.sleep(0)
            await progress.trace("http11.response_closed.started", {})

        run(main())

    def test_what_the_trace_raises_comes_out_as_it_is(self) -> None:
        """An error raised by the trace keeps its class and text."""

        async def main() -> None:
            script = Script(answers(), traced=True)
            with pytest.raises(NotSentError, match="gave up"):
                await Transport("http://service", script.client(), 5).post(
                    "/voice/send", b"", Progress(abandoned=True)
                )
            assert not script.requests

        run(main())
