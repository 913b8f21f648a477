"""``sandbox``: serves a local Emay service; nobody is called."""

import asyncio
from typing import Final

import click

from emay_voice_async.cli.terminal.exit_codes import CommandError
from emay_voice_async.cli.terminal.help_pages import TranslatedCommand
from emay_voice_async.cli.terminal.language import gettext
from emay_voice_async.cli.terminal.listening import address, plain_host
from emay_voice_async.cli.terminal.option_types import PORT, seconds
from emay_voice_async.cli.terminal.output import output_error
from emay_voice_async.sandbox import Sandbox

__all__ = ["sandbox"]

KEPT: Final = 10_000
"""The most requests, and the most calls, that are recorded."""


@click.command(
    cls=TranslatedCommand,
    epilog="""\b
Example, in one terminal and then in another:
  emay-voice sandbox --port 8900
  export EMAY_VOICE_BASE_URL=http://127.0.0.1:8900 ...    as it prints
  emay-voice balance
""",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", type=PORT, default=8900, show_default=True, help="0: any free port.")
@click.option(
    "--report-delay",
    type=seconds,
    default="0",
    show_default=True,
    metavar="SECONDS",
    help="Time from a call to its report.",
)
@click.option(
    "--allowed-host",
    "allowed_hosts",
    multiple=True,
    metavar="NAME",
    help="A further host name by which clients may call.  [default: localhost, any IP address, and --host]",
)
def sandbox(*, host: str, port: int, report_delay: float, allowed_hosts: tuple[str, ...]) -> None:
    """Serve a local Emay service until Ctrl-C; it behaves as the API document says."""
    # The command may run for weeks, beside a browser: records are bounded, and no web page may post.
    service = Sandbox(report_delay=report_delay, keep=KEPT, allowed_hosts=("localhost", host, *allowed_hosts))

    def ready(url: str) -> None:
        click.echo(
            gettext("A local Emay service listens on {url}; nobody is called. Ctrl-C ends it.", url=url)
        )
        click.echo(f"export EMAY_VOICE_BASE_URL={url}")
        click.echo(f"export EMAY_VOICE_APP_ID={service.app_id}")
        click.echo(f"export EMAY_VOICE_SECRET_KEY={service.secret_key}")

    try:
        asyncio.run(service.run(host=plain_host(host), port=port, on_ready=ready))
    except BrokenPipeError as error:
        raise output_error(error) from error
    except OSError as error:
        raise CommandError(
            gettext(
                "cannot listen on {address}: {reason}",
                address=address(host, port),
                reason=error.strerror or error,
            )
        ) from None
