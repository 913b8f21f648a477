"""HTTP clients: the client of the user, from httpx or httpx2, or an own httpx client."""

import asyncio
import os
import ssl
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from copy import copy
from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from importlib import import_module
from typing import Any, Final, Protocol
from urllib.request import getproxies

import httpx

from emay_voice_async.errors import InvalidRequestError, NotSentError
from emay_voice_async.exchange.addresses import PROXY_VARIABLES, is_loopback
from emay_voice_async.exchange.failures import CERTIFICATE_VARIABLES, LIBRARIES
from emay_voice_async.model.version import __version__
from emay_voice_async.wire.json_reader import load_reader
from emay_voice_async.wire.structuring import load_converters

__all__ = [
    "KEEPALIVE",
    "HttpClient",
    "RequestMaker",
    "TransportClient",
    "detached",
    "library_of",
    "load_parts",
    "own_client",
    "target_of",
    "user_agent_of",
]

KEEPALIVE: Final = 2.0
"""Seconds that our own client keeps an idle connection.

Shorter than the keep-alive timeout of usual servers: a server that closes an idle connection during a
send leaves the outcome of the send unknown.
"""

_LIMITS: Final = httpx.Limits(
    # max_concurrency limits the requests in flight, so the pool needs no limit.
    max_connections=None,
    # httpx's default. Its pool compares all idle connections with each other for every request, so that
    # more idle connections make bursts slower (benchmarks/codes.py).
    max_keepalive_connections=20,
    keepalive_expiry=KEEPALIVE,
)
_USER_AGENT: Final = f"emay_voice_async/{__version__}"
_CORES: Final = ("httpcore", "httpcore2")
_PROXY_SCHEMES: Final = ("http", "https", "all")
"""The schemes for which httpx looks for a proxy in the environment."""
_BACKEND: Final = "anyio._backends._asyncio"
"""The module by which the transports of httpx and httpx2 use asyncio; imported at the first request."""
_NO_COOKIES: Final = CookieJar(DefaultCookiePolicy(allowed_domains=()))
"""A jar that accepts no cookie."""
_ON_START: Final = "emay_voice_async.on_start"
_HEADER_ENCODING: Final = "latin-1"
"""Each byte is a character, so that a header of the user is sent unchanged."""


class HttpClient(Protocol):
    """An ``AsyncClient`` of httpx or httpx2, as far as a type checker can tell."""

    @property
    def is_closed(self) -> bool:
        """Whether the client is closed."""

    def build_request(self, method: str, url: Any) -> Any:
        """Make a request."""

    async def send(
        self, request: Any, *, stream: bool = ..., auth: Any = ..., follow_redirects: Any = ...
    ) -> Any:
        """Send a request."""


def target_of(base_url: str) -> tuple[str, int]:
    """Return host and port of a base URL; raise :class:`InvalidRequestError` if httpx cannot read it."""
    try:
        url = httpx.URL(base_url)
    except httpx.InvalidURL:
        rule = "must be a URL with a valid host, port and path"
        raise InvalidRequestError("base_url", rule, None, "something unreadable") from None
    return url.raw_host.decode(), url.port or (443 if url.scheme == "https" else 80)


def library_of(http_client: object) -> str:
    """Return the name of the HTTP library of a client, or raise :class:`InvalidRequestError`.

    The library is recognised by the module of the class, so that httpx2 is never imported here.
    """
    for kind in type(http_client).__mro__:
        library = kind.__module__.partition(".")[0]
        if kind.__name__ == "AsyncClient" and library in LIBRARIES:
            return library
    rule = "must be an httpx.AsyncClient or an httpx2.AsyncClient"
    found = type(http_client)
    shown = f"{found.__module__.partition('.')[0]}.{found.__name__}"
    raise InvalidRequestError("http_client", rule, None, shown)


class RequestMaker:
    """Makes the requests of an HTTP library to one service.

    URLs and headers are parsed once: the library takes longer for them than for the rest (benchmark: latency).
    """

    def __init__(self, library: str, base_url: str, headers: Mapping[str, str]) -> None:
        self._library = library
        self._base_url = base_url
        self._given = headers
        self._headers: list[tuple[bytes, bytes]] = []
        self._urls: dict[str, Any] = {}

    def make(self, path: str, content: bytes, on_start: Callable[[], None], **extensions: Any) -> Any:
        """Make a POST request.

        ``on_start`` is called when all event hooks for the request have run, before the transport gets it.
        """
        library = sys.modules[self._library]
        if path not in self._urls:
            url = library.URL(self._base_url + path)
            given = library.Headers(self._given, encoding=_HEADER_ENCODING)
            # Host and the given headers: a GET has no Content-Length.
            self._headers = library.Request("GET", url, headers=given).headers.raw
            self._urls[path] = url
        extensions[_ON_START] = on_start
        # A request with a stream adds no headers of its own.
        length = (b"Content-Length", b"%d" % len(content))
        request = library.Request(
            "POST",
            self._urls[path],
            headers=[*self._headers, length],
            stream=library.ByteStream(content),
            extensions=extensions,
        )
        # Hooks, and transports of tests, look at the content.
        request.read()
        return request


async def _mark_start(request: Any) -> None:
    request.extensions[_ON_START]()


def user_agent_of(http_client: Any) -> str:
    """Return the User-Agent that the user gave to a client, otherwise name and version of this package."""
    headers = () if http_client is None else http_client.headers.raw
    # The raw value: httpx does not decode each value that it sends.
    given = next(
        (value.decode(_HEADER_ENCODING) for name, value in headers if name.lower() == b"user-agent"), None
    )
    return _USER_AGENT if given is None or given.startswith("python-httpx") else given


def detached(http_client: Any) -> Any:
    """Return a shallow copy of a client that uses the same connections and keeps no cookies.

    The copy calls ``on_start`` of the requests of :class:`RequestMaker`.
    """
    hooks = http_client.event_hooks
    clone = copy(http_client)
    clone.cookies = _NO_COOKIES
    clone.event_hooks = {"request": [*hooks["request"], _mark_start], "response": hooks["response"]}
    return clone


async def load_parts() -> None:
    """Import, in a thread, the modules that the first request would import on the event loop."""
    if not _load_readers.cache_info().currsize:
        await asyncio.to_thread(_load_readers)
    if _BACKEND not in sys.modules and any(core in sys.modules for core in _CORES):
        await asyncio.to_thread(_load_backend)


@cache
def _load_readers() -> None:
    load_reader()
    load_converters()


def _load_backend() -> None:
    # Without the module the request fails, and says why.
    with suppress(ImportError):
        import_module(_BACKEND)


class TransportClient:
    """The transport of httpx without its client, whose redirects, cookies and hooks take time (benchmark: latency)."""

    def __init__(self, transport: httpx.AsyncHTTPTransport) -> None:
        self.is_closed: bool = False
        self._transport = transport

    async def send(self, request: httpx.Request, **_: object) -> httpx.Response:
        """Send a request of :class:`RequestMaker`; return the response with its body unread."""
        await _mark_start(request)
        return await self._transport.handle_async_request(request)

    async def aclose(self) -> None:
        """Close the connections."""
        self.is_closed = True
        await self._transport.aclose()


async def own_client(base_url: str, path: str) -> TransportClient | httpx.AsyncClient:
    """Make a client for one service, in a thread; raise :class:`NotSentError` that names a wrong setting.

    The making of the first client imports httpcore. Certificates are read for https only. The proxies of the
    environment are used except for a service on this host.
    """
    return await asyncio.to_thread(_made, base_url, path)


def _made(base_url: str, path: str) -> TransportClient | httpx.AsyncClient:
    context = _context(path) if base_url.startswith("https:") else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if is_loopback(base_url) or not any(map(getproxies().get, _PROXY_SCHEMES)):
        return TransportClient(httpx.AsyncHTTPTransport(limits=_LIMITS, verify=context))
    try:
        return httpx.AsyncClient(
            limits=_LIMITS, verify=context, cookies=_NO_COOKIES, event_hooks={"request": [_mark_start]}
        )
    except Exception as error:
        setting = _wrong_proxy(context)
        reason = (
            str(error) if isinstance(error, ImportError) else f"not a usable proxy ({type(error).__name__})"
        )
        raise NotSentError(f"{setting}: {reason}", path, True) from error


def _context(path: str) -> ssl.SSLContext:
    try:
        return httpx.create_ssl_context()
    except Exception as error:
        names = [f"{name}={os.environ[name]}" for name in CERTIFICATE_VARIABLES if os.environ.get(name)]
        setting = " and ".join(names) or "the certificates of the package certifi"
        reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else "unreadable"
        text = f"{setting}: the certificates cannot be read: {reason} ({type(error).__name__})"
        raise NotSentError(text, path, True) from error


def _wrong_proxy(context: ssl.SSLContext) -> str:
    """Return the name of the proxy setting of the environment that httpx refuses, without its value."""
    proxies = getproxies()
    for scheme in _PROXY_SCHEMES:
        url = proxies.get(scheme, "127.0.0.1")
        try:
            httpx.AsyncHTTPTransport(proxy=url if "://" in url else f"http://{url}", verify=context)
        except Exception:
            names = [name for name in PROXY_VARIABLES if name.lower() == f"{scheme}_proxy"]
            return next((name for name in names if os.environ.get(name)), f"the system's {scheme} proxy")
    return "NO_PROXY"
