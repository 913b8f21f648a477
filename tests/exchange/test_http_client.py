"""Clients of the user, and the own client with the settings of the environment."""

import asyncio
import subprocess
import sys
import threading
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest
from support.libraries import client_over, each_library
from support.raw_server import closed_port, raw_server, replies, response_bytes

from emay_voice_async.client import AsyncEmayVoice
from emay_voice_async.errors import EmayVoiceError, InvalidRequestError, NotSentError
from emay_voice_async.exchange.addresses import PROXY_VARIABLES
from emay_voice_async.exchange.http_client import (
    RequestMaker,
    TransportClient,
    detached,
    library_of,
    load_parts,
    own_client,
    user_agent_of,
)
from emay_voice_async.exchange.transport import Progress, Transport
from emay_voice_async.model.messages import Notice
from emay_voice_async.model.version import __version__

BALANCE = b'{"code":"SUCCESS","data":"12.50"}'
SERVICE = "http://service.invalid"
BAD_PROXIES = [
    "socks://127.0.0.1:7890/",
    "socks://user:secret@127.0.0.1:7890/",
    "ftp://user:secret@127.0.0.1",
    "http://127.0.0.1:port",
    "http://[::1",
    "://secret",
]


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start without settings of proxies and certificates."""
    for name in (*PROXY_VARIABLES, "no_proxy", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)


def error_of(base_url: str) -> NotSentError:
    """Post over an own client, and return the error."""

    async def main() -> None:
        transport = Transport(base_url, None, 5)
        try:
            await transport.post("/voice/send", b"a=1", Progress())
        finally:
            await transport.aclose()

    with pytest.raises(NotSentError) as caught:
        asyncio.run(main())
    return caught.value


class TestLibraryOf:
    """The library of a client object."""

    @each_library
    def test_by_the_module_of_the_class(self, library: ModuleType) -> None:
        """Clients of both libraries, and of subclasses elsewhere, are recognised."""
        own = type("OwnClient", (library.AsyncClient,), {"__module__": "elsewhere"})
        assert library_of(library.AsyncClient()) == library.__name__
        assert library_of(own()) == library.__name__
        request = RequestMaker(library.__name__, SERVICE, {}).make("/p", b"", lambda: None)
        assert isinstance(request, library.Request)

    @each_library
    def test_the_synchronous_client(self, library: ModuleType) -> None:
        """A synchronous client is refused; the sentence names both libraries and the class found."""
        with pytest.raises(InvalidRequestError) as caught:
            library_of(library.Client())
        assert str(caught.value) == (
            "http_client: must be an httpx.AsyncClient or an httpx2.AsyncClient"
            f" (found {library.__name__}.Client)"
        )

    @pytest.mark.parametrize("wrong", [None, "http://service", httpx.AsyncClient, 1], ids=repr)
    def test_other_objects(self, wrong: object) -> None:
        """Every other object is refused."""
        with pytest.raises(InvalidRequestError, match="httpx2"):
            library_of(wrong)

    def test_a_class_of_the_same_name(self) -> None:
        """An AsyncClient of another library is refused."""
        own = type("AsyncClient", (), {"__module__": "httpx_fork.client"})
        with pytest.raises(InvalidRequestError, match=r"found httpx_fork\.AsyncClient"):
            library_of(own())

    @pytest.mark.slow
    def test_httpx2_is_never_imported(self) -> None:
        """Using the package imports httpx and not httpx2."""
        code = "import sys, emay_voice_async.client; print('httpx' in sys.modules, 'httpx2' in sys.modules)"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
        assert done.stdout.split() == ["True", "False"]


class TestDetached:
    """A copy of a shared client for one request."""

    @each_library
    def test_the_same_connections(self, library: ModuleType) -> None:
        """The copy uses the transport of the client, keeps no cookie, and calls the mark after all hooks."""
        events: list[str] = []

        async def handle(_: Any) -> Any:
            events.append("transport")
            return library.Response(200, headers={"set-cookie": "a=1"})

        async def hook(_: Any) -> None:
            events.append("hook")

        client = client_over(library, handle, event_hooks={"request": [hook]})

        async def main() -> None:
            maker = RequestMaker(library.__name__, SERVICE, {"accept": "a/b"})
            request = maker.make("/p", b"content", lambda: events.append("mark"), more=1)
            assert (request.url, request.content, request.extensions["more"]) == (
                f"{SERVICE}/p",
                b"content",
                1,
            )
            request.headers["accept"] = "changed by a hook"
            assert maker.make("/p", b"", lambda: None).headers["accept"] == "a/b"
            clone = detached(client)
            await clone.send(request)
            assert not clone.cookies

        asyncio.run(main())
        assert events == ["hook", "mark", "transport"]
        assert not client.cookies
        assert client.event_hooks == {"request": [hook], "response": []}


class TestUserAgent:
    """The User-Agent of requests."""

    def test_of_the_own_client(self) -> None:
        """Requests of the own client carry name and version of the package, on the wire."""

        async def main() -> bytes:
            heads: list[bytes] = []

            async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                heads.append(await reader.readuntil(b"\r\n\r\n"))
                writer.write(response_bytes(BALANCE))

            async with (
                raw_server(serve) as port,
                AsyncEmayVoice(f"http://127.0.0.1:{port}", app_id="a", secret_key="s") as voice,
            ):
                await voice.get_balance()
            return heads[0]

        assert f"user-agent: emay_voice_async/{__version__}\r\n".encode() in asyncio.run(main()).lower()

    @each_library
    def test_of_a_shared_client(self, library: ModuleType) -> None:
        """A User-Agent of the user is kept, the default of the library is not; the client is not changed."""
        sent: list[str] = []

        async def handle(request: Any) -> Any:
            sent.append(request.headers["User-Agent"])
            return library.Response(200, content=BALANCE)

        async def main() -> None:
            for headers in ({}, {"User-Agent": "shop/7"}):
                client = client_over(library, handle, headers=headers)
                before = client.headers.copy()
                async with AsyncEmayVoice(SERVICE, app_id="a", secret_key="s", http_client=client) as voice:
                    await voice.get_balance()
                assert client.headers == before

        asyncio.run(main())
        assert sent == [f"emay_voice_async/{__version__}", "shop/7"]

    @each_library
    def test_of_another_script(self, library: ModuleType) -> None:
        """A User-Agent with bytes beyond ASCII, as httpx sends it, is sent unchanged by each request."""
        sent: list[bytes] = []

        async def handle(request: Any) -> Any:
            sent.append(dict(request.headers.raw)[b"User-Agent"])
            return library.Response(200, content=BALANCE)

        async def main(value: bytes) -> None:
            client = client_over(library, handle, headers=[(b"User-Agent", value)])
            async with AsyncEmayVoice(SERVICE, app_id="a", secret_key="s", http_client=client) as voice:
                await voice.get_balance()
                await voice.get_balance()

        names = ["商店/7".encode(), b"B\xfccher/7"]
        for name in names:
            asyncio.run(main(name))
        assert sent == [names[0], names[0], names[1], names[1]]

    def test_without_a_user_agent(self) -> None:
        """A shared client without a User-Agent gets the one of the package, in our requests only."""
        client = httpx.AsyncClient()
        del client.headers["User-Agent"]
        assert user_agent_of(client) == f"emay_voice_async/{__version__}"
        assert "User-Agent" not in client.headers


class TestProxySettings:
    """Proxies of the environment."""

    @pytest.mark.parametrize("value", BAD_PROXIES)
    @pytest.mark.parametrize("name", ["ALL_PROXY", "HTTP_PROXY", "https_proxy", "all_proxy"])
    def test_an_unusable_proxy(self, name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """A proxy that httpx refuses means "not sent": the variable is named, its value is not."""
        monkeypatch.setenv(name, value)
        error = error_of(SERVICE)
        assert error.reason.startswith(f"{name}: not a usable proxy")
        assert error.permanent
        assert error.path == "/voice/send"
        assert "secret" not in str(error)

    def test_the_wrong_variable_of_several(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Among several variables, the unusable variable is named; lower case takes precedence."""
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
        monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
        monkeypatch.setenv("HTTPS_PROXY", "socks://127.0.0.1:1")
        assert error_of(SERVICE).reason.startswith("HTTPS_PROXY: ")
        monkeypatch.setenv("https_proxy", "ftp://127.0.0.1:1")
        assert error_of(SERVICE).reason.startswith("https_proxy: ")

    def test_a_proxy_of_the_system(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A proxy that comes from the system's settings is named so."""
        monkeypatch.setattr("urllib.request.getproxies", lambda: {"http": "ftp://x"})
        monkeypatch.setattr("httpx._utils.getproxies", lambda: {"http": "ftp://x"})
        monkeypatch.setattr("emay_voice_async.exchange.http_client.getproxies", lambda: {"http": "ftp://x"})
        assert error_of(SERVICE).reason.startswith("the system's http proxy: ")

    def test_no_proxy(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """An unreadable NO_PROXY is named, where there is a proxy; without a proxy it does not matter."""
        monkeypatch.setenv("NO_PROXY", "http://[::1")
        assert "NO_PROXY" not in error_of(SERVICE).reason
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
        assert error_of(SERVICE).reason.startswith("NO_PROXY: ")

    @pytest.mark.parametrize(
        ("variables", "uses_proxy"),
        [
            ({}, False),
            ({"NO_PROXY": "*"}, False),
            ({"HTTP_PROXY": ""}, False),
            ({"http_proxy": "http://127.0.0.1:1"}, True),
            ({"all_proxy": "http://127.0.0.1:1"}, True),
            ({"https_proxy": "http://127.0.0.1:1", "NO_PROXY": "service"}, True),
        ],
    )
    def test_httpx_reads_the_settings(
        self, variables: dict[str, str], uses_proxy: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """With a proxy in the environment the own client is httpx's, which reads NO_PROXY, or else its transport."""
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

        async def main() -> type:
            client = await own_client(SERVICE, "/p")
            await client.aclose()
            assert client.is_closed
            return type(client)

        assert asyncio.run(main()) is (httpx.AsyncClient if uses_proxy else TransportClient)

    def test_a_missing_package(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A SOCKS proxy without the package socksio: the variable and the package are named."""
        monkeypatch.setenv("ALL_PROXY", "socks5://user:secret@127.0.0.1:1080")
        monkeypatch.setitem(sys.modules, "socksio", None)
        error = error_of(SERVICE)
        assert error.reason.startswith("ALL_PROXY: ")
        assert "socksio" in error.reason
        assert "secret" not in str(error)

    @pytest.mark.parametrize("value", ["http://user:secret@127.0.0.1:{port}", "127.0.0.1:{port}"])
    def test_a_dead_proxy(self, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """A refused connection to a proxy names the proxy, its variable and the cause."""
        port = asyncio.run(closed_port())
        monkeypatch.setenv("http_proxy", value.format(port=port))
        error = error_of(SERVICE)
        assert (
            error.reason == f"the proxy 127.0.0.1:{port} (http_proxy) refused the connection (ConnectError)"
        )
        assert not error.permanent

    def test_a_proxy_that_wants_credentials(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A proxy that answers CONNECT with 407 is named with the status."""

        async def main() -> None:
            async with raw_server(replies(response_bytes(b"", 407))) as port:
                monkeypatch.setenv("HTTPS_PROXY", f"http://user:secret@127.0.0.1:{port}")
                transport = Transport("https://service.invalid", None, 5)
                with pytest.raises(NotSentError) as caught:
                    await transport.post("/voice/send", b"a=1", Progress())
                await transport.aclose()
                assert f"the proxy 127.0.0.1:{port} (HTTPS_PROXY)" in caught.value.reason
                assert caught.value.reason.endswith("HTTP 407 (ProxyError)")
                assert "secret" not in str(caught.value)

        asyncio.run(main())

    @pytest.mark.parametrize("name", PROXY_VARIABLES)
    @pytest.mark.parametrize("value", ["http://127.0.0.1:9", "socks://127.0.0.1:7890", "http://[::1"])
    def test_a_service_on_this_host(self, name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """A service on this host is reached past any proxy of the environment."""
        monkeypatch.setenv(name, value)

        async def main() -> None:
            async with raw_server(replies(response_bytes(BALANCE))) as port:
                url = f"http://localhost:{port}"
                async with AsyncEmayVoice(url, app_id="a", secret_key="k") as voice:
                    assert str(await voice.get_balance()) == "12.50"

        asyncio.run(main())

    @pytest.mark.parametrize("value", BAD_PROXIES)
    def test_every_method_raises_at_once(self, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """Every method of the client raises an error of the package, without retries."""
        monkeypatch.setenv("ALL_PROXY", value)

        async def main() -> None:
            began = asyncio.get_running_loop().time()
            async with AsyncEmayVoice(SERVICE, app_id="a", secret_key="k") as voice:
                for call in (
                    voice.get_balance(),
                    voice.take_reports(),
                    anext(voice.reports()),
                    anext(voice.reports(follow=True)),
                    voice.wait_for_report("order-1", timeout=60),
                    voice.plan(Notice("x"), ["13800000000"]),
                    voice.send(Notice("x"), ["13800000000"]),
                ):
                    with pytest.raises(EmayVoiceError, match="ALL_PROXY"):
                        await call
                assert voice.stats.requests == 7
            assert asyncio.get_running_loop().time() - began < 5

        asyncio.run(main())


class TestCertificates:
    """Certificates of the environment."""

    @pytest.mark.parametrize("contents", [None, b"", b"no certificate", b"\x00\xff"])
    def test_an_unusable_file(
        self, contents: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A missing or unreadable SSL_CERT_FILE means "not sent"; the sentence names the file."""
        file = tmp_path / "gone.pem"
        if contents is not None:
            file.write_bytes(contents)
        monkeypatch.setenv("SSL_CERT_FILE", str(file))
        error = error_of("https://service.invalid")
        assert error.reason.startswith(f"SSL_CERT_FILE={file}: the certificates cannot be read")
        assert error.permanent

    def test_a_folder_in_place_of_a_file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A folder in SSL_CERT_FILE is named, too."""
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path))
        assert str(tmp_path) in error_of("https://service.invalid").reason

    def test_no_certificates_for_http(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """For an http address no certificate is read, neither of a variable nor of certifi."""
        monkeypatch.setenv("SSL_CERT_FILE", "/gone.pem")
        monkeypatch.setattr(httpx, "create_ssl_context", None)
        monkeypatch.setattr("ssl.SSLContext.load_verify_locations", None)

        async def main() -> None:
            await (await own_client("http://service", "/p")).aclose()

        asyncio.run(main())

    def test_certificates_are_read_in_a_thread(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """For an https address the certificates are read in a thread, once for concurrent requests."""
        threads: list[str] = []
        create = httpx.create_ssl_context

        def recorded() -> Any:
            threads.append(threading.current_thread().name)
            return create()

        monkeypatch.setattr(httpx, "create_ssl_context", recorded)

        async def main() -> None:
            port = await closed_port()
            transport = Transport(f"https://127.0.0.1:{port}", None, 5)
            posts = [transport.post("/p", b"", Progress()) for _ in range(3)]
            results = await asyncio.gather(*posts, return_exceptions=True)
            assert {type(result) for result in results} == {NotSentError}
            await transport.aclose()

        asyncio.run(main())
        assert len(threads) == 1
        assert threads[0] != "MainThread"

    def test_without_certificates_of_certifi(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Unreadable default certificates are named as those of certifi."""

        def fail() -> None:
            raise ValueError

        monkeypatch.setattr(httpx, "create_ssl_context", fail)
        reason = error_of("https://service.invalid").reason
        assert reason.startswith(
            "the certificates of the package certifi: the certificates cannot be read: unre"
        )


class TestLoadParts:
    """``load_parts``, and the making of a client in a fresh process."""

    @pytest.mark.slow
    @pytest.mark.parametrize("library", ["", "httpx", "httpx2"])
    def test_no_import_on_the_event_loop(self, library: str) -> None:
        """In a fresh process the first request imports nothing in the thread of the event loop."""
        done = subprocess.run(
            [sys.executable, "-c", FIRST_REQUEST, library], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout == "NotSentError\n[]\n"

    @pytest.mark.slow
    @pytest.mark.parametrize("library", ["httpx", "httpx2"])
    def test_a_library_that_lacks_a_package(self, library: str) -> None:
        """A package that the library needs for its connections, and that is missing, is named: not sent."""
        done = subprocess.run(
            [sys.executable, "-c", WITHOUT_ANYIO, library], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("NotSentError True an error before the request was written: ")
        assert "anyio" in done.stdout or "requires installation" in done.stdout

    def test_without_the_module_of_asyncio(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A missing part is not an error here: the request says what is missing."""
        monkeypatch.setitem(sys.modules, "httpcore", httpx)
        monkeypatch.delitem(sys.modules, "anyio._backends._asyncio", raising=False)
        monkeypatch.setitem(sys.modules, "anyio._backends", None)
        asyncio.run(load_parts())


WITHOUT_ANYIO = """
import asyncio, sys
from importlib import import_module
from emay_voice_async import AsyncEmayVoice, NotSentError

sys.modules["anyio"] = None

async def main(library):
    http = import_module(library).AsyncClient()
    async with AsyncEmayVoice("http://127.0.0.1:9", app_id="a", secret_key="b", http_client=http) as voice:
        try:
            await voice.get_balance(deadline=0.15)
        except NotSentError as error:
            print(type(error).__name__, error.permanent, error.reason)

asyncio.run(main(sys.argv[1]))
"""
"""A request over a library without anyio; prints the error."""

FIRST_REQUEST = """
import asyncio, builtins, concurrent.futures.thread, sys, threading
from importlib import import_module
from emay_voice_async import AsyncEmayVoice

found = []
original = builtins.__import__

def watched(name, *arguments, **options):
    before = len(sys.modules)
    try:
        return original(name, *arguments, **options)
    finally:
        if len(sys.modules) > before and threading.current_thread() is threading.main_thread():
            found.append(name)

async def main(library):
    http = import_module(library).AsyncClient() if library else None
    voice = AsyncEmayVoice("http://127.0.0.1:9", app_id="a", secret_key="b", http_client=http, timeout=5)
    try:
        builtins.__import__ = watched
        await voice.get_balance(deadline=0.15)
    except Exception as error:
        builtins.__import__ = original
        print(type(error).__name__)
    await voice.aclose()

asyncio.run(main(sys.argv[1]))
print(found)
"""
"""A request to a closed port; prints the error, and the modules that the main thread imported meanwhile."""
