"""``code``: sends a verification code to a number."""

import asyncio
import sys
from pathlib import Path

import click

from emay_voice_async.cli.campaign.tally import Tally
from emay_voice_async.cli.terminal.exit_codes import CommandError, ExitCode
from emay_voice_async.cli.terminal.help_pages import TranslatedCommand
from emay_voice_async.cli.terminal.json_rows import rows_of_outcome
from emay_voice_async.cli.terminal.language import gettext, noop
from emay_voice_async.cli.terminal.option_types import FILE
from emay_voice_async.cli.terminal.output import Output
from emay_voice_async.cli.terminal.settings import Session
from emay_voice_async.cli.terminal.streams import standard_input
from emay_voice_async.model.messages import VerificationCode
from emay_voice_async.model.numbers import mask, normalised
from emay_voice_async.model.recipients import Recipient, check_recipient
from emay_voice_async.model.results import Accepted, Outcome

__all__ = ["code"]

_EPILOG = noop("""\b
Examples:
  emay-voice code 13800000000                     asks for the code
  echo 4711 | emay-voice code 13800000000
  emay-voice code 13800000000 --code-file code.txt

The code is never an argument: every user of this machine can read the
arguments of a process.

Standard output, unless it is a terminal, gets the JSON object of
"emay-voice send".
""")


@click.command(
    cls=TranslatedCommand, epilog=_EPILOG, short_help="Call one number and speak a verification code."
)
@click.argument("number")
@click.option("--code-file", type=FILE, help="A file with the code; - is standard input.")
@click.option("--custom-id", help="Your own id for the call.")
@click.option("--deadline", type=float, metavar="SECONDS", help="Start no request after this time.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON on a terminal, too.")
@click.pass_obj
def code(
    session: Session,
    *,
    number: str,
    code_file: Path | None,
    custom_id: str | None,
    deadline: float | None,
    as_json: bool,
) -> ExitCode:
    """Call one NUMBER and speak a verification code of 4 or 6 digits."""
    recipient = Recipient(normalised(number), custom_id)
    check_recipient(recipient)
    outcome = asyncio.run(_send(session, VerificationCode(_code(code_file)), recipient, deadline))
    tally = Tally()
    tally.add(outcome)
    if as_json or not sys.stdout.isatty():
        Output().write_now(rows_of_outcome(outcome))
    if isinstance(outcome, Accepted):
        session.console.say(
            gettext(
                "Accepted: {number} is called (message id {id}).",
                number=mask(recipient.mobile),
                id=outcome.tickets[0].message_id,
            )
        )
    else:
        session.console.complain(f"{mask(recipient.mobile)}: {outcome.error}")
    return tally.exit_code


async def _send(
    session: Session, message: VerificationCode, recipient: Recipient, deadline: float | None
) -> Outcome:
    async with session.settings.client() as voice:
        [outcome] = [outcome async for outcome in voice.send_batches(message, recipient, deadline=deadline)]
    return outcome


def _code(file: Path | None) -> str:
    """Read the code from a prompt, standard input or a file: other users cannot see these."""
    if file is None and sys.stdin is not None and sys.stdin.isatty():
        return str(click.prompt(gettext("Verification code"), hide_input=True, err=True)).strip()
    if file is None or file == Path("-"):
        return standard_input().readline().decode("utf-8", "replace").strip()
    try:
        return file.read_text("utf-8-sig").strip()
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or gettext("must be text in UTF-8")
        raise CommandError(f"{file}: {reason}") from None
