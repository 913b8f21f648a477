"""``code``: one verification code to one number."""

import asyncio
import sys
from pathlib import Path

import click

from emay_voice_async.cli.campaign.tally import Tally
from emay_voice_async.cli.terminal.exit_codes import CommandError, Ending
from emay_voice_async.cli.terminal.json_rows import rows_of_outcome
from emay_voice_async.cli.terminal.option_types import FILE
from emay_voice_async.cli.terminal.output import Output
from emay_voice_async.cli.terminal.settings import Session
from emay_voice_async.model.messages import VerificationCode
from emay_voice_async.model.numbers import mask, normalised
from emay_voice_async.model.recipients import Recipient, check_recipient
from emay_voice_async.model.results import Accepted, Outcome

__all__ = ["code"]

_EPILOG = """\b
Examples:
  emay-voice code 13800000000                     asks for the code
  echo 4711 | emay-voice code 13800000000
  emay-voice code 13800000000 --code-file code.txt

The code is not taken as an argument, because every user of this machine can
see the arguments of a process.

Standard output, unless it is a terminal, gets the same JSON object as that of
"emay-voice send".
"""


@click.command(epilog=_EPILOG, short_help="Read a verification code out to one number.")
@click.argument("number")
@click.option("--code-file", type=FILE, help="A file with the code; - is standard input.")
@click.option("--custom-id", help="Your own id for the call.")
@click.option("--deadline", type=float, metavar="SECONDS", help="Give up after so long.")
@click.option("--json", "as_json", is_flag=True, help="Print the outcome on a terminal, too.")
@click.pass_obj
def code(
    session: Session,
    *,
    number: str,
    code_file: Path | None,
    custom_id: str | None,
    deadline: float | None,
    as_json: bool,
) -> Ending:
    """Read a verification code of 4 or 6 digits out to one NUMBER."""
    one = Recipient(normalised(number), custom_id)
    check_recipient(one)
    outcome = asyncio.run(_send(session, VerificationCode(_code(code_file)), one, deadline))
    tally = Tally()
    tally.add(outcome)
    if as_json or not sys.stdout.isatty():
        Output().write_now(rows_of_outcome(outcome))
    if isinstance(outcome, Accepted):
        session.screen.say(
            f"Accepted: {mask(one.mobile)} is called (message id {outcome.tickets[0].message_id})."
        )
    else:
        session.screen.complain(f"{mask(one.mobile)}: {outcome.error}")
    return tally.ending


async def _send(
    session: Session, message: VerificationCode, one: Recipient, deadline: float | None
) -> Outcome:
    async with session.settings.client() as voice:
        [outcome] = [outcome async for outcome in voice.send_batches(message, one, deadline=deadline)]
    return outcome


def _code(file: Path | None) -> str:
    """Read the code from where no other user sees it."""
    if file is None and sys.stdin.isatty():
        return str(click.prompt("Verification code", hide_input=True, err=True)).strip()
    if file is None or file == Path("-"):
        return sys.stdin.readline().strip()
    try:
        return file.read_text("utf-8-sig").strip()
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text in UTF-8"
        raise CommandError(f"{file}: {reason}") from None
