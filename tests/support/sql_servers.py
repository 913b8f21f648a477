"""Databases that some tests need: named in the environment, found on this machine, or started on it.

A test that needs one asks :func:`url` and is skipped when there is none, which says how to provide it; with
EMAY_VOICE_TEST_REQUIRE_SERVERS=1 it fails instead. Tests may share a database with others: their tables have
names of their own, and they remove them.
"""

import asyncio
import atexit
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Final

import pytest
from attrs import frozen
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

REQUIRED: Final = "EMAY_VOICE_TEST_REQUIRE_SERVERS"
_PATIENCE: Final = 30.0


@frozen
class Kind:
    """A kind of database: where its URL may be named, where it usually is, and how one is started.

    ``start`` starts one with its data in a folder, at a loopback port; None: there is no such program here.
    """

    name: str
    port: int
    urls: tuple[str, ...]
    start: Callable[[Path, int], subprocess.Popen[bytes] | None]

    @property
    def variable(self) -> str:
        """The environment variable that names a database."""
        return f"EMAY_VOICE_TEST_{self.name.upper()}_URL"


def _start_postgres(folder: Path, port: int) -> subprocess.Popen[bytes] | None:
    programs = [shutil.which(name) for name in ("initdb", "postgres")]
    if None in programs:
        return None
    initdb, postgres = map(str, programs)
    # It does not run as root, who may run it as somebody else.
    user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
    if user:
        shutil.chown(folder, "postgres", "postgres")
    data = str(folder / "data")
    _run([*user, initdb, "--no-sync", "-U", "postgres", "-A", "trust", "-E", "UTF8", "-D", data])
    _run([*user, postgres, "--single", "-D", data, "postgres"], b"CREATE DATABASE test\n")
    options = ["-D", data, "-h", "127.0.0.1", "-p", str(port), "-k", str(folder)]
    return subprocess.Popen([*user, postgres, *options], stderr=subprocess.DEVNULL)


def _start_mysql(folder: Path, port: int) -> subprocess.Popen[bytes] | None:
    programs = [shutil.which(name) for name in ("mariadb-install-db", "mariadbd")]
    if None in programs:
        return None
    install, mariadbd = map(str, programs)
    user = ["--user=root"] if os.geteuid() == 0 else []
    data = f"--datadir={folder / 'data'}"
    _run([install, "--no-defaults", data, "--auth-root-authentication-method=normal", *user])
    options = [data, f"--port={port}", "--bind-address=127.0.0.1", f"--socket={folder / 'socket'}", *user]
    return subprocess.Popen([mariadbd, "--no-defaults", *options], stderr=subprocess.DEVNULL)


def _run(command: list[str], said: bytes = b"") -> None:
    subprocess.run(command, input=said, capture_output=True, check=True)


POSTGRES: Final = Kind(
    name="postgres",
    port=5432,
    urls=tuple(f"postgresql+asyncpg://{user}@127.0.0.1:{{port}}/test" for user in ("postgres", "root")),
    start=_start_postgres,
)
MYSQL: Final = Kind(
    name="mysql",
    port=3306,
    urls=("mysql+aiomysql://root@127.0.0.1:{port}/test",),
    start=_start_mysql,
)


async def _ask(url: str) -> bool:
    engine = create_async_engine(url, poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            return bool(await connection.scalar(text("SELECT 1")))
    except (SQLAlchemyError, OSError):
        return False
    finally:
        await engine.dispose()


def _at(kind: Kind, port: int) -> str | None:
    """Return the URL of a database at a loopback port, if one answers."""
    urls = [one.format(port=port) for one in kind.urls]
    # In a thread, because whoever asks may be in an event loop.
    with ThreadPoolExecutor(1) as thread:
        return next((one for one in urls if thread.submit(asyncio.run, _ask(one)).result()), None)


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def _started(kind: Kind) -> str | None:
    """Start a database for as long as the tests run."""
    folder = Path(tempfile.mkdtemp(prefix=f"{kind.name}-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    port = _free_port()
    process = kind.start(folder, port)
    if process is None:
        return None
    atexit.register(process.wait)
    atexit.register(process.terminate)
    end = time.monotonic() + _PATIENCE
    while (found := _at(kind, port)) is None:
        assert process.poll() is None, "the server ended by itself"
        assert time.monotonic() < end, "the server does not answer"
        time.sleep(0.05)
    return found


@cache
def found(kind: Kind) -> str | None:
    """Return the URL of a database of this kind: named, found, or started for as long as the tests run."""
    return os.environ.get(kind.variable) or _at(kind, kind.port) or _started(kind)


def url(kind: Kind) -> str:
    """Return the URL of a database of this kind, which others may use, or leave the test out."""
    where = found(kind)
    if where is None:
        reason = f"there is no {kind.name} server: set {kind.variable}, or start one on port {kind.port}"
        if os.environ.get(REQUIRED) == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    return where
