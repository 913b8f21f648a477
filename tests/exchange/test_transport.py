"""One POST: the request on the wire, and the meaning of each httpx exception."""

import asyncio
import gzip
import inspect
import os
from collections.abc import Iterator
from typing import Any

import httpcore
import httpx
import pytest
from support.http_transport import Script, answers, fields_of, raises
from support.virtual_time import run

from emay_voice_async.errors import InvalidRequestError, NotSentError, OutcomeUnknownError
from emay_voice_async.exchange.transport import ERRORS, Progress, Transport, checked_base_url
from emay_voice_async.wire.envelope import HttpResponse


async def post(
    client: httpx.AsyncClient | None, base_url: str = "http://service", timeout: float = 7
) -> HttpResponse:
    """Post a small form over a client."""
    return await Transport(base_url, client, timeout).post("/voice/send", b"a=1", Progress())


def httpx_exceptions() -> Iterator[type[Exception]]:
    """Walk the exceptions that httpx exports, roots and leaves."""
    for name in dir(httpx):
        thing = getattr(httpx, name)
        if inspect.isclass(thing) and issubclass(thing, Exception):
            yield thing


def make(kind: type[Exception]) -> Exception:
    """Make an exception of httpx; their constructors differ."""
    request = httpx.Request("POST", "http://service")
    if kind is httpx.HTTPStatusError:
        return httpx.HTTPStatusError("...", request=request, response=httpx.Response(500))
    try:
        return kind("...")
    except TypeError:
        return kind()


class TestErrors:
    """The mapping of httpx's exceptions to the package's errors."""

    def test_only_these_are_certain(self) -> None:
        """Only these exceptions mean "not sent"; every other exception leaves the outcome unknown."""
        certain = {kind for kind, ours in ERRORS.items() if ours is NotSentError}
        assert certain == {
            httpx.ConnectError,
            httpx.ConnectTimeout,
            httpx.PoolTimeout,
            httpx.ProxyError,
            httpx.UnsupportedProtocol,
            httpx.InvalidURL,
        }
        assert set(ERRORS.values()) == {NotSentError, OutcomeUnknownError}

    def test_none_is_forgotten(self) -> None:
        """Every exception class of httpx that has no subclasses stands in the table."""
        leaves = {kind for kind in httpx_exceptions() if not kind.__subclasses__()}
        assert leaves == set(ERRORS)

    @pytest.mark.parametrize("kind", sorted(ERRORS, key=str), ids=lambda kind: kind.__name__)
    def test_each_becomes_what_the_table_says(self, kind: type[Exception]) -> None:
        """An httpx exception becomes the error of its table row, with the original as the cause."""
        with pytest.raises(ERRORS[kind]) as caught:
            run(post(Script(raises(make(kind))).client()))
        assert type(caught.value) is ERRORS[kind]
        assert isinstance(caught.value.__cause__, kind)
        assert str(caught.value).endswith(kind.__name__)

    @pytest.mark.parametrize("error", [OSError("..."), RuntimeError("..."), httpx.TransportError("...")])
    def test_whatever_is_not_listed_is_unknown(self, error: Exception) -> None:
        """An unlisted exception never means "not sent"."""
        with pytest.raises(OutcomeUnknownError):
            run(post(Script(raises(error)).client()))

    def test_a_subclass_means_what_its_parent_means(self) -> None:
        """A subclass of a listed exception is mapped like the listed exception."""

        class OwnConnectError(httpx.ConnectError):
            pass

        with pytest.raises(NotSentError):
            run(post(Script(raises(OwnConnectError("..."))).client()))

    def test_nothing_was_sent_before_the_headers(self) -> None:
        """A failure between connecting and the first header means "not sent"."""

        async def handle(request: httpx.Request) -> httpx.Response:
            await request.extensions["trace"]("connection.connect_tcp.started", {})
            raise httpx.ReadError("...")

        with pytest.raises(NotSentError):
            run(post(httpx.AsyncClient(transport=Handler(handle))))

    def test_a_closed_shared_client_sends_nothing(self) -> None:
        """A closed shared client raises NotSentError with that reason."""

        async def main() -> None:
            client = Script(answers()).client()
            await client.aclose()
            with pytest.raises(NotSentError, match="http_client is closed"):
                await post(client)

        run(main())

    def test_nobody_listens(self) -> None:
        """A refused connection on a real socket means "not sent"."""

        async def main() -> None:
            server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
            port = server.sockets[0].getsockname()[1]
            server.close()
            await server.wait_closed()
            transport = Transport(f"http://127.0.0.1:{port}", None, 5)
            with pytest.raises(NotSentError, match="ConnectError"):
                await transport.post("/voice/send", b"", Progress())
            await transport.aclose()

        asyncio.run(main())


class Handler(httpx.AsyncBaseTransport):
    """A transport made of a function."""

    def __init__(self, handle: Any) -> None:
        self.handle_async_request = handle  # type: ignore[method-assign]


class TestPost:
    """The request on the wire."""

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
    def test_the_url_is_exact(self, base_url: str, url: str) -> None:
        """The path of the endpoint follows the base URL with any port, prefix and slashes."""
        script = Script(answers())
        run(post(script.client(), base_url))
        assert str(script.requests[0].url) == url
        assert script.requests[0].method == "POST"

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
            "user-agent": "emay_voice_async",
        }

    def test_nothing_of_a_shared_client_is_sent(self) -> None:
        """A shared client's base URL, headers, parameters, cookies and credentials are not sent."""
        script = Script(answers())
        client = httpx.AsyncClient(
            transport=script,
            base_url="http://other/",
            headers={"x-token": "t"},
            params={"p": "1"},
            cookies={"c": "1"},
            auth=("user", "password"),
            follow_redirects=True,
        )
        run(post(client))
        [request] = script.requests
        assert str(request.url) == "http://service/voice/send"
        assert not {"x-token", "cookie", "authorization"} & set(request.headers)

    def test_a_redirect_is_not_followed(self) -> None:
        """A redirect is not followed: a form sent elsewhere would be a second send."""
        script = Script(answers(b"", status=302, headers={"location": "http://elsewhere/"}))
        client = httpx.AsyncClient(transport=script, follow_redirects=True)
        assert run(post(client)).status == 302
        assert len(script.requests) == 1

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

    def test_the_answer_is_kept_whole(self) -> None:
        """Status, body and the Date header come back."""
        date = "Tue, 24 Nov 2026 01:49:57 GMT"
        script = Script(answers(b"<html>", status=503, headers={"date": date}))
        answer = run(post(script.client()))
        assert (answer.status, answer.body, answer.date) == (503, b"<html>", date)

    def test_a_compressed_answer_is_inflated(self) -> None:
        """A gzip content encoding is removed."""
        script = Script(answers(gzip.compress(b"{}"), headers={"content-encoding": "gzip"}))
        assert run(post(script.client())).body == b"{}"

    def test_an_answer_that_cannot_be_inflated(self) -> None:
        """A body with damaged compression is incomplete."""

        class Damaged(httpx.AsyncByteStream):
            async def __aiter__(self) -> Any:
                yield b"not gzip"

        async def handle(_: httpx.Request) -> httpx.Response:
            return httpx.Response(200, headers={"content-encoding": "gzip"}, stream=Damaged())

        answer = run(post(httpx.AsyncClient(transport=Handler(handle))))
        assert (answer.status, answer.incomplete) == (200, "DecodingError")

    def test_an_answer_that_breaks_off_keeps_what_came(self) -> None:
        """The part of a body that arrived before a broken connection is kept: it may hold reports."""

        class Broken(httpx.AsyncByteStream):
            async def __aiter__(self) -> Any:
                yield b'{"code":'
                raise httpx.ReadError("...")

        async def handle(_: httpx.Request) -> httpx.Response:
            return httpx.Response(200, stream=Broken())

        answer = run(post(httpx.AsyncClient(transport=Handler(handle))))
        assert (answer.body, answer.incomplete) == (b'{"code":', "ReadError")

    def test_the_own_client_is_made_when_it_is_needed(self) -> None:
        """Without a shared client, the first request makes an own client, and aclose closes it."""

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"a=1")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
            rest = await reader.read()
            writer.close()
            await writer.wait_closed()
            gone.set_result(rest)

        gone: asyncio.Future[bytes]

        async def main() -> None:
            nonlocal gone
            gone = asyncio.get_running_loop().create_future()
            server = await asyncio.start_server(serve, "127.0.0.1", 0)
            transport = Transport(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", None, 5)
            progress = Progress()
            assert (await transport.post("/voice/send", b"a=1", progress)).body == b"{}"
            assert progress.written
            await transport.aclose()
            assert await gone == b""
            server.close()
            await server.wait_closed()

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

    def test_an_abandoned_request_is_stopped_before_it_is_written(self) -> None:
        """An abandoned request is not written when the connection is made late."""

        async def main() -> None:
            progress = Progress(started=True, abandoned=True)
            await progress.trace("connection.connect_tcp.complete", {})
            with pytest.raises(NotSentError):
                await progress.trace("http2.send_request_headers.started", {})
            assert not progress.written

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


class TestBaseUrl:
    """The address of the service."""

    @pytest.mark.parametrize(
        ("base_url", "found"),
        [
            ("", "no scheme"),
            ("service:8080", "another scheme"),
            ("//service", "no scheme"),
            ("ftp://service", "another scheme"),
            ("http://", "no host"),
            ("http:///voice", "no host"),
            ("http://service:0", "no host"),
            ("http://service:99999", "something unreadable"),
            ("http://[::1", "something unreadable"),
            ("http://service/?a=1", "a user, a query or a fragment"),
            ("http://service/#a", "a user, a query or a fragment"),
            ("http://service?", "a user, a query or a fragment"),
            ("http://service/p#", "a user, a query or a fragment"),
            ("http://user:password@service", "a user, a query or a fragment"),
            ("http://ser vice", "white space"),
            (" http://service", "white space"),
            (None, "NoneType"),
        ],
    )
    def test_what_is_refused(self, base_url: Any, found: str) -> None:
        """An unusable base URL is refused; the error states the rule and hides the value."""
        with pytest.raises(InvalidRequestError) as caught:
            checked_base_url(base_url)
        assert caught.value.field == "base_url"
        assert caught.value.actual == found
        assert "password" not in str(caught.value)

    def test_the_environment_has_no_proxy_in_these_tests(self) -> None:
        """A proxy variable would send loopback requests elsewhere."""
        assert not {name for name in os.environ if name.lower() in ("http_proxy", "all_proxy")}
