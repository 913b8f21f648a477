"""A cheap local service: responses as the real service sends them, without checks.

The server runs in a separate process, so that its CPU time is not counted for the client. It supports keep-alive
and POST requests with a Content-Length.
"""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final
from urllib.request import urlopen

from benchmarks.samples import report_page

__all__ = ["busy_seconds", "running"]

_HEAD_END: Final = b"\r\n\r\n"
_PAGE: Final = 1000


def _response(body: bytes) -> bytes:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json;charset=UTF-8\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _field(form: bytes, name: bytes) -> bytes:
    start = form.find(b"&" + name + b"=")
    return form[start + len(name) + 2 :].partition(b"&")[0] if start >= 0 else b""


class _Service(asyncio.Protocol):
    """One connection; ``left`` is the number of reports that getReport can still return."""

    left = 0
    page = _response(report_page(_PAGE))
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
            self._transport.write(self._answer(head.split(b" ", 2)[1], form))

    def _answer(self, path: bytes, form: bytes) -> bytes:
        if path == b"/voice/getreport":
            if _Service.left <= 0:
                return self.none
            _Service.left -= _PAGE
            return self.page
        if path.startswith(b"/refill/"):
            _Service.left = int(path.rpartition(b"/")[2])
            return self.none
        if path == b"/busy":
            return _response(json.dumps(time.process_time()).encode())
        return _response(b'{"code":"SUCCESS","data":[' + self._tickets(path, form) + b"]}")

    @staticmethod
    def _tickets(path: bytes, form: bytes) -> bytes:
        """Write a ticket with the custom id for each number, as the real service does."""
        one = path == b"/voice/sendvfcode"
        numbers = _field(form, b"mobile" if one else b"mobiles").split(b"%2C")
        ids = _field(form, b"customVoiceId" if one else b"customVoiceIds").split(b"%2C")
        return b",".join(
            [
                b'{"mobile":"%b","voiceId":"20170392833%b","customVoiceId":"%b"}' % (mobile, mobile, custom)
                for mobile, custom in zip(numbers, ids, strict=False)
            ]
        )


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


def busy_seconds(url: str) -> float:
    """Return the CPU seconds that the service has used."""
    with urlopen(f"{url}/busy") as answer:  # noqa: S310
        return float(answer.read())


def refill(url: str, number: int) -> None:
    """Set the number of reports that getReport can return."""
    urlopen(f"{url}/refill/{number}").close()  # noqa: S310


if __name__ == "__main__":
    asyncio.run(_serve())
