"""The service over a real socket on the loopback interface."""

import asyncio
import logging
import os
import signal
import socket
from contextlib import suppress
from urllib.parse import urlencode, urlsplit

import httpx
import pytest

from emay_voice_async.sandbox import Fault, Sandbox
from emay_voice_async.sandbox.server import serve
from sandbox.by_hand import APP_ID, BALANCES, KEY, NOW, REPORTS, SENDS, client, form
from sandbox.refusals import REFUSALS, Refusal, name_of

CUT = httpx.RemoteProtocolError
RESET = httpx.ReadError


def sandbox() -> Sandbox:
    """Make a service with a clock that stands still."""
    return Sandbox(app_id=APP_ID, secret_key=KEY, clock=lambda: NOW)


def raw(path: str) -> bytes:
    """Write a valid request as bytes."""
    body = urlencode(form(path)).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def dial(url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Open a connection to a base URL."""
    return await asyncio.open_connection(urlsplit(url).hostname, urlsplit(url).port)


class TestResponses:
    """Responses over a socket."""

    @pytest.mark.parametrize("path", [*SENDS, *REPORTS, *BALANCES])
    def test_every_endpoint_answers(self, path: str) -> None:
        """A valid request is accepted; the response has our three headers only."""

        async def main() -> None:
            async with sandbox().serve() as url, client(url) as http:
                answer = await http.post(path, data=form(path))
            assert answer.json().get("code", answer.json().get("responseCode")) == "SUCCESS"
            assert sorted(answer.headers) == ["content-length", "content-type", "date"]

        asyncio.run(main())

    @pytest.mark.parametrize("refusal", REFUSALS, ids=name_of)
    def test_every_refusal_is_answered(self, refusal: Refusal) -> None:
        """Each refusal arrives with its code and status 200; no number is called."""

        async def main() -> None:
            local = sandbox()
            refusal.prepare(local.account)
            async with local.serve() as url, client(url) as http:
                body = urlencode(refusal.fields, errors="surrogateescape").encode()
                headers = {"Content-Type": "application/x-www-form-urlencoded"}
                for _ in range(refusal.accepted_before + 1):
                    before = len(local.calls)
                    answer = await http.post(refusal.path, content=body, headers=headers)
            name = "responseCode" if refusal.path == "/voice/getBalance" else "code"
            assert (answer.status_code, answer.json()) == (200, {name: refusal.code})
            assert len(local.calls) == before
            assert (local.received[-1].code, local.received[-1].acted) == (refusal.code, True)

        asyncio.run(main())

    def test_connections_are_kept(self) -> None:
        """Concurrent requests get their own responses."""

        async def main() -> None:
            local = sandbox()
            mobiles = [f"139{number:08}" for number in range(10)]
            async with local.serve() as url, client(url) as http:
                answers = await asyncio.gather(
                    *(
                        http.post("/voice/send", data=form("/voice/send", mobiles=mobile))
                        for mobile in mobiles
                    )
                )
            assert [answer.json()["data"][0]["mobile"] for answer in answers] == mobiles

        asyncio.run(main())


class TestFaults:
    """Faults as a client sees them."""

    @pytest.mark.parametrize(
        ("fault", "seen"),
        [
            (Fault.reset(), RESET),
            (Fault.reset(acts=True), RESET),
            (Fault.cut(), CUT),
            *(
                (Fault.status(status, acts=acts), status)
                for status in (500, 502, 503, 504)
                for acts in (False, True)
            ),
            (Fault.html(), "<html>"),
            (Fault.html(acts=True), "<html>"),
            (Fault.empty(), ""),
            (Fault.empty(acts=True), ""),
            (Fault.truncated(), '{"code":"SUCCESS","data":[{"mob'),
            (Fault.answer(b"[1]"), "[1]"),
            (Fault.code("ERROR_TIMING"), '{"code":"ERROR_TIMING"}'),
            (Fault.gzipped(), '{"code":"SUCCESS",'),
            (Fault.content_type(), '{"code":"SUCCESS",'),
            (Fault.delay(after=0.001), '{"code":"SUCCESS",'),
            (Fault.delay(after=3600), httpx.ReadTimeout),
        ],
        ids=repr,
    )
    def test_a_fault(
        self, fault: Fault, seen: type[Exception] | int | str, caplog: pytest.LogCaptureFixture
    ) -> None:
        """A client sees each fault as described, and the service acts as described."""

        async def main() -> None:
            local = sandbox()
            local.fail_next(fault)
            async with local.serve() as url, client(url, timeout=0.1 if fault.after > 1 else 10.0) as http:
                if isinstance(seen, type):
                    with pytest.raises(seen):
                        await http.post("/voice/send", data=form("/voice/send"))
                else:
                    answer = await http.post("/voice/send", data=form("/voice/send"))
                    assert answer.status_code == seen or answer.text.startswith(str(seen))
                assert len(local.calls) == fault.acts
                # A fault applies to a single request: the next request succeeds.
                after = await http.post("/voice/getBalance", data=form("/voice/getBalance"))
                assert after.json()["balance"] == ("9999.9" if fault.acts else "10000")

        asyncio.run(main())
        assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []

    def test_the_headers_of_the_faults(self) -> None:
        """Compression, content type and length are declared in the headers."""

        async def main() -> None:
            local = sandbox()
            for fault in (Fault.gzipped(), Fault.content_type(), Fault.html(), Fault.empty()):
                local.fail_next(fault)
            async with local.serve() as url, client(url) as http:
                answers = [
                    (await http.post("/voice/send", data=form("/voice/send"))).headers for _ in range(4)
                ]
            assert answers[0]["content-encoding"] == "gzip"
            assert [headers["content-type"].partition(";")[0] for headers in answers] == [
                "application/json",
                "text/plain",
                "text/html",
                "application/json",
            ]
            assert answers[3]["content-length"] == "0"

        asyncio.run(main())

    def test_a_reset_is_a_reset(self) -> None:
        """The client's socket sees RST, not an orderly end."""

        async def main() -> None:
            local = sandbox()
            local.fail_next(Fault.reset())
            async with local.serve() as url:
                reader, writer = await dial(url)
                writer.write(raw("/voice/send"))
                with pytest.raises(ConnectionResetError):
                    await reader.read()
                writer.close()

        asyncio.run(main())

    def test_a_cut_is_an_orderly_end(self) -> None:
        """The client's socket sees half of the body, then the end."""

        async def main() -> None:
            local = sandbox()
            local.fail_next(Fault.cut())
            async with local.serve() as url:
                reader, writer = await dial(url)
                writer.write(raw("/voice/send"))
                head, _, half = (await reader.read()).partition(b"\r\n\r\n")
                writer.close()
                await writer.wait_closed()
            assert head.startswith(b"HTTP/1.1 200 OK")
            assert half.startswith(b'{"code":"SUCCESS","data":[')
            assert f"content-length: {len(half) * 2}".encode() in head

        asyncio.run(main())

    def test_an_unexpected_error_is_logged(self, caplog: pytest.LogCaptureFixture) -> None:
        """An unexpected exception gives a 500 and a log record."""

        async def main() -> None:
            def broken() -> float:
                raise LookupError("no latency")

            async with Sandbox(latency=broken).serve() as url, client(url) as http:
                assert (await http.post("/voice/send")).status_code == 500

        asyncio.run(main())
        assert [record.name for record in caplog.records] == ["emay_voice_async.sandbox.server"]


class TestEnd:
    """The end of the server."""

    def test_the_port_is_free_again(self) -> None:
        """After the end the port is closed, and can be used again."""

        async def main() -> None:
            async with sandbox().serve() as url:
                pass
            with pytest.raises(ConnectionRefusedError):
                await dial(url)
            async with sandbox().serve(port=urlsplit(url).port or 0) as again:
                assert again == url

        asyncio.run(main())

    def test_an_ipv6_address_is_in_brackets(self) -> None:
        """The URL of an IPv6 address is a URL that clients accept."""

        async def main() -> None:
            try:
                async with sandbox().serve(host="::1") as url, client(url) as http:
                    assert url.startswith("http://[::1]:")
                    answer = await http.post("/voice/getBalance", data=form("/voice/getBalance"))
                    assert answer.json()["balance"] == "10000"
            except OSError:
                pytest.skip("this host has no IPv6 loopback address")

        asyncio.run(main())

    def test_a_port_can_be_taken_once(self) -> None:
        """A second server on a port is an error at once."""

        async def main() -> None:
            async with sandbox().serve() as url:
                with pytest.raises(OSError, match="address already in use"):
                    async with sandbox().serve(port=urlsplit(url).port or 0):
                        pass

        asyncio.run(main())

    @pytest.mark.parametrize(
        "fault", [Fault.delay(before=3600), Fault.delay(after=3600)], ids=["before", "after"]
    )
    def test_requests_are_cancelled(self, fault: Fault, caplog: pytest.LogCaptureFixture) -> None:
        """The end does not wait for requests in progress, and leaves no task."""

        async def main() -> None:
            arrived = asyncio.Event()

            def latency() -> float:
                arrived.set()
                return 0.0

            local = Sandbox(latency=latency)
            local.fail_next(fault)
            async with asyncio.timeout(5), asyncio.TaskGroup() as tasks, local.serve() as url:
                asking = tasks.create_task(ask(url))
                await arrived.wait()
            assert isinstance(asking.result(), httpx.TransportError)
            assert asyncio.all_tasks() == {asyncio.current_task()}

        async def ask(url: str) -> Exception | None:
            async with client(url) as http:
                try:
                    await http.post("/voice/send")
                except httpx.TransportError as error:
                    return error
            return None

        asyncio.run(main())
        assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []

    @pytest.mark.parametrize("turns", range(8))
    def test_connections_are_closed_however_new(self, turns: int) -> None:
        """A connection is closed if the server ends before, while or after accepting."""

        async def main() -> None:
            with socket.socket() as dialled:
                async with sandbox().serve() as url:
                    # The system connects at once; the server accepts some turns of the loop later.
                    dialled.connect((urlsplit(url).hostname, urlsplit(url).port))
                    for _ in range(turns):
                        await asyncio.sleep(0)
                dialled.setblocking(False)
                async with asyncio.timeout(5):
                    with suppress(ConnectionResetError):
                        assert await asyncio.get_running_loop().sock_recv(dialled, 1) == b""

        asyncio.run(main())

    def test_clients_may_be_gone_already(self) -> None:
        """Connections that the client closed do not disturb the end."""

        async def main() -> None:
            async with sandbox().serve() as url:
                for _ in range(2):
                    async with client(url) as http:
                        await http.post("/voice/getBalance", data=form("/voice/getBalance"))

        asyncio.run(main())


class TestRun:
    """The service as a program."""

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_a_signal_ends_it(self, number: signal.Signals) -> None:
        """``on_ready`` gets the URL; a signal ends the server and the old handlers are restored."""
        before = [signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)]
        urls: list[str] = []

        def ready(url: str) -> None:
            urls.append(url)
            os.kill(os.getpid(), number)

        asyncio.run(sandbox().run(on_ready=ready))
        assert [url.partition(":")[0] for url in urls] == ["http"]
        assert [signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)] == before

    def test_it_answers(self) -> None:
        """Until the signal, the server answers on the given port."""

        async def main() -> None:
            ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
            async with serve(sandbox().app) as taken:
                port = urlsplit(taken).port or 0
            running = asyncio.create_task(sandbox().run(port=port, on_ready=ready.set_result))
            url = await ready
            assert url == f"http://127.0.0.1:{port}"
            async with client(url) as http:
                answer = await http.post("/voice/getBalance", data=form("/voice/getBalance"))
                assert answer.json()["balance"] == "10000"
            os.kill(os.getpid(), signal.SIGTERM)
            await running

        asyncio.run(main())
