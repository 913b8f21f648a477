"""The ASGI application of the service: HTTP to requests, replies to HTTP."""

import asyncio
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from email.utils import formatdate
from errno import ECONNRESET
from http import HTTPStatus
from os import strerror
from typing import Final, Protocol

from attrs import Factory, define, field
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from emay_voice_async.model.codes import ResultCode
from emay_voice_async.model.endpoints import ENDPOINTS, Endpoint
from emay_voice_async.sandbox.access import is_allowed, read_body
from emay_voice_async.sandbox.faults import Faults
from emay_voice_async.sandbox.record import Received, keep_last
from emay_voice_async.sandbox.replies import HttpReply, Transmission, encode, page
from emay_voice_async.sandbox.requests import FormRequest, read_fields
from emay_voice_async.sandbox.service import Service

__all__ = ["CONNECTION", "CONTROL", "App", "ConnectionControl", "Latency", "is_control", "path_of"]

CONNECTION: Final = "emay_voice_async.sandbox.connection"
"""The key of the :class:`ConnectionControl` in the scope of a request over a socket."""

CONTROL: Final = "/_sandbox"
"""The path of the control API and its page."""

Latency = Callable[[], float]
"""Returns the seconds that a request, or a response, is in flight; called for each."""

_FORM_TYPE: Final = "application/x-www-form-urlencoded"
_ENDPOINTS: Final = {endpoint.path: endpoint for endpoint in ENDPOINTS}


class ConnectionControl(Protocol):
    """Ends the connection of a request; only a server can do that."""

    def close(self) -> None:
        """Close the connection after the written data has left."""

    def reset(self) -> None:
        """Reset the connection at once."""


@define(eq=False, kw_only=True)
class App:
    """The ASGI application.

    The steps of a request: ``latency`` passes, the request is recorded, the fault's ``before`` passes,
    the service acts, the fault's ``after`` passes, ``answer_latency`` passes, the response is sent. A
    client that disconnects does not keep the service from acting. A request with a body that is too
    long gets 413, and a request for a host outside ``allowed_hosts`` or from a foreign web page 403;
    both are recorded without fields. ``arrived`` counts the requests that were ever recorded.

    Requests to :data:`CONTROL` and below go to ``control`` without any of these steps.
    """

    service: Service
    clock: Callable[[], float] = field(repr=False)
    latency: Latency | None = None
    answer_latency: Latency | None = None
    faults: Faults = Factory(Faults)
    keep: int | None = None
    allowed_hosts: Collection[str] | None = None
    received: list[Received] = Factory(list)
    over_speed: int = 0
    arrived: int = 0
    control: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer an HTTP request; other scopes are ignored."""
        if scope["type"] != "http":
            return
        if self.control is not None and is_control(path_of(scope)):
            await self.control(scope, receive, send)
            return
        http = Request(scope, receive)
        body: bytes | HTTPStatus = HTTPStatus.FORBIDDEN
        if self.allowed_hosts is None or is_allowed(http.headers, self.allowed_hosts):
            try:
                body = await read_body(http)
            except ClientDisconnect:
                return
        if self.latency is not None:
            await asyncio.sleep(self.latency())
        if isinstance(body, HTTPStatus):
            await self._send(page(body), self._record(http, {}), scope, receive, send)
            return
        is_form = http.headers.get("content-type", "").partition(";")[0].strip().lower() == _FORM_TYPE
        record = self._record(http, read_fields(body) if is_form else {})
        answer, after = await self._answer(record)
        if self.answer_latency is not None:
            after += self.answer_latency()
        await _unless_gone(after, receive)
        await self._send(answer, record, scope, receive, send)

    def forget(self) -> None:
        """Clear the records of requests and calls; the state of the service stays."""
        self.received.clear()
        self.over_speed = 0
        self.service.forget()

    def _record(self, http: Request, fields: Mapping[str, str]) -> Received:
        record = Received(
            at=self.clock(),
            method=http.method,
            path=path_of(http.scope),
            client="" if http.client is None else http.client.host,
            fields=fields,
        )
        self.received.append(record)
        self.arrived += 1
        keep_last(self.received, self.keep)
        return record

    async def _answer(self, record: Received) -> tuple[HttpReply, float]:
        """Return the response, after a fault if any, and the seconds until it is sent."""
        endpoint = _ENDPOINTS.get(record.path)
        if endpoint is None:
            return page(HTTPStatus.NOT_FOUND), 0.0
        if record.method != "POST":
            return page(HTTPStatus.METHOD_NOT_ALLOWED, {"allow": "POST"}), 0.0
        fault = self.faults.due(endpoint)
        if fault is None:
            return self._act(endpoint, record), 0.0
        record.fault = fault.name
        await asyncio.sleep(fault.before)
        answer = self._act(endpoint, record) if fault.acts else HttpReply(HTTPStatus.OK, b"")
        return fault.spoil(answer, endpoint), fault.after

    def _act(self, endpoint: Endpoint, record: Received) -> HttpReply:
        record.acted = True
        return encode(self.service.answer(FormRequest(endpoint, record.fields, record.client), self.clock()))

    async def _send(
        self, answer: HttpReply, record: Received, scope: Scope, receive: Receive, send: Send
    ) -> None:
        record.code = answer.code
        if answer.code == ResultCode.ERROR_OVER_SPEED:
            self.over_speed += 1
        if answer.transmission is Transmission.RESET:
            await _break_off(scope, receive)
            return
        record.status = answer.status
        response = self._response(answer)
        if answer.transmission is Transmission.WHOLE:
            await response(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": answer.status, "headers": response.raw_headers})
        half = answer.body[: len(answer.body) // 2]
        await send({"type": "http.response.body", "body": half, "more_body": True})
        await _break_off(scope, receive, in_order=True)

    def _response(self, answer: HttpReply) -> Response:
        # A client can learn the service's clock only from the Date header.
        date = formatdate(self.clock() + self.service.clock_offset, usegmt=True)
        headers = {"date": date, "content-type": answer.content_type, **answer.headers}
        return Response(answer.body, answer.status, headers)


def path_of(scope: Scope) -> str:
    """Return the path of a request, without the path at which the application is mounted."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


def is_control(path: str) -> bool:
    """Tell whether a path is one of the control API."""
    return path == CONTROL or path.startswith(f"{CONTROL}/")


async def _unless_gone(seconds: float, receive: Receive) -> None:
    """Wait, unless the client disconnects."""
    if seconds > 0:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await _gone(receive)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _break_off(scope: Scope, receive: Receive, *, in_order: bool = False) -> None:
    """End the connection before the response is complete; without a connection, raise the read error."""
    connection: ConnectionControl | None = scope.get(CONNECTION)
    if connection is None:
        raise ConnectionResetError(ECONNRESET, strerror(ECONNRESET))
    if in_order:
        connection.close()
    else:
        connection.reset()
    await _gone(receive)
