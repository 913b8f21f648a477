"""The service behind a real socket, in the running event loop.

It uses uvicorn's HTTP/1.1 protocol without uvicorn's server: nothing here changes loggers or ticks,
and it ends at once, since whoever ends it has no more use for its answers.
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
        # Closed with a linger time of zero, a socket sends RST instead of FIN.
        self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
        self.transport.abort()


class _Protocol(H11Protocol):
    """Lets the application end its connection, and the server end them both."""

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
            # Cancelled when the server ends; by then the client is cut off, so nobody is answered.
            with suppress(asyncio.CancelledError):
                await app({**scope, CONNECTION: connection}, receive, send)

        self.app = connected

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._server.connections.discard(self)
        self.lost.set()


class _Server:
    """The open connections of one socket, and the requests at work for them."""

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
        """Cut off every connection, then what is still at work for it."""
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
    """Serve ``app`` while the context lasts; gives its URL. Port 0 takes any free port.

    Raises ``OSError`` when the address is taken. Requests that are still being answered when the
    context ends are cut off.
    """
    server = _Server(app)
    loop = asyncio.get_running_loop()
    listening = await loop.create_server(server.connect, host, port, backlog=_BACKLOG)
    try:
        yield f"http://{host}:{listening.sockets[0].getsockname()[1]}"
    finally:
        await _stop_accepting(listening)
        await server.end()
        listening.close()
        await listening.wait_closed()


async def _stop_accepting(listening: asyncio.Server) -> None:
    """Take no more connections, and wait for those that are being taken.

    A closed ``asyncio.Server`` would lose the latter: nobody would ever close them.
    """
    # Where the loop waits for no readiness (Windows), the few that come in this moment are lost.
    with suppress(NotImplementedError):
        for one in listening.sockets:
            asyncio.get_running_loop().remove_reader(one.fileno())
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
    # Not the loop's own signal handlers: they cannot be put back as they were, and Windows has none.
    before = {one: signal.signal(one, lambda *_: end()) for one in _SIGNALS}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
