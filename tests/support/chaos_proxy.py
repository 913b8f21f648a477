"""A TCP proxy on loopback that disturbs HTTP exchanges: seeded delays, cuts, stalls, and refused connections.

The proxy reads as much of HTTP/1.1 as needed to know where a request and a response end (Content-Length), so that a
fault can be placed at any byte, and so that the record tells which responses reached the client whole.
"""

import asyncio
import random
import re
import socket
import struct
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from enum import Enum
from typing import Any, Final

from attrs import define, field, frozen

__all__ = ["ChaosProxy", "Decide", "Exchange", "Fault", "Kind", "Link", "Place", "chaos_proxy"]

_LINGER_NOT: Final = struct.pack("ii", 1, 0)
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
_BROKEN: Final = (asyncio.IncompleteReadError, OSError)
_LONGEST_HALF: Final = 1.0
_MOST_DRIPS: Final = 40


class Kind(Enum):
    """What happens to an exchange; ``Fault.at`` is the place of the byte, as a share of the message."""

    DELAY = "delay"
    """The whole message waits for some seconds."""
    STALL = "stall"
    """The message stops at a byte for some seconds, then goes on."""
    DRIP = "drip"
    """The message is split into many pieces, with pauses that take the seconds together."""
    RESET = "reset"
    """Both connections are reset (RST) after a byte."""
    FINISH = "finish"
    """Both connections are closed in order (FIN) after a byte."""
    HALF_CLOSE = "half close"
    """The direction of the message is closed after a byte; the other direction stays open for some seconds."""
    STALE = "stale"
    """A connection that is used again is closed by RST at the first byte of the request."""


_SLOW: Final = frozenset({Kind.DELAY, Kind.STALL, Kind.DRIP})


class Place(Enum):
    """The disturbed message."""

    REQUEST = "request"
    RESPONSE = "response"


@frozen
class Fault:
    """A fault of an exchange: the message, the place ``at`` in it (0 to 1), and a time in seconds."""

    kind: Kind
    place: Place = Place.RESPONSE
    at: float = 0.0
    seconds: float = 0.0


@frozen
class Link:
    """The two connections of a client, and the order of its exchanges: the 1st is number 0."""

    number: int
    exchange: int


Decide = Callable[[random.Random, Link], Fault | None]
"""Decides about the fault of an exchange, by the random numbers of the connection."""


@define(eq=False)
class Exchange:
    """The record of an exchange; ``began`` and ``ended`` are instants of the event loop's clock.

    ``sent``: bytes of the request that went on to the server. ``response``: the bytes that went on to the client.
    ``whole``: the client could read the whole response.
    """

    link: Link
    began: float
    path: str = ""
    fault: Fault | None = None
    sent: int = 0
    response: bytes = field(default=b"", repr=False)
    whole: bool = False
    ended: float | None = None

    @property
    def body(self) -> bytes:
        """The part of the response behind the headers."""
        return self.response.partition(b"\r\n\r\n")[2]


class _EndedError(Exception):
    """The fault has ended the connections."""


@define(eq=False)
class _Side:
    """One of the two connections."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def close(self) -> None:
        self.writer.close()

    def reset(self) -> None:
        sock = self.writer.get_extra_info("socket")
        with suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
        self.writer.transport.abort()

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def head(self) -> tuple[bytes, int]:
        """Read the headers; return them, and the length of the body."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        found = _LENGTH.search(head)
        return head, int(found[1]) if found else 0


class ChaosProxy:
    """The proxy: the connections of clients, the exchanges in order, and the number of faults by name."""

    def __init__(self, server_port: int, decide: Decide, seed: int | str) -> None:
        self.decide = decide
        self.connections = 0
        self.refusals = 0
        self.exchanges: list[Exchange] = []
        self.faults: Counter[str] = Counter()
        self.port = 0
        self._server_port = server_port
        self._seed = seed
        self._listening: asyncio.Server | None = None
        self._holder: socket.socket | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._busy = 0

    @property
    def url(self) -> str:
        """The base URL of the proxy."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def lost(self) -> int:
        """The number of exchanges without a whole response."""
        return sum(not exchange.whole for exchange in self.exchanges)

    async def listen(self) -> None:
        """Accept connections, at the same port each time."""
        if self._holder is None and sys.platform == "linux":
            # Bound and never listening: no other program gets the port while connections are refused.
            self._holder = socket.socket()
            self._holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._holder.bind(("127.0.0.1", 0))
            self.port = self._holder.getsockname()[1]
        if self._listening is None:
            self._listening = await asyncio.start_server(self._accepted, "127.0.0.1", self.port)
            self.port = self._listening.sockets[0].getsockname()[1]

    def refuse(self) -> None:
        """Refuse connections until :meth:`listen`; open connections stay."""
        if self._listening is not None:
            self.refusals += 1
            self._listening.close()
            self._listening = None

    async def quiet(self) -> None:
        """Wait until no exchange is in progress."""
        while self._busy:
            await asyncio.sleep(0.01)

    async def stop(self) -> None:
        """Refuse connections, and end the open ones."""
        if self._listening is not None:
            self._listening.close()
            self._listening = None
        if self._holder is not None:
            self._holder.close()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.get_running_loop().create_task(
            self._connection(_Side(reader, writer), self.connections)
        )
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connection(self, client: _Side, number: int) -> None:
        dice = random.Random(f"{self._seed}/{number}")
        server: _Side | None = None
        try:
            server = _Side(*await asyncio.open_connection("127.0.0.1", self._server_port))
            place = 0
            while True:
                first = await client.reader.readexactly(1)
                self._busy += 1
                try:
                    await self._exchange(client, server, first, dice, Link(number, place))
                finally:
                    self._busy -= 1
                place += 1
        except (*_BROKEN, _EndedError):
            pass
        finally:
            client.close()
            if server is not None:
                server.close()

    async def _exchange(
        self, client: _Side, server: _Side, first: bytes, dice: random.Random, link: Link
    ) -> None:
        loop = asyncio.get_running_loop()
        exchange = Exchange(link, loop.time(), fault=self.decide(dice, link))
        self.exchanges.append(exchange)
        fault = exchange.fault
        try:
            if fault is not None and fault.kind is Kind.STALE:
                if link.exchange:
                    self._end(fault, client, server)
                exchange.fault = None
            head, length = await client.head()
            head = first + head
            exchange.path = head.split(b" ", 2)[1].decode()
            await self._pass_on(exchange, Place.REQUEST, client, server, head, length)
            head, length = await server.head()
            await self._pass_on(exchange, Place.RESPONSE, server, client, head, length)
        finally:
            exchange.ended = loop.time()

    async def _pass_on(
        self, exchange: Exchange, place: Place, source: _Side, target: _Side, head: bytes, length: int
    ) -> None:
        """Pass a message on, up to the end or to the fault."""
        total = len(head) + length
        fault = exchange.fault
        if fault is None or fault.place is not place:
            await self._forward(exchange, place, target, head + await source.reader.readexactly(length))
            exchange.whole = place is Place.RESPONSE
            return
        at = round(total * fault.at)
        # Only so much is read, so that the sender may fail to write the rest.
        start = (head + await source.reader.readexactly(max(0, at - len(head))))[:at]
        if fault.kind in _SLOW:
            self.faults[f"{fault.kind.value} of {place.value}"] += 1
            read = max(at, len(head))
            rest = head[at:] + await source.reader.readexactly(total - read)
            drip = fault.kind is Kind.DRIP
            pieces = _pieces(start + rest, fault.seconds) if drip else [start, rest]
            for piece in pieces[:-1]:
                await self._forward(exchange, place, target, piece)
                await asyncio.sleep(fault.seconds / (len(pieces) - 1))
            await self._forward(exchange, place, target, pieces[-1])
            exchange.whole = place is Place.RESPONSE
            return
        await self._forward(exchange, place, target, start)
        # A response with RST behind it may be lost in the client's buffers.
        exchange.whole = place is Place.RESPONSE and at == total and fault.kind is not Kind.RESET
        await self._cut(fault, source, target)

    async def _forward(self, exchange: Exchange, place: Place, target: _Side, data: bytes) -> None:
        await target.send(data)
        if place is Place.REQUEST:
            exchange.sent += len(data)
        else:
            exchange.response += data

    async def _cut(self, fault: Fault, source: _Side, target: _Side) -> None:
        if fault.kind is Kind.HALF_CLOSE:
            self.faults[f"{fault.kind.value} of {fault.place.value}"] += 1
            target.writer.write_eof()
            with suppress(TimeoutError):
                async with asyncio.timeout(min(fault.seconds, _LONGEST_HALF)):
                    # The other direction: what the target still says goes to the source.
                    while data := await target.reader.read(65536):
                        await source.send(data)
            raise _EndedError
        await asyncio.sleep(fault.seconds)
        self._end(fault, source, target)

    def _end(self, fault: Fault, *sides: _Side) -> None:
        """End both connections."""
        name = fault.kind.value if fault.kind is Kind.STALE else f"{fault.kind.value} of {fault.place.value}"
        self.faults[name] += 1
        for side in sides:
            if fault.kind is Kind.FINISH:
                side.close()
            else:
                side.reset()
        raise _EndedError


def _pieces(data: bytes, seed: float) -> list[bytes]:
    """Split data into pieces of uneven sizes."""
    dice = random.Random(seed)
    places = sorted(dice.randrange(1, len(data)) for _ in range(min(_MOST_DRIPS, len(data) // 2)))
    ends = [*dict.fromkeys(places), len(data)]
    return [data[start:end] for start, end in zip([0, *ends[:-1]], ends, strict=True)]


@asynccontextmanager
async def chaos_proxy(server_url: str, decide: Decide, seed: int | str = 0) -> AsyncIterator[ChaosProxy]:
    """Run a proxy in front of a server on loopback."""
    proxy = ChaosProxy(int(server_url.rpartition(":")[2]), decide, seed)
    await proxy.listen()
    try:
        yield proxy
    finally:
        await proxy.stop()
