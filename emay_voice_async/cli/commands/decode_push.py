"""``decode-push``: prints the reports of a stored push."""

from pathlib import Path

import click

from emay_voice_async.cli.terminal.exit_codes import CommandError
from emay_voice_async.cli.terminal.help_pages import TranslatedCommand
from emay_voice_async.cli.terminal.json_rows import row_of_report, row_of_unreadable
from emay_voice_async.cli.terminal.option_types import FILE
from emay_voice_async.cli.terminal.output import Output
from emay_voice_async.cli.terminal.settings import Session
from emay_voice_async.cli.terminal.streams import standard_input
from emay_voice_async.errors import PushError
from emay_voice_async.push import decode_plain_push
from emay_voice_async.push import decode_push as decode_encrypted_push

__all__ = ["decode_push"]

_FORM: str = "application/x-www-form-urlencoded"


@click.command(
    cls=TranslatedCommand,
    short_help="Print the reports in the body of a push.",
    epilog="""\b
Examples:
  emay-voice decode-push body.bin
  curl -s https://your.host/kept/1 | emay-voice decode-push -

The JSON is that of "emay-voice reports".
""",
)
@click.argument("file", type=FILE)
@click.option("--plain", is_flag=True, help="The push is not encrypted.")
@click.pass_obj
def decode_push(session: Session, *, file: Path, plain: bool) -> None:
    """Print the reports in the body of a push; FILE - is standard input."""
    body = _read(file)
    try:
        if plain:
            # The decoder tells a JSON body from a form by its first characters.
            reports = decode_plain_push(body, _FORM)
        else:
            reports = decode_encrypted_push(body, session.settings.secret_key())
    except PushError as error:
        rows = [row_of_report(report) for report in error.reports]
        Output().write_now([*rows, *(row_of_unreadable(*pair) for pair in error.broken)])
        raise CommandError(f"{file}: {error}") from None
    Output().write_now(row_of_report(report) for report in reports)


def _read(file: Path) -> bytes:
    try:
        return standard_input().read() if file == Path("-") else file.read_bytes()
    except OSError as error:
        raise CommandError(f"{file}: {error.strerror or error}") from None
