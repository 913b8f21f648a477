"""A cheap local service: responses as the real service sends them, without checks.

The server runs in a separate process, so that its CPU time is not counted for the client. It supports keep-alive
and POST requests with a Content-Length.
"""

import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import count, islice
from typing import ClassVar, Final
from urllib.request import urlopen

from benchmarks.samples import SHAPES, products, written

__all__ = ["DELAY", "TICKET_SHAPES", "refill", "running", "shaped", "slow"]

Ticket = tuple[bytes, bytes]
"""The number and the custom id of a call."""

DELAY: Final = 0.1
"""Seconds after which the slow service responds."""
_SLOW: Final = b"/slow"
_HEAD_END: Final = b"\r\n\r\n"
_PAGE: Final = 1000


def _response(body: bytes) -> bytes:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json;charset=UTF-8\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _field(form: bytes, name: bytes) -> bytes:
    start = form.find(b"&" + name + b"=")
    return form[start + len(name) + 2 :].partition(b"&")[0] if start >= 0 else b""


def _formatted(template: bytes) -> Callable[[list[Ticket]], bytes]:
    fields = template.count(b"%b")

    def write(tickets: list[Ticket]) -> bytes:
        return b",".join([template % (mobile, mobile, custom)[-fields:] for mobile, custom in tickets])

    return write


_documented = _formatted(b'{"mobile":"%b","voiceId":"20170392833%b","customVoiceId":"%b"}')

TICKET_SHAPES: Final[Mapping[str, Callable[[list[Ticket]], bytes]]] = {
    "as documented": _documented,
    "ids as numbers": _formatted(b'{"mobile":%b,"voiceId":20170392833%b,"customVoiceId":"%b"}'),
    "fields beyond the document": _formatted(
        b'{"mobile":"%b","voiceId":"20170392833%b","customVoiceId":"%b","carrier":null,"price":0.05}'
    ),
    "another order": lambda tickets: _documented(tickets[::-1]),
    "blanks and line breaks": _formatted(
        b'{\n  "mobile": "%b",\n  "voiceId": "20170392833%b",\n  "customVoiceId": "%b"\n}'
    ),
}
"""For each shape of the response to a send, the writer of the tickets."""


def shaped(url: str, shape: str) -> str:
    """Return the base URL under which the service answers sends in a shape."""
    return f"{url}/{list(TICKET_SHAPES).index(shape)}"


def slow(url: str) -> str:
    """Return the base URL under which the service responds after :data:`DELAY` seconds."""
    return url + _SLOW.decode()


class _Service(asyncio.Protocol):
    """One connection; ``left`` is the number of reports that getReport of a path can still return, in ``pages``."""

    left: ClassVar[dict[bytes, int]] = {}
    pages: ClassVar[Mapping[bytes, bytes]] = {}
    none = _response(b'{"code":"SUCCESS","data":[]}')

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport for the responses."""
        self._transport: asyncio.WriteTransport = transport  # type: ignore[assignment]
        self._received = bytearray()

    def data_received(self, data: bytes) -> None:
        """Respond to each complete request."""
        self._received += data
        while (end := self._received.find(_HEAD_END)) >= 0:
            head = bytes(self._received[:end]).lower()
            _, _, rest = head.partition(b"content-length:")
            whole = end + len(_HEAD_END) + int(rest.partition(b"\r\n")[0] or 0)
            if len(self._received) < whole:
                return
            form = b"&" + bytes(self._received[end + len(_HEAD_END) : whole])
            del self._received[:whole]
            path = head.split(b" ", 2)[1]
            slow = path.startswith(_SLOW)
            answer = self._answer(path.removeprefix(_SLOW), form)
            if slow:
                asyncio.get_running_loop().call_later(DELAY, self._transport.write, answer)
            else:
                self._transport.write(answer)

    def _answer(self, path: bytes, form: bytes) -> bytes:
        if path.endswith(b"/getreport"):
            if _Service.left.get(path, 0) <= 0:
                return self.none
            _Service.left[path] -= _PAGE
            return self.pages[path]
        if path.startswith(b"/refill/"):
            _, _, shape, number = path.decode().split("/")
            _Service.pages = _pages[list(SHAPES)[int(shape)]]
            _Service.left = dict.fromkeys(_Service.pages, int(number) // len(_Service.pages))
            return self.none
        write = list(TICKET_SHAPES.values())[int(path[1:2]) if path[1:2].isdigit() else 0]
        return _response(b'{"code":"SUCCESS","data":[' + write(self._tickets(path, form)) + b"]}")

    @staticmethod
    def _tickets(path: bytes, form: bytes) -> list[Ticket]:
        """Return the number and the custom id of each call."""
        one = path == b"/voice/sendvfcode"
        numbers = _field(form, b"mobile" if one else b"mobiles").split(b"%2C")
        ids = _field(form, b"customVoiceId" if one else b"customVoiceIds").split(b"%2C")
        return list(zip(numbers, ids, strict=False))


class _Pages(dict[str, dict[bytes, bytes]]):
    def __missing__(self, shape: str) -> dict[bytes, bytes]:
        self[shape] = {f"/{product}/getreport".encode(): _page(shape, product) for product in products(shape)}
        return self[shape]


def _page(shape: str, product: str) -> bytes:
    entries = (entry for entry in map(SHAPES[shape], count()) if f"{product}Id" in entry)
    return _response(written(list(islice(entries, _PAGE))))


_pages: Final = _Pages()
"""The responses of 1,000 reports of each shape, by path."""


async def _serve() -> None:
    server = await asyncio.get_running_loop().create_server(_Service, "127.0.0.1", 0, backlog=4096)
    sys.stdout.write(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


@contextmanager
def running() -> Iterator[str]:
    """Start the service in a separate process; yield the URL."""
    command = [sys.executable, "-m", "benchmarks.server"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        try:
            assert process.stdout is not None  # noqa: S101
            yield process.stdout.readline().strip()
        finally:
            process.kill()


def refill(url: str, number: int, shape: str = "every field") -> None:
    """Set the number, for all products together, and the shape of the reports that getReport can return."""
    urlopen(f"{url}/refill/{list(SHAPES).index(shape)}/{number}").close()  # noqa: S310


if __name__ == "__main__":
    asyncio.run(_serve())
