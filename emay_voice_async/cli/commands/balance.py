"""``balance``: prints the account's balance."""

import asyncio
import sys
from decimal import Decimal

import click

from emay_voice_async.cli.terminal.exit_codes import CommandError, ExitCode
from emay_voice_async.cli.terminal.help_pages import TranslatedCommand
from emay_voice_async.cli.terminal.language import gettext
from emay_voice_async.cli.terminal.library_sentences import sentence
from emay_voice_async.cli.terminal.output import Output
from emay_voice_async.cli.terminal.settings import Session
from emay_voice_async.errors import OutcomeUnknownError
from emay_voice_async.model.endpoints import Product

__all__ = ["balance"]


@click.command(
    cls=TranslatedCommand,
    epilog="""\b
Examples:
  emay-voice balance
  emay-voice balance --product join --json
""",
)
@click.option(
    "--product",
    type=click.Choice([product.value for product in Product]),
    default=Product.VOICE.value,
    show_default=True,
    help="join: voice SMS.",
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
@click.pass_obj
def balance(session: Session, *, product: str, as_json: bool) -> None:
    """Print the account's balance, in the unit of the service."""
    try:
        amount = asyncio.run(_ask(session, Product(product)))
    except OutcomeUnknownError as error:
        # A balance query makes no calls, so its failure leaves no outcome unknown.
        raise CommandError(
            gettext("no usable answer: {reason}", reason=sentence(error.reason)), ExitCode.NOT_SENT
        ) from error
    if as_json:
        Output().write_now([{"product": product, "balance": str(amount)}])
    elif sys.stdout.isatty():
        click.echo(f"{amount:,}")
    else:
        click.echo(str(amount))


async def _ask(session: Session, product: Product) -> Decimal:
    async with session.settings.client() as voice:
        return await voice.get_balance(product=product)
