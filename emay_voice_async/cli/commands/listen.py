"""``listen``: receives the reports that the service pushes."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Protocol

import click
from attrs import field, frozen

from emay_voice_async.cli.terminal.exit_codes import CommandError, Ending, ending_of, worst
from emay_voice_async.cli.terminal.json_rows import row_of_report, row_of_unreadable
from emay_voice_async.cli.terminal.option_types import FILE
from emay_voice_async.cli.terminal.output import Output
from emay_voice_async.cli.terminal.settings import Session
from emay_voice_async.cli.terminal.signals import Stop
from emay_voice_async.errors import EmayVoiceError
from emay_voice_async.journal.sqlite import SqliteJournal
from emay_voice_async.model.results import Report
from emay_voice_async.receiver import PushReceiver, Receive, RecentReports, Rejected, Scope, Send

__all__ = ["listen"]

_EPILOG = """\b
Example, behind a web server that forwards https://your.host/emay:
  emay-voice listen --port 8000 --path /emay --journal run.db >> reports.jsonl

A push is confirmed when its reports are written; until then, the service can
push it again. The same report is printed once. The JSON is that of
"emay-voice reports".
"""


@click.command(epilog=_EPILOG, short_help="Receive pushed reports and print them.")
@click.option("--port", type=click.IntRange(0, 65535), required=True, help="0: one that the system chooses.")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--path", default="/", show_default=True, help="The path that pushes come to.")
@click.option("--journal", type=FILE, help="Also record them in this journal of a send.")
@click.pass_obj
def listen(session: Session, *, port: int, host: str, path: str, journal: Path | None) -> Ending:
    """Receive pushed reports and print them, a JSON object a line, until Ctrl-C."""
    try:
        import uvicorn
    except ImportError:
        raise CommandError('uvicorn is missing: python -m pip install "emay_voice_async[sandbox]"') from None

    class Server(uvicorn.Server):
        """Leaves the signals to us."""

        @contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield

    listener = Listener(session, path, None if journal is None else SqliteJournal(journal))
    keys = {session.settings.account(): session.settings.secret_key()}
    config = uvicorn.Config(
        _Path(
            path, PushReceiver(keys, listener.keep, on_rejected=listener.reject, deduplicate=RecentReports())
        ),
        interface="asgi3",
        lifespan="off",
        ws="none",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=30,
    )
    return asyncio.run(listener.run(Server(config), host, port))


class _Server(Protocol):
    """What is needed of uvicorn's."""

    should_exit: bool

    async def serve(self, sockets: list[socket.socket] | None = None) -> None: ...


@frozen
class _Path:
    """An ASGI application at one path, and nothing anywhere else."""

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
    stop: Stop = field(factory=Stop)
    _output: Output = field(factory=Output)
    _troubles: list[Exception] = field(factory=list)
    _ended: asyncio.Event = field(factory=asyncio.Event)

    async def keep(self, reports: list[Report]) -> None:
        """Write the reports of a push; should that fail, the push is not confirmed, and this ends."""
        try:
            if self.journal is not None:
                await self.journal.record(reports)
            await self._output.write(row_of_report(report) for report in reports)
        except (CommandError, EmayVoiceError) as error:
            self._troubles.append(error)
            self._ended.set()
            raise

    async def reject(self, rejected: Rejected) -> None:
        """Write what cannot be read of a push of which the rest is confirmed."""
        await self._output.write(row_of_unreadable(*pair) for pair in rejected.error.broken)

    async def run(self, server: _Server, host: str, port: int) -> Ending:
        """Serve until asked to end, then finish what is being received."""
        try:
            listening = socket.create_server((host, port), backlog=2048)
        except OSError as error:
            raise CommandError(f"cannot listen on {host}:{port}: {error.strerror or error}") from None
        async with AsyncExitStack() as stack:
            stack.enter_context(listening)
            if self.journal is not None:
                await stack.enter_async_context(self.journal)
                await self.journal.record(())
            stack.enter_context(self.stop.listening(self._ended.set))
            place = f"http://{host}:{listening.getsockname()[1]}{self.path}"
            self.session.screen.say(f"Listening on {place} until Ctrl-C.")
            serving = asyncio.ensure_future(server.serve(sockets=[listening]))
            ended = asyncio.ensure_future(self._ended.wait())
            await asyncio.wait({serving, ended}, return_when=asyncio.FIRST_COMPLETED)
            server.should_exit = True
            await serving
        for text in filter(None, map(str, self._troubles[:1])):
            self.session.screen.complain(text)
        return worst(ending_of(error) for error in self._troubles)
