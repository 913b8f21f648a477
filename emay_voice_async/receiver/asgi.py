"""ASGI: the request body for the receiver, the response for the server."""

from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any

from emay_voice_async.receiver.responses import PushResponse

__all__ = ["ClientGoneError", "Receive", "Scope", "Send", "pieces", "respond", "run_lifespan"]

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class ClientGoneError(Exception):
    """The client closed the connection before the end of the request."""


async def pieces(receive: Receive) -> AsyncIterator[bytes]:
    """Yield the pieces of a request body, and an empty piece before each wait for more.

    Raises :class:`ClientGoneError` if the client disconnects.
    """
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        yield message.get("body", b"")
        more = message.get("more_body", False)
        if more:
            yield b""


async def respond(response: PushResponse, scope: Scope, send: Send) -> None:
    """Send a response."""
    headers = [(name.encode(), value.encode()) for name, value in response.headers.items()]
    headers.append((b"content-length", b"%d" % len(response.body)))
    if response.close and scope.get("http_version", "1.1").startswith("1"):  # HTTP/2 forbids the header.
        headers.append((b"connection", b"close"))
    with suppress(OSError):  # The client is gone; the reports were handled.
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        await send({"type": "http.response.body", "body": response.body})


async def run_lifespan(receive: Receive, send: Send) -> None:
    """Confirm the server's start and end; the receiver has no resources to open or close."""
    for phase in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{phase}.complete"})
