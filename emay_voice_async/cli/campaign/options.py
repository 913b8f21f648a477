"""The options that all kinds of ``send`` have in common, and the foot of their pages of help."""

from collections.abc import Callable
from typing import Any, Final, TypeVar

import click

from emay_voice_async.cli.terminal.option_types import FILE, column, hours, price
from emay_voice_async.lists.reading import FORMATS

__all__ = ["EPILOG", "with_options"]

_Command = TypeVar("_Command", bound=Callable[..., Any])

EPILOG: Final = """\b
Examples: look at the plan; then send, so that it can be resumed:
  emay-voice send {kind} --to people.csv --content "..."{more} --plan
  emay-voice send {kind} --to people.csv --content "..."{more} \\
      --journal run.db > outcomes.jsonl

\b
Standard output, unless it is a terminal, gets a JSON object for each number:
  mobile, custom_id, message_id
  outcome    accepted, refused, unknown, not sent, or duplicate
  code       the result code of a refusal, else null
  reason     a sentence, or null
  recorded   true: the journal knew it, nothing was sent now
"""

_OPTIONS: Final = (
    click.option(
        "--to",
        "paths",
        type=FILE,
        multiple=True,
        required=True,
        metavar="FILE",
        help="A list of numbers; - is standard input. Can be repeated.",
    ),
    click.option(
        "--format", type=click.Choice(list(FORMATS)), help="The lists' format.  [default: by the ending]"
    ),
    click.option(
        "--column",
        type=column,
        metavar="COLUMN",
        help="The column with the numbers, by name or place.  [default: mobile, 手机号...]",
    ),
    click.option("--custom-id-column", type=column, metavar="COLUMN", help="The column with your own ids."),
    click.option("--encoding", help="The lists' encoding, such as gb18030.  [default: UTF-8 or by mark]"),
    click.option("--skip-invalid", is_flag=True, help="Leave bad entries out, instead of sending nothing."),
    click.option("--content", help="What is said."),
    click.option("--content-file", type=FILE, help="A file with what is said, in UTF-8."),
    click.option("--interactive-content", help="What is said to ask for a key."),
    click.option("--voicemail-content", help="What is said to ask for a voice message."),
    click.option(
        "--journal",
        type=FILE,
        help="A file that remembers who was called: run it again, and nobody is called twice.",
    ),
    click.option("--resend-unknown", is_flag=True, help="Call those again who were perhaps called."),
    click.option("--allow-duplicates", is_flag=True, help="Call a number as often as it is in the lists."),
    click.option("--max-calls", type=int, help="Call no more than so many."),
    click.option(
        "--hours",
        type=hours,
        metavar="SPANS",
        help='When to call, in Beijing time, such as "09:00-12:00,14:00-20:00".',
    ),
    click.option(
        "--price", type=price, metavar="MONEY", help="What a call costs, to compare with the balance."
    ),
    click.option("--deadline", type=float, metavar="SECONDS", help="Begin no request after so long."),
    click.option("--plan", "only_plan", is_flag=True, help="Show what would be done, and end."),
    click.option("--yes", is_flag=True, help="Do not ask."),
    click.option("--json", "as_json", is_flag=True, help="Print outcomes on a terminal, too."),
)


def with_options(command: _Command) -> _Command:
    """Add the options that all kinds have in common, in their order."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command
