"""``watch``: shows a campaign as a page while other processes send it."""

import asyncio
import importlib
import secrets
from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from ipaddress import ip_address
from pathlib import Path

import click

from emay_voice_async.cli.terminal.exit_codes import CommandError
from emay_voice_async.cli.terminal.help_pages import TranslatedCommand
from emay_voice_async.cli.terminal.language import gettext
from emay_voice_async.cli.terminal.listening import listening_error, plain_host
from emay_voice_async.cli.terminal.option_types import PORT, price
from emay_voice_async.cli.terminal.output import output_error
from emay_voice_async.cli.watch.app import WatchApp
from emay_voice_async.cli.watch.view import Watched
from emay_voice_async.cli.watch.watcher import Watcher, read_results
from emay_voice_async.journal.protocol import Journal
from emay_voice_async.journal.sqlite import SqliteJournal
from emay_voice_async.model.beijing import BEIJING
from emay_voice_async.sandbox import server

__all__ = ["watch"]


@click.command(
    cls=TranslatedCommand,
    epilog="""\b
Examples:
  emay-voice watch run.db --total 120000 --price 0.1
  emay-voice watch postgresql+asyncpg://me@host/calls --campaign spring
  emay-voice watch run.db --once > results.html

The journal is only read, while other processes send. --total is the length of
the list: only with it the page knows the share and the end. On another address
than that of this machine (--host 0.0.0.0) the page needs the token that the
command prints.
""",
)
@click.argument("journal", metavar="JOURNAL")
@click.option(
    "--campaign", metavar="NAME", help="The name of the campaign, if JOURNAL is the URL of a database."
)
@click.option("--total", type=click.IntRange(0), metavar="NUMBER", help="The length of the list.")
@click.option("--price", type=price, metavar="AMOUNT", help="The price of a call, for the cost.")
@click.option(
    "--content", "texts", multiple=True, metavar="TEXT", help="What is said: a text for the page. Repeatable."
)
@click.option("--once", is_flag=True, help="Print the results as one HTML file, and end.")
@click.option("--show-numbers", is_flag=True, help="Show whole phone numbers on the page.")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", type=PORT, default=8901, show_default=True, help="0: any free port.")
def watch(
    *,
    journal: str,
    campaign: str | None,
    total: int | None,
    price: Decimal | None,
    texts: tuple[str, ...],
    once: bool,
    show_numbers: bool,
    host: str,
    port: int,
) -> None:
    """Show a campaign as a page in the browser until Ctrl-C, while it runs."""
    opened = _opened(journal, campaign)
    if once:
        click.echo(asyncio.run(_page(opened, texts, show_numbers=show_numbers)), nl=False)
        return
    name = campaign if campaign is not None else Path(journal).name
    watched = Watched(name=name, total=total, price=price, texts=texts, show_numbers=show_numbers)
    try:
        asyncio.run(_serve(opened, watched, host, port))
    except BrokenPipeError as error:
        raise output_error(error) from error
    except OSError as error:
        raise listening_error(host, port, error) from None


def _opened(journal: str, campaign: str | None) -> Journal:
    if "://" not in journal:
        if campaign is not None:
            raise CommandError(gettext("--campaign: only for the URL of a database"))
        return SqliteJournal(journal)
    if campaign is None:
        raise CommandError(gettext("--campaign is missing: a database has many campaigns"))
    # Needs the extra "sql", which a journal in a file does not.
    opened: Journal = importlib.import_module("emay_voice_async.sql").SqlJournal(journal, campaign)
    return opened


async def _page(journal: Journal, texts: Sequence[str], *, show_numbers: bool) -> str:
    async with journal:
        results = await read_results(journal)
    named = [(gettext("Text"), text) for text in texts]
    # Needs the extra "report", which the page in the browser does not.
    campaign_page: Callable[..., str] = importlib.import_module(
        "emay_voice_async.cli.report.page"
    ).campaign_page
    return campaign_page(results, made_at=datetime.now(BEIJING), texts=named, show_numbers=show_numbers)


async def _serve(journal: Journal, watched: Watched, host: str, port: int) -> None:
    token = None if _is_loopback(plain_host(host)) else secrets.token_urlsafe(18)
    watcher = Watcher(journal)
    app = WatchApp(watcher, watched, allowed_hosts=("localhost", host), token=token)
    async with journal:
        await watcher.count()
        reading = asyncio.ensure_future(watcher.run())
        try:
            await server.run(
                app, host=plain_host(host), port=port, on_ready=lambda url: _tell_address(url, token)
            )
        finally:
            reading.cancel()
            await asyncio.wait([reading])


def _tell_address(url: str, token: str | None) -> None:
    click.echo(
        gettext(
            "The campaign in the browser: {url}   Ctrl-C ends it.",
            url=f"{url}/" if token is None else f"{url}/?token={token}",
        )
    )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
