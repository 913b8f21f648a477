"""``listen``: receives the reports that the service pushes."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Protocol

import click
from attrs import field, frozen

from emay_voice_async.cli.terminal.exit_codes import CommandError, ExitCode, exit_code_of, worst
from emay_voice_async.cli.terminal.json_rows import row_of_report, row_of_unreadable
from emay_voice_async.cli.terminal.option_types import FILE, PORT
from emay_voice_async.cli.terminal.output import Output
from emay_voice_async.cli.terminal.settings import Session
from emay_voice_async.cli.terminal.signals import StopRequest
from emay_voice_async.errors import EmayVoiceError
from emay_voice_async.journal.sqlite import SqliteJournal
from emay_voice_async.model.results import Report
from emay_voice_async.receiver import PushReceiver, Receive, RecentReports, Rejected, Scope, Send

try:
    import uvicorn
except ImportError as error:
    raise ImportError('uvicorn is missing: python -m pip install "emay_voice_async[sandbox]"') from error

__all__ = ["listen"]

_EPILOG = """\b
Example, behind a web server that forwards https://your.host/emay:
  emay-voice listen --port 8000 --path /emay --journal run.db >> reports.jsonl

A push is confirmed after its reports are written; until then, the service can
push it again. A duplicate report is printed once. The JSON is that of
"emay-voice reports".
"""


@click.command(epilog=_EPILOG)
@click.option("--port", type=PORT, required=True, help="0: any free port.")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--path", default="/", show_default=True, help="The path of the pushes.")
@click.option("--journal", type=FILE, help="Also record the reports in this journal of a send.")
@click.pass_obj
def listen(session: Session, *, port: int, host: str, path: str, journal: Path | None) -> ExitCode:
    """Receive pushed reports and print them, a JSON object a line, until Ctrl-C."""
    listener = Listener(session, path, None if journal is None else SqliteJournal(journal))
    keys = {session.settings.account(): session.settings.secret_key()}
    receiver = PushReceiver(keys, listener.keep, on_rejected=listener.reject, deduplicate=RecentReports())
    config = uvicorn.Config(
        _OnePath(path, receiver),
        interface="asgi3",
        lifespan="off",
        ws="none",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=30,
    )
    return asyncio.run(listener.run(_QuietServer(config), host, port))


class _QuietServer(uvicorn.Server):
    """A server without signal handlers: the command has its own."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the handlers as they are."""
        yield


class _Server(Protocol):
    """The part of uvicorn's server that a listener uses."""

    should_exit: bool

    async def serve(self, sockets: list[socket.socket] | None = None) -> None: ...


@frozen
class _OnePath:
    """An ASGI application at one path; any other path gets 404."""

    path: str
    app: PushReceiver

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"].rstrip("/") == self.path.rstrip("/"):
            await self.app(scope, receive, send)
            return
        headers = [(b"content-type", b"text/plain"), (b"content-length", b"0")]
        await send({"type": "http.response.start", "status": 404, "headers": headers})
        await send({"type": "http.response.body"})


@frozen
class Listener:
    """One run of ``listen``."""

    session: Session
    path: str
    journal: SqliteJournal | None
    stop: StopRequest = field(factory=StopRequest)
    _output: Output = field(factory=Output)
    _errors: list[Exception] = field(factory=list)
    _ended: asyncio.Event = field(factory=asyncio.Event)

    async def keep(self, reports: list[Report]) -> None:
        """Write the reports of a push; an error leaves the push unconfirmed and ends the command."""
        try:
            if self.journal is not None:
                await self.journal.record(reports)
            await self._output.write(row_of_report(report) for report in reports)
        except (CommandError, EmayVoiceError) as error:
            self._errors.append(error)
            self._ended.set()
            raise

    async def reject(self, rejected: Rejected) -> None:
        """Write the unreadable reports of a push."""
        await self._output.write(row_of_unreadable(*pair) for pair in rejected.error.broken)

    async def run(self, server: _Server, host: str, port: int) -> ExitCode:
        """Serve until a stop request or an error; then finish the pushes that are being received."""
        try:
            listening = socket.create_server((host, port), backlog=2048)
        except OSError as error:
            raise CommandError(f"cannot listen on {host}:{port}: {error.strerror or error}") from None
        async with AsyncExitStack() as stack:
            stack.enter_context(listening)
            if self.journal is not None:
                await stack.enter_async_context(self.journal)
                await self.journal.record(())
            stack.enter_context(self.stop.handling_signals(self._ended.set))
            url = f"http://{host}:{listening.getsockname()[1]}{self.path}"
            self.session.console.say(f"Listening on {url} until Ctrl-C.")
            serving = asyncio.ensure_future(server.serve(sockets=[listening]))
            ended = asyncio.ensure_future(self._ended.wait())
            await asyncio.wait({serving, ended}, return_when=asyncio.FIRST_COMPLETED)
            server.should_exit = True
            await serving
        for text in filter(None, map(str, self._errors[:1])):
            self.session.console.complain(text)
        return worst(exit_code_of(error) for error in self._errors)
