"""``listen``: receives the reports that the service pushes."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import quote, unquote, urlsplit

import click
from attrs import field, frozen

from emay_voice_async.cli.terminal.exit_codes import CommandError, ExitCode, exit_code_of, worst
from emay_voice_async.cli.terminal.help_pages import TranslatedCommand
from emay_voice_async.cli.terminal.json_rows import row_of_report, row_of_unreadable
from emay_voice_async.cli.terminal.language import gettext, noop
from emay_voice_async.cli.terminal.listening import address, listening_socket
from emay_voice_async.cli.terminal.option_types import FILE, PORT
from emay_voice_async.cli.terminal.output import Output
from emay_voice_async.cli.terminal.settings import Session, read_secret
from emay_voice_async.cli.terminal.signals import StopRequest
from emay_voice_async.errors import EmayVoiceError, InvalidRequestError
from emay_voice_async.journal.sqlite import SqliteJournal
from emay_voice_async.model.extras import missing_extra
from emay_voice_async.model.results import Report
from emay_voice_async.receiver import PushReceiver, Receive, RecentReports, Rejected, Scope, Send

try:
    import h11
    import uvicorn
    from uvicorn.protocols.http.h11_impl import H11Protocol
except ModuleNotFoundError as _error:
    raise ImportError(missing_extra(_error.name, "sandbox")) from _error

__all__ = ["listen"]

MAX_CONNECTIONS: Final = 200
MAX_HEADERS: Final = 16 * 1024
"""Bytes of a request line and the headers."""
HEADER_TIMEOUT: Final = 10.0
"""Seconds from a connection, or a response, to the end of the next headers; the receiver bounds the body."""

_EPILOG = noop("""\b
Example, behind a web server that forwards https://your.host/emay:
  emay-voice listen --port 8000 --path /emay --journal run.db >> reports.jsonl

A push is confirmed after its reports are written; until then, the service can
push it again. A duplicate report is printed once. The JSON is that of
"emay-voice reports".

Plain pushes are not authenticated. They are accepted from the networks of
--plain-from only, or at the path PATH/TOKEN only; both apply if both are given.
Behind a web server on another host, the network is that of the web server.
""")


def _path(text: str) -> str:
    """Read the path of the pushes; the slash in front may be missing."""
    parts = urlsplit(text)
    if parts.scheme or parts.netloc or parts.query or parts.fragment or any(map(str.isspace, text)):
        raise click.BadParameter(gettext("must be a path such as /emay, without host and query"))
    return f"/{unquote(parts.path).strip('/')}"


@click.command(cls=TranslatedCommand, epilog=_EPILOG)
@click.option("--port", type=PORT, required=True, help="0: any free port.")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--path", type=_path, metavar="PATH", default="/", show_default=True, help="The path of the pushes."
)
@click.option(
    "--plain-from",
    "networks",
    multiple=True,
    metavar="NETWORK",
    help="Accept plain pushes from here. Repeatable.",
)
@click.option("--plain-token-file", type=FILE, help="A file with the token of plain pushes.")
@click.option("--journal", type=FILE, help="Also record the reports in this journal of a send.")
@click.pass_obj
def listen(
    session: Session,
    *,
    port: int,
    host: str,
    path: str,
    networks: tuple[str, ...],
    plain_token_file: Path | None,
    journal: Path | None,
) -> ExitCode:
    """Receive pushed reports and print them, a JSON object a line, until Ctrl-C."""
    listener = Listener(session, path, None if journal is None else SqliteJournal(journal))
    token = None if plain_token_file is None else read_secret("--plain-token-file", plain_token_file)
    try:
        receiver = PushReceiver(
            {session.settings.account(): session.settings.secret_key()},
            listener.keep,
            on_rejected=listener.reject,
            deduplicate=RecentReports(),
            allow_plain=bool(networks or token),
            plain_networks=networks or None,
            plain_token=token,
        )
    except InvalidRequestError as error:
        option = {"plain_networks": "--plain-from", "plain_token": "--plain-token-file"}.get(error.field)
        raise CommandError(f"{option}: {error.rule}" if option else str(error)) from None
    paths = {path.rstrip("/")} | ({f"{path.rstrip('/')}/{token}"} if token else set())
    config = uvicorn.Config(
        _AtPaths(frozenset(paths), receiver),
        http=_BoundedProtocol,
        interface="asgi3",
        lifespan="off",
        ws="none",
        log_config=None,
        access_log=False,
        limit_concurrency=MAX_CONNECTIONS,
        h11_max_incomplete_event_size=MAX_HEADERS,
        timeout_graceful_shutdown=30,
    )
    return asyncio.run(listener.run(_QuietServer(config), host, port))


class _BoundedProtocol(H11Protocol):
    """Closes a connection with slow request headers."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start a connection, and the time limit of the first request."""
        super().connection_made(transport)
        self._start_deadline()

    def data_received(self, data: bytes) -> None:
        """Take bytes of the client; complete headers end the time limit."""
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._stop_deadline()

    def on_response_complete(self) -> None:
        """Start the time limit of the next request."""
        super().on_response_complete()
        if self.conn.their_state is h11.IDLE:
            self._start_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        """End the connection."""
        self._stop_deadline()
        super().connection_lost(exc)

    def _start_deadline(self) -> None:
        self._deadline = self.loop.call_later(HEADER_TIMEOUT, self.transport.close)

    def _stop_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class _QuietServer(uvicorn.Server):
    """A server without signal handlers: the command installs handlers."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the handlers as they are."""
        yield


class _Server(Protocol):
    """The part of uvicorn's server that a listener uses."""

    should_exit: bool

    async def serve(self, sockets: list[socket.socket] | None = None) -> None: ...


@frozen
class _AtPaths:
    """An ASGI application at certain paths; any other path gets 404."""

    paths: frozenset[str] = field(repr=False)
    app: PushReceiver

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"].rstrip("/") in self.paths:
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
        listening = listening_socket(host, port)
        async with AsyncExitStack() as stack:
            stack.enter_context(listening)
            if self.journal is not None:
                await stack.enter_async_context(self.journal)
                await self.journal.record(())
            stack.enter_context(self.stop.handling_signals(self._ended.set))
            url = f"http://{address(host, listening.getsockname()[1])}{quote(self.path)}"
            self.session.console.say(gettext("Listening on {url} until Ctrl-C.", url=url))
            serving = asyncio.ensure_future(server.serve(sockets=[listening]))
            ended = asyncio.ensure_future(self._ended.wait())
            await asyncio.wait({serving, ended}, return_when=asyncio.FIRST_COMPLETED)
            server.should_exit = True
            await serving
        for text in filter(None, map(str, self._errors[:1])):
            self.session.console.complain(text)
        return worst(exit_code_of(error) for error in self._errors)
