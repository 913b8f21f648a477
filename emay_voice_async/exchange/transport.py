"""One POST over an HTTP client, from the request to the raw response or the matching error."""

import asyncio
import os
from collections.abc import Callable, Mapping
from contextlib import aclosing, suppress
from functools import partial
from typing import Any, Final

from attrs import define, field

from emay_voice_async.errors import EmayVoiceError, NotSentError, OutcomeUnknownError
from emay_voice_async.exchange.addresses import checked_base_url
from emay_voice_async.exchange.failures import Place, failure, not_sent
from emay_voice_async.exchange.http_client import (
    HttpClient,
    RequestMaker,
    detached,
    library_of,
    load_parts,
    own_client,
    target_of,
    user_agent_of,
)
from emay_voice_async.exchange.recording import Recording, tap
from emay_voice_async.exchange.turns import TurnBudget
from emay_voice_async.model.hidden import Hidden
from emay_voice_async.wire.compression import MAX_SIZE
from emay_voice_async.wire.content import TOO_LARGE, decoded
from emay_voice_async.wire.envelope import HttpResponse
from emay_voice_async.wire.forms import CONTENT_TYPE
from emay_voice_async.wire.raw_response import is_json_object, salvaged

__all__ = ["CLOSED_CLIENT", "HttpClient", "Progress", "Transport"]

CLOSED_CLIENT: Final = "the http_client is closed"
"""The reason of a NotSentError that no later request can avoid."""

INLINE_SIZE: Final = 1024 * 1024
"""Bytes that are inflated in the event loop; a larger body is inflated in a thread."""

GRACE: Final = 1.0
"""Seconds of silence after which a JSON object is taken as whole, in spite of a Content-Length that is too large."""

_HEADERS: Final = {
    "Accept": "application/json",
    "Accept-Encoding": "gzip, deflate",
    "Content-Type": CONTENT_TYPE,
}


@define(eq=False)
class Progress:
    """The progress of a request, reported by trace events of httpcore.

    ``started``: the transport of the HTTP client has the request. ``traced``: the transport reports
    events. ``headers``: the request is being written. ``abandoned``: the caller left, so the request must
    not be written. ``address``: host and port of the last connection attempt, of a proxy perhaps. ``secure``: a TLS
    handshake is to come. ``connected``: a connection was made for the request. ``end``: the instant at
    which the response must be read. ``limit``: the time limit of the sending or the reading. ``recording``: the raw
    bytes of the response.
    """

    started: bool = False
    traced: bool = False
    headers: bool = False
    abandoned: bool = False
    address: tuple[str, int] | None = None
    secure: bool = False
    connected: bool = False
    end: float | None = None
    limit: asyncio.Timeout | None = None
    recording: Recording = field(factory=Recording, repr=False)

    @property
    def written(self) -> bool:
        """Whether bytes may have been written; True for a started transport without trace events."""
        return self.headers or (self.started and not self.traced)

    def start(self) -> None:
        """Record that the transport gets the request."""
        self.started = True

    async def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Record an event of httpcore; an event comes before its action."""
        self.traced = True
        follow = _FOLLOWED.get(event.partition(".")[2])
        if follow is not None:
            follow(self, info)


def _connects(progress: Progress, info: Mapping[str, Any]) -> None:
    if "host" in info:
        progress.address = info["host"], info["port"]


def _connected(progress: Progress, info: Mapping[str, Any]) -> None:
    if "return_value" in info:
        tap(info["return_value"])
    if not progress.secure:
        # A cancellation before the request would leave the connection in the pool of httpcore for ever, unused.
        progress.connected = True
        _limit(progress, None)


def _secured(progress: Progress, info: Mapping[str, Any]) -> None:
    progress.secure = False
    _connected(progress, info)


def _writes(progress: Progress, info: Mapping[str, Any]) -> None:
    if progress.connected:
        _limit(progress, progress.end)
    if getattr(info.get("request"), "method", None) == b"CONNECT":
        # The request goes to a proxy, and not to the service.
        return
    if progress.abandoned:
        raise NotSentError("the caller gave up before the request was written")
    progress.headers = True
    progress.recording.clear()


def _closes(progress: Progress, _: Mapping[str, Any]) -> None:
    # A closing that is cancelled leaves the connection in the pool of httpcore for ever, in use.
    _limit(progress, None)


def _closed(progress: Progress, _: Mapping[str, Any]) -> None:
    # A transport of the user may send the request again.
    _limit(progress, progress.end)


def _limit(progress: Progress, end: float | None) -> None:
    if progress.limit is not None:
        # A limit that has expired or ended cannot be changed.
        with suppress(RuntimeError):
            progress.limit.reschedule(end)


_FOLLOWED: Final[Mapping[str, Callable[[Progress, Mapping[str, Any]], None]]] = {
    "connect_tcp.started": _connects,
    "connect_tcp.complete": _connected,
    "start_tls.complete": _secured,
    "send_request_headers.started": _writes,
    "response_closed.started": _closes,
    "response_closed.complete": _closed,
}
"""The events of httpcore that a request follows, without the name of the layer in front."""


class Transport:
    """POSTs forms to a service over the user's HTTP client, or over an own client.

    ``max_response_size``: the limit of a response body in bytes, before and after inflating. ``turns``: the share of
    the client in each turn of the event loop.
    """

    def __init__(
        self,
        base_url: str,
        http_client: HttpClient | None,
        timeout: float,
        max_response_size: int = MAX_SIZE,
    ) -> None:
        self.base_url: str = checked_base_url(base_url)
        self.turns: TurnBudget = TurnBudget()
        self._target = target_of(self.base_url)
        library = "httpx" if http_client is None else library_of(http_client)
        self._shared = http_client
        headers = {**_HEADERS, "User-Agent": user_agent_of(http_client)}
        self._requests = RequestMaker(library, self.base_url, headers)
        self._own: Any = None
        self._making = asyncio.Lock()
        self._ready = False
        self._timeout = timeout
        self._grace = min(GRACE, timeout / 4)
        self._max_size = max_response_size

    async def post(
        self, path: str, body: bytes, progress: Progress, patience: float | None = None
    ) -> HttpResponse:
        """Send a request once, and read the whole response within twice the timeout.

        The wait for a connection of the pool is half of ``patience`` seconds (None: of the timeout), so
        that a caller with that patience gets NotSentError in time.

        Redirects are not followed. A shared client's own headers (except its User-Agent), parameters, cookies
        and credentials are not sent, and no cookie of the service is kept. Raises :class:`NotSentError`
        (a retry is safe) for any failure before the first byte of the request; otherwise
        :class:`OutcomeUnknownError`;
        :class:`TimeoutError` without response headers in time.
        """
        content = Hidden(body)
        del body
        progress.secure = self.base_url.startswith("https:")
        # Twice the caller's timeout: a late response may hold reports.
        progress.end = asyncio.get_running_loop().time() + 2 * self._timeout
        try:
            client = await self._client(path)
            if client.is_closed:
                raise NotSentError(CLOSED_CLIENT, path, True)
            request = self._request(path, content, progress, patience)
            if self._shared is not None:
                client = detached(client)
        except EmayVoiceError:
            raise
        except Exception as error:
            raise not_sent(error, path, Place(self._target)) from error
        with progress.recording.running():
            try:
                async with asyncio.timeout_at(progress.end) as progress.limit:
                    response = await client.send(request, stream=True, auth=None, follow_redirects=False)
            except EmayVoiceError:
                raise
            except Exception as error:
                return await self._failed(error, path, progress)
            return await self._read(response, progress)

    def where(self, progress: Progress) -> str:
        """Return the address of a request for a sentence: of the service, or of a proxy."""
        return Place(self._target, progress.address).shown(os.environ)

    async def aclose(self) -> None:
        """Close our own client; a shared client stays open."""
        if self._own is not None:
            await self._own.aclose()

    def _request(self, path: str, content: Hidden[bytes], progress: Progress, patience: float | None) -> Any:
        return self._requests.make(
            path,
            content.value,
            progress.start,
            timeout={
                "connect": self._timeout,
                "pool": (self._timeout if patience is None else patience) / 2,
                "read": 2 * self._timeout,
                "write": 2 * self._timeout,
            },
            trace=progress.trace,
        )

    async def _client(self, path: str) -> Any:
        if not self._ready:
            async with self._making:
                if self._shared is None and self._own is None:
                    self._own = await own_client(self.base_url, path)
                await load_parts()
                self._ready = True
        return self._own if self._shared is None else self._shared

    async def _failed(self, error: Exception, path: str, progress: Progress) -> HttpResponse:
        """Return the response that the HTTP library could not read, or raise the error of an exception."""
        place = Place(self._target, progress.address)
        found = failure(error, path, place, maybe=progress.written, certainly=progress.headers)
        timed_out = isinstance(error, TimeoutError) and progress.written
        if timed_out:
            raise error
        if not isinstance(found, OutcomeUnknownError) or not progress.recording:
            raise found from error
        status, body = await self._salvaged(progress.recording)
        return HttpResponse(status, body, incomplete=found.reason)

    async def _read(self, response: Any, progress: Progress) -> HttpResponse:
        """Read and inflate the body; the raw bytes of an incomplete body are kept: they may hold reports."""
        headers = response.headers
        if response.is_stream_consumed:
            # Read and inflated by an event hook or a transport of the user.
            await self.turns.response()
            body, incomplete = response.content, None
        else:
            body, incomplete = await self._raw(response, progress)
            if self._has_more(response, body, incomplete, progress.recording):
                incomplete = incomplete or "the Content-Length is too small"
                _, body = await self._salvaged(progress.recording)
            body, problem = await self._decoded(body, headers.get("content-encoding", ""))
            incomplete = incomplete or problem
        return HttpResponse(
            response.status_code, body, headers.get("date"), incomplete, headers.get("location")
        )

    async def _raw(self, response: Any, progress: Progress) -> tuple[bytes, str | None]:
        parts: list[bytes] = []
        size = 0
        incomplete = None
        loop = asyncio.get_running_loop()
        stalled: asyncio.Handle | None = None
        try:
            async with asyncio.timeout_at(progress.end) as limit, aclosing(response.aiter_raw()) as pieces:
                progress.limit = limit
                await self.turns.response()
                async for piece in pieces:
                    parts.append(piece)
                    size += len(piece)
                    if size > self._max_size:
                        incomplete = f"the body has more than {self._max_size} bytes"
                        break
                    if stalled is not None:
                        stalled.cancel()
                    stalled = loop.call_later(self._grace, _stop_if_whole, parts, limit)
        except Exception as error:
            incomplete = f"the body is incomplete ({type(error).__name__})"
        finally:
            if stalled is not None:
                stalled.cancel()
            # A failure to close does not devalue the response.
            with suppress(Exception):
                await response.aclose()
        return b"".join(parts)[: self._max_size], incomplete

    def _has_more(self, response: Any, body: bytes, incomplete: str | None, recording: Recording) -> bool:
        """Tell whether bytes came that are no part of the body, by a wrong length or transfer encoding."""
        more = recording.has_more_than(len(body))
        if incomplete is None:
            return more and "transfer-encoding" not in response.headers
        return more and not body

    async def _salvaged(self, recording: Recording) -> tuple[int, bytes]:
        return await asyncio.to_thread(salvaged, recording.raw, max_size=self._max_size)

    async def _decoded(self, raw: bytes, encodings: str) -> tuple[bytes, str | None]:
        inflate = partial(decoded, raw, encodings)
        body, problem = inflate(max_size=min(self._max_size, INLINE_SIZE))
        if problem == TOO_LARGE and self._max_size > INLINE_SIZE:
            body, problem = await asyncio.to_thread(inflate, max_size=self._max_size)
        return body, problem


def _stop_if_whole(parts: list[bytes], limit: asyncio.Timeout) -> None:
    """End the reading of a body that is a JSON object already."""
    if limit.expired() or limit.when() is None:
        return
    if b"".join(parts[-64:])[-64:].rstrip().endswith(b"}") and is_json_object(b"".join(parts)):
        limit.reschedule(asyncio.get_running_loop().time())
