"""Runs the command line for tests: in this process without a socket, or as a process with one."""

import asyncio
import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, TextIO

import httpx
import pytest
from attrs import frozen

from emay_voice_async import cli
from emay_voice_async.sandbox import Sandbox

_STYLE = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")
URL = "http://emay.example"
NUMBERS = [f"138{number:08}" for number in range(600)]


@frozen
class CommandResult:
    """The exit code and the output of a command."""

    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The JSON lines of standard output."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def text(self) -> str:
        """Standard error without line breaks and repeated blanks."""
        return " ".join(self.err.split())

    @property
    def error_line(self) -> str:
        """The only error line of standard error."""
        [line] = [line for line in self.err.splitlines() if "emay-voice: " in line]
        assert "Traceback" not in self.err
        return line[line.index("emay-voice: ") :]


class Unwritable(io.StringIO):
    """A standard output that fails after a number of flushes."""

    def __init__(self, error: OSError, *, after: int = 0) -> None:
        super().__init__()
        self.lines = b""
        self._error = error
        self._left = after
        self._pending = b""

    @property
    def buffer(self) -> "Unwritable":  # type: ignore[override]
        """The stream of bytes."""
        return self

    def write(self, data: Any) -> int:
        """Add data to the buffer."""
        self._pending += data if isinstance(data, bytes) else data.encode()
        return len(data)

    def flush(self) -> None:
        """Move the buffer to ``lines``, or fail."""
        if not self._pending:
            return
        if not self._left:
            self._pending = b""
            raise self._error
        self._left -= 1
        self.lines += self._pending
        self._pending = b""


class Interruption:
    """Raises a signal in this process once: a second signal would end the process, and the run of the tests."""

    def __init__(self, number: int = signal.SIGINT) -> None:
        self._number: int | None = number

    def __call__(self) -> None:
        """Raise the signal, unless it was raised before."""
        number, self._number = self._number, None
        if number is not None:
            signal.raise_signal(number)


class Interrupting(io.TextIOWrapper):
    """A standard output that raises SIGINT when a word is written."""

    def __init__(self, word: str) -> None:
        super().__init__(io.BytesIO(), "utf-8", write_through=True)
        self.text = ""
        self._word = word
        self._interrupt = Interruption()

    def write(self, text: str) -> int:
        """Record the text, and raise the signal."""
        self.text += text
        if self._word in text:
            self._interrupt()
        return len(text)


class Program:
    """Runs commands in this process; their requests reach a local service without a socket."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.sandbox = Sandbox(balance=Decimal(1_000_000))
        self._monkeypatch = monkeypatch
        self._capsys = capsys
        for name in [name for name in os.environ if name.startswith(("EMAY_VOICE", "_EMAY_VOICE"))]:
            monkeypatch.delenv(name)
        for name, value in environment(self.sandbox, URL).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("EMAY_VOICE_LANG", "en")
        monkeypatch.setenv("COLUMNS", "80")
        self._handle = httpx.AsyncHTTPTransport.handle_async_request
        monkeypatch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", self._route)

    async def _route(self, request: httpx.Request) -> httpx.Response:
        assert request.url.host == "emay.example"
        return await httpx.ASGITransport(self.sandbox.app).handle_async_request(request)

    def use_network(self) -> None:
        """Let requests reach the network from now on."""
        self._monkeypatch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", self._handle)

    @property
    def called(self) -> list[str]:
        """The numbers that the service called, in order."""
        return [call.mobile for call in self.sandbox.calls]

    def __call__(
        self,
        *arguments: object,
        input: bytes = b"",  # noqa: A002
        terminal: bool = False,
        stdin: TextIO | None = None,
        stdout: TextIO | None = None,
    ) -> CommandResult:
        """Run a command; ``terminal``: standard input and standard error are a terminal."""
        stdin = io.TextIOWrapper(io.BytesIO(input)) if stdin is None else stdin
        self._capsys.readouterr()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "stdin", stdin)
            if stdout is not None:
                patch.setattr(sys, "stdout", stdout)
            if terminal:
                patch.setattr(stdin, "isatty", lambda: True)
                patch.setattr(sys.stderr, "isatty", lambda: True)
            code = cli.main([str(argument) for argument in arguments])
        out, err = self._capsys.readouterr()
        return CommandResult(code, out, _STYLE.sub("", err))


def notice(path: object, *more: object, content: str = "您好") -> tuple[object, ...]:
    """Return the arguments of a notice."""
    return ("send", "notice", "--to", path, "--content", content, *more)


def environment(sandbox: Sandbox, url: str) -> dict[str, str]:
    """Return the variables of an account of a local service."""
    return {
        "EMAY_VOICE_BASE_URL": url,
        "EMAY_VOICE_APP_ID": sandbox.app_id,
        "EMAY_VOICE_SECRET_KEY": sandbox.secret_key,
    }


@contextmanager
def served(sandbox: Sandbox) -> Iterator[dict[str, str]]:
    """Serve over a socket from another thread; yields the environment for a process."""
    ready, ended = threading.Event(), asyncio.Event()
    urls: list[str] = []
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        async with sandbox.serve() as url:
            urls.append(url)
            ready.set()
            await ended.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    try:
        assert ready.wait(20)
        yield {**os.environ, **environment(sandbox, urls[0]), "NO_PROXY": "*"}
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join(20)
        loop.close()


def start(
    arguments: Sequence[object], env: dict[str, str], *, before: Sequence[str] = (), **options: Any
) -> "subprocess.Popen[bytes]":
    """Start a command as a process without a terminal.

    ``before``: arguments of Python in front of ``-m emay_voice_async``.
    """
    command = [sys.executable, *before, "-m", "emay_voice_async", *map(str, arguments)]
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, env=env, **{**pipes, "start_new_session": True, **options})
