"""The service over a real socket, in the running event loop.

This module uses uvicorn's HTTP/1.1 protocol without uvicorn's server: no logger is changed, no
periodic task runs, and the server ends at once, without waiting for requests in progress.
"""

import asyncio
import logging
import signal
import socket
import struct
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Final

from attrs import frozen
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from emay_voice_async.sandbox.app import CONNECTION

__all__ = ["run", "serve"]

_LOG: Final = logging.getLogger(__name__)
_BACKLOG: Final = 2048
_LINGER_NOT: Final = struct.pack("ii", 1, 0)
_TURNS_TO_CONNECT: Final = 3
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


@frozen
class _Connection:
    transport: asyncio.Transport

    def close(self) -> None:
        self.transport.close()

    def reset(self) -> None:
        # A socket closed with a linger time of zero sends RST instead of FIN.
        self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
        self.transport.abort()


class _Protocol(H11Protocol):
    """Gives the application control over the connection, and the server control over both."""

    def __init__(self, config: Config, server: "_Server") -> None:
        super().__init__(config, server.state, {})
        self.logger = _LOG
        self.access_log = False
        self.lost = asyncio.Event()
        self._server = server

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._server.connections.add(self)
        app, connection = self.app, _Connection(transport)

        async def connected(scope: Scope, receive: Receive, send: Send) -> None:
            # Cancelled when the server ends, after the client was disconnected.
            with suppress(asyncio.CancelledError):
                await app({**scope, CONNECTION: connection}, receive, send)

        self.app = connected

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._server.connections.discard(self)
        self.lost.set()


class _Server:
    """The open connections of a socket, and the requests in progress."""

    def __init__(self, app: ASGIApp) -> None:
        self.state = ServerState()
        self.connections: set[_Protocol] = set()
        self._config = Config(
            app,
            interface="asgi3",
            http=_Protocol,
            ws="none",
            lifespan="off",
            log_config=None,
            proxy_headers=False,
        )

    def connect(self) -> _Protocol:
        """Make the protocol of a new connection."""
        return _Protocol(self._config, self)

    async def end(self) -> None:
        """Disconnect every client, then cancel the requests in progress."""
        connections = list(self.connections)
        for connection in connections:
            connection.transport.abort()
        for connection in connections:
            await connection.lost.wait()
        tasks = list(self.state.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks)


@asynccontextmanager
async def serve(app: ASGIApp, *, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
    """Serve ``app`` while the context lasts; yields the URL. Port 0 takes any free port.

    Raises ``OSError`` when the address is taken. Requests in progress are cancelled when the context
    ends.
    """
    server = _Server(app)
    loop = asyncio.get_running_loop()
    listening = await loop.create_server(server.connect, host, port, backlog=_BACKLOG)
    try:
        port = listening.sockets[0].getsockname()[1]
        yield f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    finally:
        await _stop_accepting(listening)
        await server.end()
        listening.close()
        await listening.wait_closed()


async def _stop_accepting(listening: asyncio.Server) -> None:
    """Accept no more connections, and wait for connections that are being accepted.

    A closed ``asyncio.Server`` would lose the latter and never close them.
    """
    # On a proactor loop (Windows), connections accepted in this moment are lost.
    with suppress(NotImplementedError):
        for listener in listening.sockets:
            asyncio.get_running_loop().remove_reader(listener.fileno())
    for _ in range(_TURNS_TO_CONNECT):
        await asyncio.sleep(0)


async def run(
    app: ASGIApp, *, host: str = "127.0.0.1", port: int = 0, on_ready: Callable[[str], object]
) -> None:
    """Serve ``app`` until SIGINT (Ctrl-C) or SIGTERM; ``on_ready`` is called with the URL.

    Runs in the main thread only. Raises ``OSError`` when the address is taken.
    """
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    with _on_signals(lambda: loop.call_soon_threadsafe(ended.set)):
        async with serve(app, host=host, port=port) as url:
            on_ready(url)
            await ended.wait()


@contextmanager
def _on_signals(end: Callable[[], object]) -> Iterator[None]:
    # Not the loop's signal handlers, which cannot be restored and do not exist on Windows.
    before = {number: signal.signal(number, lambda *_: end()) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
