"""Servers that some tests need: named in the environment, found on this machine, or started on it.

A test that needs one asks :func:`url` and is skipped when there is none, which says how to provide
it; with EMAY_VOICE_TEST_REQUIRE_SERVERS=1 it fails instead. Tests may share the server with others:
what they write has names of their own, and they remove it. A test that stops its server starts one
for itself.

``python tests/servers.py`` prints the modules that cannot be covered here for want of a server, as
patterns for ``coverage report --omit``.
"""

import atexit
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from functools import cache
from types import TracebackType
from typing import Final, NoReturn, Self

import pytest
from attrs import field, frozen

REQUIRED: Final = "EMAY_VOICE_TEST_REQUIRE_SERVERS"
_PATIENCE: Final = 30.0


class Temporary:
    """A server of the tests' own, which they may stop, kill and start anew (empty)."""

    def __init__(self, command: Callable[[int], list[str]], answers: Callable[[int], bool]) -> None:
        self._command = command
        self._answers = answers
        self._process: subprocess.Popen[bytes] | None = None
        self.port = _free_port()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        assert self._process is None
        self._process = subprocess.Popen(self._command(self.port), stdout=subprocess.DEVNULL)
        end = time.monotonic() + _PATIENCE
        while not self._answers(self.port):
            assert self._process.poll() is None, "the server ended by itself"
            assert time.monotonic() < end, "the server does not answer"
            time.sleep(0.01)

    def kill(self) -> None:
        """End it on the spot, whatever it is doing."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def pause(self) -> None:
        """Let it do nothing at all; the system goes on taking connections for it."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on where it was paused."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)


@frozen
class Kind:
    """A kind of server: where its URL may be named, its usual port, its program, and what needs it.

    ``answers`` tells whether one without a password answers on a loopback port. ``command`` starts
    one there; None: these are not started by tests.
    """

    name: str
    port: int
    url: str
    answers: Callable[[int], bool] = field(repr=False)
    program: str | None = None
    command: Callable[[int], list[str]] | None = field(default=None, repr=False)
    modules: tuple[str, ...] = ()

    @property
    def variable(self) -> str:
        """The environment variable that names a server."""
        return f"EMAY_VOICE_TEST_{self.name.upper()}_URL"

    def temporary(self) -> Temporary | None:
        """Make a server of the test's own, if its program is on this machine."""
        if self.command is None or self.program is None or shutil.which(self.program) is None:
            return None
        return Temporary(self.command, self.answers)


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def _redis_answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=2) as one:
        one.sendall(b"PING\r\n")
        return one.recv(100).startswith(b"+PONG")
    return False


def _redis_command(port: int) -> list[str]:
    return ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]


def _rabbitmq_answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=2) as one:
        # To another protocol than its own, it answers with the one that it speaks.
        one.sendall(b"AMQP\x00\x00\x00\x00")
        return one.recv(8).startswith(b"AMQP")
    return False


REDIS: Final = Kind(
    name="redis",
    port=6379,
    url="redis://127.0.0.1:{port}",
    answers=_redis_answers,
    program="redis-server",
    command=_redis_command,
    modules=("redis/connection.py", "redis/pacer.py", "redis/reports.py"),
)
RABBITMQ: Final = Kind(
    name="rabbitmq", port=5672, url="amqp://guest:guest@127.0.0.1:{port}/", answers=_rabbitmq_answers
)
KINDS: Final = (REDIS, RABBITMQ)


@cache
def found(kind: Kind) -> str | None:
    """Return the URL of a server of this kind: named, found, or started for as long as the tests run."""
    if named := os.environ.get(kind.variable):
        return named
    if kind.answers(kind.port):
        return kind.url.format(port=kind.port)
    server = kind.temporary()
    if server is None:
        return None
    atexit.register(server.kill)
    server.start()
    return kind.url.format(port=server.port)


def url(kind: Kind) -> str:
    """Return the URL of a server of this kind, which others may use, or leave the test out."""
    return found(kind) or _do_without(kind, f"set {kind.variable}, or start one on port {kind.port}")


@contextlib.contextmanager
def own(kind: Kind) -> Iterator[tuple[Temporary, str]]:
    """Start a server for one test, which may do to it what it likes, or leave the test out."""
    server = kind.temporary()
    if server is None:
        _do_without(kind, f"this test starts its own: install {kind.program}")
    with server:
        yield server, kind.url.format(port=server.port)


def _do_without(kind: Kind, remedy: str) -> NoReturn:
    reason = f"there is no {kind.name} server: {remedy}"
    if os.environ.get(REQUIRED) == "1":
        pytest.fail(reason)
    pytest.skip(reason)


def not_coverable() -> list[str]:
    """List the modules that the tests here cannot cover, as patterns."""
    missing = [kind for kind in KINDS if found(kind) is None or kind.temporary() is None]
    return [f"*/emay_voice_async/{module}" for kind in missing for module in kind.modules]


if __name__ == "__main__":
    print(",".join(not_coverable()))
