"""Servers and databases for tests: taken from the environment, found on this machine, or started on it.

A test calls :func:`url` and is skipped without a server; the reason of the skip says how to provide the server. With
EMAY_VOICE_TEST_REQUIRE_SERVERS=1 the test fails instead. Other programs may use the same server: the
keys and tables of a test have unique names and are removed. A test that stops or pauses a server starts a private
server with :func:`own`.

``python tests/support/servers.py`` prints the modules that cannot be covered on this machine, as patterns for
``coverage report --omit``.
"""

import asyncio
import atexit
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Final, NoReturn, Self

import pytest
from attrs import field, frozen
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

REQUIRED: Final = "EMAY_VOICE_TEST_REQUIRE_SERVERS"
_STARTUP_SECONDS: Final = 30.0


@frozen
class Kind:
    """A kind of server: the usual port, the URLs, and the start command.

    ``urls`` are tried in order, with the port filled in; ``answers`` tells whether a server answers at a URL.
    ``start`` starts a server with its data in a folder, at a loopback port, and needs ``programs``; None: tests do
    not start servers of this kind. ``modules`` can be covered only with a server that tests may stop.
    """

    name: str
    port: int
    urls: tuple[str, ...]
    answers: Callable[[str], bool] = field(repr=False)
    programs: tuple[str, ...] = ()
    start: Callable[[Path, int], subprocess.Popen[bytes]] | None = field(default=None, repr=False)
    modules: tuple[str, ...] = ()

    @property
    def variable(self) -> str:
        """The environment variable with the URL of a server to use."""
        return f"EMAY_VOICE_TEST_{self.name.upper()}_URL"

    def url_at(self, port: int) -> str | None:
        """Return the URL of the server at a loopback port, or None if no server answers."""
        return next((url for url in (one.format(port=port) for one in self.urls) if self.answers(url)), None)

    def temporary(self) -> "Temporary | None":
        """Prepare a private server, or return None if the programs are not installed."""
        if self.start is None or not all(map(shutil.which, self.programs)):
            return None
        return Temporary(self)


class Temporary:
    """A private server, which a test may kill, start again (empty), pause and resume."""

    def __init__(self, kind: Kind) -> None:
        self._kind = kind
        self._process: subprocess.Popen[bytes] | None = None
        self._folder: Path | None = None
        self.port = _free_port()
        self.url = ""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def start(self) -> None:
        """Start the server and wait for an answer."""
        assert self._process is None
        assert self._kind.start is not None
        self._folder = Path(tempfile.mkdtemp(prefix=f"{self._kind.name}-"))
        self._process = self._kind.start(self._folder, self.port)
        end = time.monotonic() + _STARTUP_SECONDS
        while (found := self._kind.url_at(self.port)) is None:
            assert self._process.poll() is None, "the server process has ended"
            assert time.monotonic() < end, "the server does not answer"
            time.sleep(0.01)
        self.url = found

    def stop(self) -> None:
        """Let the server shut down in order, within a few seconds, and remove its data."""
        if self._process is not None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(5)
        self.kill()

    def kill(self) -> None:
        """Kill the server and remove its data."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def pause(self) -> None:
        """Stop the process; the system still accepts connections to its port."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Continue the paused process."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _greets(url: str, greeting: bytes, answer: bytes) -> bool:
    """Tell whether the server at a URL replies to a greeting with an answer that begins so."""
    port = int(url.rstrip("/").rpartition(":")[2])
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
        connection.sendall(greeting)
        return connection.recv(100).startswith(answer)
    return False


def _redis_answers(url: str) -> bool:
    return _greets(url, b"PING\r\n", b"+PONG")


def _rabbitmq_answers(url: str) -> bool:
    # RabbitMQ rejects an unknown protocol version with the name of the protocol.
    return _greets(url, b"AMQP\x00\x00\x00\x00", b"AMQP")


def _database_answers(url: str) -> bool:
    # The caller may be in an event loop, and each thread can run one.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, _query(url)).result()


async def _query(url: str) -> bool:
    engine = create_async_engine(url, poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            return bool(await connection.scalar(text("SELECT 1")))
    except (SQLAlchemyError, OSError):
        return False
    finally:
        await engine.dispose()


def _start_redis(folder: Path, port: int) -> subprocess.Popen[bytes]:
    options = ["--bind", "127.0.0.1", "--dir", str(folder), "--save", "", "--appendonly", "no"]
    return subprocess.Popen(
        [str(shutil.which("redis-server")), "--port", str(port), *options], stdout=subprocess.DEVNULL
    )


def _start_postgres(folder: Path, port: int) -> subprocess.Popen[bytes]:
    # PostgreSQL refuses to run as root.
    user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
    if user:
        shutil.chown(folder, "postgres", "postgres")
    data = str(folder / "data")
    initdb, postgres = str(shutil.which("initdb")), str(shutil.which("postgres"))
    _run([*user, initdb, "--no-sync", "-U", "postgres", "-A", "trust", "-E", "UTF8", "-D", data])
    _run([*user, postgres, "--single", "-D", data, "postgres"], b"CREATE DATABASE test\n")
    options = ["-D", data, "-h", "127.0.0.1", "-p", str(port), "-k", str(folder)]
    return subprocess.Popen([*user, postgres, *options], stderr=subprocess.DEVNULL)


def _start_mysql(folder: Path, port: int) -> subprocess.Popen[bytes]:
    user = ["--user=root"] if os.geteuid() == 0 else []
    data = f"--datadir={folder / 'data'}"
    install, mariadbd = str(shutil.which("mariadb-install-db")), str(shutil.which("mariadbd"))
    _run([install, "--no-defaults", data, "--auth-root-authentication-method=normal", *user])
    options = [data, f"--port={port}", "--bind-address=127.0.0.1", f"--socket={folder / 'socket'}", *user]
    return subprocess.Popen([mariadbd, "--no-defaults", *options], stderr=subprocess.DEVNULL)


def _run(command: list[str], stdin: bytes = b"") -> None:
    subprocess.run(command, input=stdin, capture_output=True, check=True)


REDIS: Final = Kind(
    name="redis",
    port=6379,
    urls=("redis://127.0.0.1:{port}",),
    answers=_redis_answers,
    programs=("redis-server",),
    start=_start_redis,
    modules=("redis/connection.py", "redis/pacer.py", "redis/reports.py"),
)
RABBITMQ: Final = Kind(
    name="rabbitmq",
    port=5672,
    urls=("amqp://guest:guest@127.0.0.1:{port}/",),
    answers=_rabbitmq_answers,
)
POSTGRES: Final = Kind(
    name="postgres",
    port=5432,
    urls=tuple(f"postgresql+asyncpg://{user}@127.0.0.1:{{port}}/test" for user in ("postgres", "root")),
    answers=_database_answers,
    programs=("initdb", "postgres"),
    start=_start_postgres,
)
MYSQL: Final = Kind(
    name="mysql",
    port=3306,
    urls=("mysql+aiomysql://root@127.0.0.1:{port}/test",),
    answers=_database_answers,
    programs=("mariadb-install-db", "mariadbd"),
    start=_start_mysql,
)
KINDS: Final = (REDIS, RABBITMQ, POSTGRES, MYSQL)


@cache
def found(kind: Kind) -> str | None:
    """Return the URL of a server: from the environment, at the usual port, or started until the process ends."""
    if url := os.environ.get(kind.variable) or kind.url_at(kind.port):
        return url
    server = kind.temporary()
    if server is None:
        return None
    atexit.register(server.stop)
    server.start()
    return server.url


def url(kind: Kind) -> str:
    """Return the URL of a shared server, or skip the test."""
    return found(kind) or _skip(kind, f"set {kind.variable}, or start one on port {kind.port}")


@contextlib.contextmanager
def own(kind: Kind) -> Iterator[tuple[Temporary, str]]:
    """Start a private server for a test; yield the server and the URL. Skip the test without the programs."""
    server = kind.temporary()
    if server is None:
        _skip(kind, f"this test starts its own: install {' and '.join(kind.programs)}")
    with server:
        yield server, server.url


def _skip(kind: Kind, remedy: str) -> NoReturn:
    reason = f"there is no {kind.name} server: {remedy}"
    if os.environ.get(REQUIRED) == "1":
        pytest.fail(reason)
    pytest.skip(reason)


def not_coverable() -> list[str]:
    """List the modules that cannot be covered on this machine, as patterns."""
    missing = [kind for kind in KINDS if kind.modules and (kind.temporary() is None or found(kind) is None)]
    return [f"*/emay_voice_async/{module}" for kind in missing for module in kind.modules]


if __name__ == "__main__":
    print(",".join(not_coverable()))
