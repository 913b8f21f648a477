"""``sandbox``: serves a local Emay service; nobody is called."""

import asyncio
from decimal import Decimal
from typing import Final

import click

from emay_voice_async.cli.terminal.formatting import duration, escaped
from emay_voice_async.cli.terminal.help_pages import TranslatedCommand
from emay_voice_async.cli.terminal.language import gettext, ngettext
from emay_voice_async.cli.terminal.listening import listening_error, plain_host
from emay_voice_async.cli.terminal.option_types import PORT, key_shares, percent, price, seconds, web_address
from emay_voice_async.cli.terminal.option_types import limit as limit_type
from emay_voice_async.cli.terminal.output import output_error
from emay_voice_async.model.limits import RateLimit
from emay_voice_async.sandbox import Callees, Delivery, Limits, Sandbox
from emay_voice_async.sandbox.app import CONTROL

__all__ = ["sandbox"]

KEPT: Final = 10_000
"""The most requests, and the most calls, that are recorded by default."""
_SHOWN: Final = 200
"""Characters of the reason of a failed push."""


@click.command(
    cls=TranslatedCommand,
    epilog="""\b
Example, in one terminal and then in another:
  emay-voice sandbox --port 8900
  export EMAY_VOICE_BASE_URL=http://127.0.0.1:8900 ...    as it prints
  emay-voice balance

The page shows the calls as they ring: answer or press a key there. With
--report-delay 60 there is time for it.

\b
People answer or not, and press keys:
  emay-voice sandbox --answer-rate 70 --keys 1=60,2=20
Of 100 people 70 answer, 42 of them press 1, 14 press 2. Numbers with a
meaning, such as those that end with 0001, keep it.
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
    "--latency",
    type=seconds,
    default="0",
    show_default=True,
    metavar="SECONDS",
    help="Time that each request takes to arrive.",
)
@click.option(
    "--balance",
    type=price,
    default="10000",
    show_default=True,
    metavar="AMOUNT",
    help="The balance at the start.",
)
@click.option(
    "--limit",
    type=limit_type,
    default="10/1",
    show_default=True,
    metavar="REQUESTS/SECONDS",
    help='The speed limit of each kind of request; "off": none.',
)
@click.option(
    "--answer-rate",
    type=percent,
    default="100",
    show_default=True,
    metavar="PERCENT",
    help="The share of the people who answer.",
)
@click.option(
    "--keys",
    type=key_shares,
    metavar="KEY=PERCENT,...",
    help="The share of those who answer that presses a key, such as 1=60,2=20.",
)
@click.option(
    "--push-to",
    type=web_address,
    metavar="URL",
    help="Push reports to this URL as they get ready; after a failure again.",
)
@click.option(
    "--keep",
    type=click.IntRange(0, 10_000_000),
    default=KEPT,
    show_default=True,
    help="The most requests, and the most calls, that are recorded.",
)
@click.option("--show-numbers", is_flag=True, help="Show whole phone numbers on the page.")
@click.option(
    "--allowed-host",
    "allowed_hosts",
    multiple=True,
    metavar="NAME",
    help="A further host name by which clients may call.  [default: localhost, any IP address, and --host]",
)
def sandbox(
    *,
    host: str,
    port: int,
    report_delay: float,
    latency: float,
    balance: Decimal,
    limit: RateLimit | None,
    answer_rate: float,
    keys: dict[str, float] | None,
    push_to: str | None,
    keep: int,
    show_numbers: bool,
    allowed_hosts: tuple[str, ...],
) -> None:
    """Serve a local Emay service until Ctrl-C, with a page that shows it; it behaves as the API document says."""
    # The command may run for weeks, beside a browser: records are bounded, and no web page may post.
    service = Sandbox(
        report_delay=report_delay,
        latency=(lambda: latency) if latency else None,
        balance=balance,
        rate_limits=Limits(limit, limit, limit),
        callees=Callees(answer_rate=answer_rate, keys=keys or {}),
        keep=keep,
        show_numbers=show_numbers,
        allowed_hosts=("localhost", host, *allowed_hosts),
    )

    def ready(url: str) -> None:
        click.echo(
            gettext("A local Emay service listens on {url}; nobody is called. Ctrl-C ends it.", url=url)
        )
        click.echo(gettext("The calls in the browser: {url}", url=f"{url}{CONTROL}/"))
        click.echo(f"export EMAY_VOICE_BASE_URL={url}")
        click.echo(f"export EMAY_VOICE_APP_ID={service.app_id}")
        click.echo(f"export EMAY_VOICE_SECRET_KEY={service.secret_key}")

    run = service.run(
        host=plain_host(host), port=port, on_ready=ready, push_to=push_to, on_delivery=_tell_delivery
    )
    try:
        asyncio.run(run)
    except BrokenPipeError as error:
        raise output_error(error) from error
    except OSError as error:
        raise listening_error(host, port, error) from None


def _tell_delivery(delivery: Delivery, pause: float) -> None:
    if delivery.delivered:
        text = ngettext(
            "{number:,} report pushed and confirmed",
            "{number:,} reports pushed and confirmed",
            delivery.reports,
        )
    else:
        text = ngettext(
            "{number:,} report not confirmed ({reason}); again in {time}",
            "{number:,} reports not confirmed ({reason}); again in {time}",
            delivery.reports,
            reason=f"HTTP {delivery.status}" if delivery.status else escaped(delivery.body[:_SHOWN]),
            time=duration(pause),
        )
    click.echo(text, err=True)
