"""``balance``: what is left of the money."""

import asyncio
import sys

import click

from emay_voice_async.cli.terminal.exit_codes import CommandError, Ending
from emay_voice_async.cli.terminal.output import Output
from emay_voice_async.cli.terminal.settings import Session
from emay_voice_async.errors import OutcomeUnknownError
from emay_voice_async.model.endpoints import Product

__all__ = ["balance"]


@click.command(
    epilog="""\b
Examples:
  emay-voice balance
  emay-voice balance --product join --json
"""
)
@click.option(
    "--product",
    type=click.Choice([one.value for one in Product]),
    default=Product.VOICE.value,
    show_default=True,
    help="join: voice SMS.",
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
@click.pass_obj
def balance(session: Session, *, product: str, as_json: bool) -> None:
    """Print the account's balance, in its own unit."""
    try:
        left = asyncio.run(_ask(session, Product(product)))
    except OutcomeUnknownError as error:
        # Nobody is called by asking.
        raise CommandError(f"no usable answer: {error.reason}", Ending.NOT_SENT) from error
    if as_json:
        Output().write_now([{"product": product, "balance": str(left)}])
    elif sys.stdout.isatty():
        click.echo(f"{left:,}")
    else:
        click.echo(str(left))


async def _ask(session: Session, product: Product) -> object:
    async with session.settings.client() as voice:
        return await voice.get_balance(product=product)
