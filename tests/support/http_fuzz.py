"""Damaged HTTP requests over raw sockets: garbage, partial and oversized requests, and connections that break off."""

import asyncio
import random
import socket
import struct
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from attrs import frozen

__all__ = ["Good", "damaged_request", "fuzz"]

_LINGER_NOT: Final = struct.pack("ii", 1, 0)
_PATIENCE: Final = 0.15
_ODD_LENGTHS: Final = (b"0", b"1", b"-1", b"abc", b"99999999", b"9" * 40, b"1, 2", b"+5", b"5 5", b"")
_METHODS: Final = (
    b"GET",
    b"PUT",
    b"OPTIONS",
    b"HEAD",
    b"CONNECT",
    b"TRACE",
    b"P\xc3\xb6ST",
    b"",
    b"post",
    b"A" * 5000,
)
_PATHS: Final = (
    b"*", b"http://127.0.0.1/", b"//", b"/%", b"/%00", b"/%ff%fe", b"/" + b"a" * 9000, b"/\xff", b"/a b", b"",
    b"/../..", b"/?" + b"&" * 500,
)  # fmt: skip
_HEADERS: Final = (
    b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip", b"Transfer-Encoding: chunked, chunked",
    b"Expect: 100-continue", b"Connection: Upgrade\r\nUpgrade: websocket", b"Connection: Upgrade\r\nUpgrade: h2c",
    b"Host: a\r\nHost: b", b"Content-Type: \xff\xfe", b"Content-Encoding: gzip", b"Cookie: " + b"c" * 5000,
    b": no name", b"no colon", b"Nul: \0", b" Folded: line", b"Connection: close", b"Content-Length: 3",
    b"Content-Type: multipart/form-data", b"Host:", b"appId: \xff", b"appId: a\r\nappId: b",
)  # fmt: skip


@frozen
class Good:
    """A request that the server answers well: the parts from which damaged requests are made."""

    path: bytes
    headers: tuple[bytes, ...]
    body: bytes

    def encode(
        self,
        *,
        method: bytes = b"POST",
        path: bytes | None = None,
        version: bytes = b"HTTP/1.1",
        length: bytes | None = None,
        further: tuple[bytes, ...] = (),
        body: bytes | None = None,
    ) -> bytes:
        """Write the request, with parts replaced; ``length`` is the text of the Content-Length."""
        body = self.body if body is None else body
        length = str(len(body)).encode() if length is None else length
        lines = [
            b" ".join([method, self.path if path is None else path, version]),
            b"Host: 127.0.0.1",
            *self.headers,
            *further,
            b"Content-Length: " + length,
        ]
        return b"\r\n".join([*lines, b"", b""]) + body


def _garbage(dice: random.Random, _: Good) -> bytes:
    return dice.randbytes(dice.choice([1, 10, 1000, 70_000]))


def _partial(dice: random.Random, good: Good) -> bytes:
    whole = good.encode()
    return whole[: dice.randrange(len(whole))]


def _changed_bytes(dice: random.Random, good: Good) -> bytes:
    whole = bytearray(good.encode())
    for _ in range(dice.choice([1, 3, 30])):
        whole[dice.randrange(len(whole))] = dice.randrange(256)
    return bytes(whole)


def _changed_body(dice: random.Random, good: Good) -> bytes:
    body = bytearray(good.body)
    for _ in range(dice.choice([1, 3, 30])):
        body[dice.randrange(len(body))] = dice.randrange(256)
    return good.encode(body=bytes(body[: dice.choice([None, dice.randrange(len(body))])]))


def _odd_length(dice: random.Random, good: Good) -> bytes:
    return good.encode(length=dice.choice(_ODD_LENGTHS))


def _odd_method(dice: random.Random, good: Good) -> bytes:
    return good.encode(method=dice.choice(_METHODS))


def _odd_path(dice: random.Random, good: Good) -> bytes:
    return good.encode(path=dice.choice(_PATHS))


def _odd_version(dice: random.Random, good: Good) -> bytes:
    versions = [b"HTTP/1.0", b"HTTP/0.9", b"HTTP/2.0", b"HTTP/9", b"", b"ICY"]
    return good.encode(version=dice.choice(versions))


def _odd_headers(dice: random.Random, good: Good) -> bytes:
    return good.encode(further=tuple(dice.sample(_HEADERS, dice.randint(1, 3))))


def _many_headers(dice: random.Random, good: Good) -> bytes:
    number = dice.choice([100, 3000, 20_000])
    return good.encode(further=tuple(b"X-%d: y" % place for place in range(number)))


def _huge_header(dice: random.Random, good: Good) -> bytes:
    return good.encode(further=(b"X-Huge: " + b"x" * dice.choice([65_000, 70_000, 500_000]),))


def _huge_body(dice: random.Random, good: Good) -> bytes:
    return good.encode(body=dice.choice([b"0", b"&", b"a=b&"]) * dice.choice([300_000, 1_500_000]))


def _chunks(dice: random.Random, good: Good) -> bytes:
    head = good.encode(further=(b"Transfer-Encoding: chunked",), body=b"").replace(
        b"Content-Length: 0\r\n", b""
    )
    sizes = [b"%x" % len(good.body), b"-1", b"zz", b"f" * 30, b"0", b"5;" + b"e" * 9000, b"0\r\nX: y"]
    size = dice.choice(sizes)
    return head + size + b"\r\n" + good.body + b"\r\n" + dice.choice([b"0\r\n\r\n", b"0\r\n", b"", b"x"])


def _pipelined(dice: random.Random, good: Good) -> bytes:
    return good.encode() * dice.choice([2, 20]) + _partial(dice, good)


_DAMAGES: Final[tuple[Callable[[random.Random, Good], bytes], ...]] = (
    _garbage, _partial, _changed_bytes, _changed_body, _odd_length, _odd_method, _odd_path, _odd_version,
    _odd_headers, _many_headers, _huge_header, _huge_body, _chunks, _pipelined,
)  # fmt: skip


def damaged_request(dice: random.Random, good: Good) -> bytes:
    """Make the bytes of a damaged request, or of several."""
    return dice.choice(_DAMAGES)(dice, good)


async def fuzz(
    port: int, good: Good, *, seed: int | str, connections: int, at_once: int = 10
) -> Counter[str]:
    """Send damaged requests over many connections; return the numbers of the status lines, and of other ends."""
    numbers = iter(range(connections))
    seen: Counter[str] = Counter()

    async def work() -> None:
        for number in numbers:
            seen[await _connection(port, good, random.Random(f"{seed}/{number}"))] += 1

    await asyncio.gather(*(work() for _ in range(at_once)))
    return seen


async def _connection(port: int, good: Good, dice: random.Random) -> str:
    """Send a damaged request in pieces, and end the connection in one of the ways; return the first status."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    data = damaged_request(dice, good)
    cuts = sorted(dice.randrange(len(data) + 1) for _ in range(dice.choice([0, 0, 1, 5])))
    response = b""
    try:
        for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
            writer.write(data[start:end])
            async with asyncio.timeout(1):
                await writer.drain()
            await asyncio.sleep(dice.choice([0.0, 0.0, 0.005]))
        if dice.random() < 0.3:
            writer.write_eof()
        if dice.random() < 0.7:
            async with asyncio.timeout(_PATIENCE):
                response = await reader.read(4096)
    except (OSError, TimeoutError):
        pass
    if dice.random() < 0.5:
        with suppress(OSError):
            raw = writer.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
        writer.transport.abort()
    else:
        writer.close()
    await asyncio.gather(writer.wait_closed(), return_exceptions=True)
    parts = response.split(b" ", 2)
    return parts[1].decode("latin-1") if response.startswith(b"HTTP/1.1 ") else "no response"
