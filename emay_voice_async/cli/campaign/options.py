"""The options of ``send``: one field for each option, in the order of the help page."""

from collections.abc import Callable
from decimal import Decimal
from functools import update_wrapper
from pathlib import Path
from typing import Any, Final, TypeVar

import click
from attrs import AttrsInstance, field, fields, frozen

from emay_voice_async.cli.terminal import option_types
from emay_voice_async.cli.terminal.exit_codes import CommandError, ExitCode
from emay_voice_async.cli.terminal.language import gettext, noop
from emay_voice_async.cli.terminal.option_types import FILE
from emay_voice_async.cli.terminal.settings import Session
from emay_voice_async.lists.reading import FORMATS
from emay_voice_async.sending.hours import CallingHours

__all__ = ["EPILOG", "SendOptions", "VoiceSmsOptions", "takes"]

EPILOG: Final = noop("""\b
Examples: look at the plan; then send, with a journal to resume from:
  emay-voice send {kind} --to people.csv --content "..."{more} --plan
  emay-voice send {kind} --to people.csv --content "..."{more} \\
      --journal run.db > outcomes.jsonl

\b
Standard output, unless it is a terminal, gets a JSON object for each number:
  mobile, custom_id, message_id
  outcome    accepted, refused, unknown, not sent, or duplicate
  code       the result code of a refusal, else null
  reason     a sentence, or null
  recorded   true: the outcome of an earlier run, from the journal
""")

_OPTION: Final = "emay_voice_async.option"
_Options = TypeVar("_Options", bound=AttrsInstance)


def _option(name: str, **settings: Any) -> dict[str, tuple[str, dict[str, Any]]]:
    """Return the metadata of a field that click fills from the option ``name``."""
    return {_OPTION: (name, settings)}


@frozen(kw_only=True)
class SendOptions:
    """The options of every kind of ``send``."""

    to: tuple[str, ...] = field(
        metadata=_option(
            "--to",
            type=click.Path(),
            multiple=True,
            required=True,
            metavar="FILE|NUMBER",
            help="A list of numbers, or a number; - is standard input. Repeatable.",
        )
    )
    format: str | None = field(
        metadata=_option(
            "--format", type=click.Choice(list(FORMATS)), help="Format of the lists.  [default: by file name]"
        )
    )
    column: str | int | None = field(
        metadata=_option(
            "--column",
            type=option_types.column,
            metavar="COLUMN",
            help="The column with the numbers, by name or position.  [default: mobile, 手机号...]",
        )
    )
    custom_id_column: str | int | None = field(
        metadata=_option(
            "--custom-id-column",
            type=option_types.column,
            metavar="COLUMN",
            help="The column with your own ids.",
        )
    )
    encoding: str | None = field(
        metadata=_option(
            "--encoding", help="Encoding of the lists, such as gb18030.  [default: UTF-8, GB18030 or by BOM]"
        )
    )
    sheet: str | int | None = field(
        metadata=_option(
            "--sheet",
            type=option_types.column,
            metavar="SHEET",
            help="The sheet of an Excel workbook, by name or position.  [default: the only one with cells]",
        )
    )
    skip_invalid: bool = field(
        metadata=_option(
            "--skip-invalid", is_flag=True, help="Leave invalid entries out instead of sending nothing."
        )
    )
    content: str | None = field(metadata=_option("--content", help="The text that is spoken."))
    content_file: Path | None = field(
        metadata=_option("--content-file", type=FILE, help="A file with the text that is spoken, in UTF-8.")
    )
    template: bool = field(
        metadata=_option(
            "--template",
            is_flag=True,
            help="Fill {column} in the texts from the lists, for each number.",
        )
    )
    interactive_content: str | None = field(
        metadata=_option("--interactive-content", help="The text that asks for a key press.")
    )
    voicemail_content: str | None = field(
        metadata=_option("--voicemail-content", help="The text that asks for a voice message.")
    )
    journal: Path | None = field(
        metadata=_option(
            "--journal",
            type=FILE,
            help="A file with the outcome of each call: another run calls nobody twice.",
        )
    )
    collect: float | None = field(
        metadata=_option(
            "--collect",
            type=option_types.minutes,
            is_flag=False,
            flag_value="30",
            metavar="[MINUTES]",
            help="Then collect the reports into the journal, at most this long.  [without MINUTES: 30]",
        )
    )
    resend_unknown: bool = field(
        metadata=_option("--resend-unknown", is_flag=True, help="Call numbers with an unknown outcome again.")
    )
    allow_duplicates: bool = field(
        metadata=_option(
            "--allow-duplicates", is_flag=True, help="Call a number as often as the lists name it."
        )
    )
    max_calls: int | None = field(
        metadata=_option("--max-calls", type=int, help="Make at most this many calls.")
    )
    hours: CallingHours | None = field(
        metadata=_option(
            "--hours",
            type=option_types.hours,
            metavar="SPANS",
            help='When to call, in Beijing time, such as "09:00-12:00,14:00-20:00".',
        )
    )
    price: Decimal | None = field(
        metadata=_option(
            "--price",
            type=option_types.price,
            metavar="MONEY",
            help="The price of a call, to compare with the balance.",
        )
    )
    deadline: float | None = field(
        metadata=_option(
            "--deadline", type=float, metavar="SECONDS", help="Start no request after this time."
        )
    )
    only_plan: bool = field(metadata=_option("--plan", is_flag=True, help="Show the plan and end."))
    yes: bool = field(metadata=_option("--yes", is_flag=True, help="Send without confirmation."))
    as_json: bool = field(metadata=_option("--json", is_flag=True, help="Print JSON on a terminal, too."))

    def __attrs_post_init__(self) -> None:
        if self.collect is not None and self.journal is None:
            raise CommandError(gettext("--collect needs --journal: the reports are recorded in the journal"))
        if self.resend_unknown and self.journal is None:
            raise CommandError(
                gettext("--resend-unknown needs --journal: the journal holds the unknown outcomes")
            )


@frozen(kw_only=True)
class VoiceSmsOptions(SendOptions):
    """The options of ``send voice-sms``."""

    on_key: str | None = field(
        metadata=_option("--on-key", metavar="KEY", help="Send the text message after this key is pressed.")
    )
    on_connected: int | None = field(
        metadata=_option(
            "--on-connected",
            type=int,
            metavar="SECONDS",
            help="Send the text message after 6 to 60 s of connection.",
        )
    )
    sms_content: str | None = field(metadata=_option("--sms-content", help="The text message."))


def takes(
    kind: type[_Options],
) -> Callable[[Callable[[Session, _Options], ExitCode]], Callable[..., ExitCode]]:
    """Call a command with the session and an options object; help lists the options of a subclass first."""

    def decorate(command: Callable[[Session, _Options], ExitCode]) -> Callable[..., ExitCode]:
        def call(session: Session, /, **values: Any) -> ExitCode:
            return command(session, kind(**values))

        decorated: Callable[..., ExitCode] = click.pass_obj(update_wrapper(call, command))
        for attribute in sorted(fields(kind), key=lambda attribute: attribute.inherited)[::-1]:
            name, settings = attribute.metadata[_OPTION]
            decorated = click.option(name, attribute.name, **settings)(decorated)
        return decorated

    return decorate
