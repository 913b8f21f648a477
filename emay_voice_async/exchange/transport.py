"""One POST over httpx, and the mapping of httpx's exceptions to the package's errors."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
from attrs import define

from emay_voice_async.errors import (
    EmayVoiceError,
    InvalidRequestError,
    NotSentError,
    OutcomeUnknownError,
)
from emay_voice_async.wire.envelope import HttpResponse
from emay_voice_async.wire.forms import CONTENT_TYPE

__all__ = ["ERRORS", "HttpClient", "Progress", "Transport", "checked_base_url"]

HttpClient = httpx.AsyncClient

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
_HEADERS: Final = {
    "Accept": "application/json",
    "Accept-Encoding": "gzip, deflate",
    "Content-Type": CONTENT_TYPE,
    "User-Agent": "emay_voice_async",
}

ERRORS: Final[Mapping[type[Exception], type[EmayVoiceError]]] = {
    # No connection was made, or no connection was free: no byte was written.
    httpx.ConnectError: NotSentError,
    httpx.ConnectTimeout: NotSentError,
    httpx.PoolTimeout: NotSentError,
    httpx.ProxyError: NotSentError,
    httpx.UnsupportedProtocol: NotSentError,
    httpx.InvalidURL: NotSentError,
    # Bytes may have been written: the outcome is unknown.
    httpx.ReadError: OutcomeUnknownError,
    httpx.ReadTimeout: OutcomeUnknownError,
    httpx.WriteError: OutcomeUnknownError,
    httpx.WriteTimeout: OutcomeUnknownError,
    httpx.CloseError: OutcomeUnknownError,
    httpx.LocalProtocolError: OutcomeUnknownError,
    httpx.RemoteProtocolError: OutcomeUnknownError,
    httpx.DecodingError: OutcomeUnknownError,
    httpx.TooManyRedirects: OutcomeUnknownError,
    # Raised by event hooks of a shared client.
    httpx.HTTPStatusError: OutcomeUnknownError,
    # Misuse of a response by event hooks of a shared client.
    httpx.CookieConflict: OutcomeUnknownError,
    httpx.StreamConsumed: OutcomeUnknownError,
    httpx.StreamClosed: OutcomeUnknownError,
    httpx.ResponseNotRead: OutcomeUnknownError,
    httpx.RequestNotRead: OutcomeUnknownError,
}
"""Every exception of httpx without subclasses. An unlisted exception leaves the outcome unknown."""


@define
class Progress:
    """The progress of a request, reported by trace events of httpcore.

    ``started``: httpx has the request. ``traced``: the transport reports events. ``headers``: the
    request is being written. ``abandoned``: the caller left, so the request must not be written.
    """

    started: bool = False
    traced: bool = False
    headers: bool = False
    abandoned: bool = False

    @property
    def written(self) -> bool:
        """Whether bytes may have been written; True for a started transport without trace events."""
        return self.headers or (self.started and not self.traced)

    async def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Record an event of httpcore; an event comes before its action."""
        self.traced = True
        to_proxy = getattr(info.get("request"), "method", None) == b"CONNECT"
        if event.endswith("send_request_headers.started") and not to_proxy:
            if self.abandoned:
                raise NotSentError("the caller gave up before the request was written")
            self.headers = True


def checked_base_url(base_url: str) -> str:
    """Return ``base_url`` without trailing slashes, or raise :class:`InvalidRequestError`."""
    rule = "must be http:// or https:// with a host, an optional port and an optional path"
    if not isinstance(base_url, str):
        raise InvalidRequestError("base_url", "must be a str", None, type(base_url).__name__)
    try:
        parts = urlsplit(base_url)
        port = parts.port
        httpx.URL(base_url)
    except (ValueError, httpx.InvalidURL):
        raise InvalidRequestError("base_url", rule, None, "something unreadable") from None
    if any(char.isspace() for char in base_url):
        raise InvalidRequestError("base_url", rule, None, "white space")
    if parts.scheme not in ("http", "https"):
        found = "another scheme" if parts.scheme else "no scheme"
        raise InvalidRequestError("base_url", rule, None, found)
    if not parts.hostname or port == 0:
        raise InvalidRequestError("base_url", rule, None, "no host")
    if "?" in base_url or "#" in base_url or "@" in parts.netloc:
        raise InvalidRequestError("base_url", rule, None, "a user, a query or a fragment")
    return base_url.rstrip("/")


class Transport:
    """POSTs forms to a service over the user's HTTP client, or over an own client."""

    def __init__(self, base_url: str, http_client: HttpClient | None, timeout: float) -> None:
        self.base_url: str = checked_base_url(base_url)
        if not isinstance(http_client, httpx.AsyncClient | None):
            raise InvalidRequestError(
                "http_client", "must be an httpx.AsyncClient", None, type(http_client).__name__
            )
        self._shared = http_client
        self._own: HttpClient | None = None
        self._timeout = timeout

    async def post(
        self, path: str, body: bytes, progress: Progress, patience: float | None = None
    ) -> HttpResponse:
        """Send a request once, and read the whole response within twice the timeout.

        The wait for a connection of the pool is half of ``patience`` seconds (None: of the timeout), so
        that a caller with that patience gets NotSentError in time.

        Redirects are not followed, and a shared client's own headers, parameters, cookies and
        credentials are not sent. Raises :class:`NotSentError` (a retry is safe) or
        :class:`OutcomeUnknownError`; :class:`TimeoutError` without response headers in time.
        """
        request = httpx.Request(
            "POST",
            self.base_url + path,
            headers=_HEADERS,
            content=body,
            extensions={
                "timeout": {
                    "connect": self._timeout,
                    "pool": (self._timeout if patience is None else patience) / 2,
                    "read": 2 * self._timeout,
                    "write": 2 * self._timeout,
                },
                "trace": progress.trace,
            },
        )
        client = self._client()
        if client.is_closed:
            raise NotSentError("the http_client is closed", path)
        progress.started = True
        # Twice the caller's timeout: a late response may hold reports.
        end = asyncio.get_running_loop().time() + 2 * self._timeout
        try:
            async with asyncio.timeout_at(end):
                response = await client.send(request, stream=True, auth=None, follow_redirects=False)
        except (EmayVoiceError, TimeoutError):
            raise
        except Exception as error:
            raise _converted(error, path, progress) from error
        return await _read(response, end)

    async def aclose(self) -> None:
        """Close our own client; a shared client stays open."""
        if self._own is not None:
            await self._own.aclose()

    def _client(self) -> HttpClient:
        if self._shared is not None:
            return self._shared
        if self._own is None:
            # Not made in the constructor, because httpx reads certificates from disk.
            self._own = httpx.AsyncClient(limits=_LIMITS)
        return self._own


async def _read(response: httpx.Response, end: float) -> HttpResponse:
    """Read the body; an incomplete body is kept, because it may hold reports."""
    body = bytearray()
    incomplete = None
    try:
        async with asyncio.timeout_at(end):
            async for piece in response.aiter_bytes():
                body += piece
    except Exception as error:
        incomplete = type(error).__name__
    finally:
        # A failure to close does not devalue the response.
        with suppress(Exception):
            await response.aclose()
    return HttpResponse(response.status_code, bytes(body), response.headers.get("date"), incomplete)


def _converted(error: Exception, path: str, progress: Progress) -> EmayVoiceError:
    kind = next((ERRORS[base] for base in type(error).__mro__ if base in ERRORS), OutcomeUnknownError)
    if not progress.written:
        kind = NotSentError
    return kind(type(error).__name__, path)
