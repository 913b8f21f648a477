"""``journal``: shows and exports the journal of a campaign."""

import asyncio
import sys
from pathlib import Path
from typing import Final

import click
from rich.console import Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from emay_voice_async.cli.commands.journal_export import FORMATS, export_calls
from emay_voice_async.cli.terminal.console import rendered
from emay_voice_async.cli.terminal.exit_codes import ExitCode
from emay_voice_async.cli.terminal.formatting import calls, escaped, kind_named, meaning_of
from emay_voice_async.cli.terminal.help_pages import TranslatedGroup
from emay_voice_async.cli.terminal.json_rows import Row
from emay_voice_async.cli.terminal.language import gettext, noop
from emay_voice_async.cli.terminal.library_sentences import sentence
from emay_voice_async.cli.terminal.option_types import FILE
from emay_voice_async.cli.terminal.output import Output
from emay_voice_async.cli.terminal.settings import Session
from emay_voice_async.journal.protocol import SETTLED_AFTER, State, Summary
from emay_voice_async.journal.sqlite import SqliteJournal
from emay_voice_async.model.codes import JOIN_STATES, VOICE_STATES, CallState

__all__ = ["journal"]

_STATES: Final = {state.value.replace(" ", "-"): state for state in State}
_NAMES: Final = {
    State.ACCEPTED: noop("accepted"),
    State.REFUSED: noop("refused"),
    State.NOT_SENT: noop("not sent"),
    State.UNKNOWN: noop("unknown"),
    State.UNDER_WAY: noop("under way"),
}
_MEANINGS: Final = {
    State.ACCEPTED: noop("called"),
    State.REFUSED: noop("not called; the next run sends them"),
    State.NOT_SENT: noop("not called; the next run sends them"),
    State.UNKNOWN: noop(
        "perhaps called; their reports show which: without a report {hours:g} h later, use --resend-unknown"
    ),
    State.UNDER_WAY: noop("a run is sending them now"),
}


@click.group(cls=TranslatedGroup, no_args_is_help=False)
def journal() -> None:
    """Show or export the journal of a send."""


@journal.command(
    epilog="""\b
Examples:
  emay-voice journal show run.db
  emay-voice journal show run.db --json
"""
)
@click.argument("path", type=FILE)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
def show(path: Path, *, as_json: bool) -> None:
    """Count the calls of a journal by state."""
    summary = asyncio.run(SqliteJournal(path).summary())
    if as_json:
        Output().write_now([_row(summary)])
    else:
        click.echo(_page(path, summary))


@journal.command(
    epilog="""\b
Examples:
  emay-voice journal export run.db --output calls.csv
  emay-voice journal export run.db --state unknown --format jsonl

Numbers are written whole. A CSV export is a list for another send:
"emay-voice send ... --to calls.csv". In CSV, a text that a spreadsheet would
run as a formula (it begins with = + - @, a tab or a line break) has an
apostrophe in front; in jsonl, each text is as it came.
"""
)
@click.argument("path", type=FILE)
@click.option("--format", type=click.Choice(FORMATS), default="csv", show_default=True, help="The format.")
@click.option(
    "--state",
    "states",
    type=click.Choice(list(_STATES)),
    multiple=True,
    help="Only calls in this state. Repeatable.",
)
@click.option("--output", type=FILE, help="A file instead of standard output.")
@click.pass_obj
def export(
    session: Session,
    *,
    path: Path,
    format: str,  # noqa: A002 - the option's name
    states: tuple[str, ...],
    output: Path | None,
) -> ExitCode:
    """Write every call of a journal, with the report."""
    chosen = frozenset(_STATES[state] for state in states) or frozenset(State)
    number = export_calls(SqliteJournal(path), chosen, format, output)
    session.console.say(gettext("{calls}.", calls=calls(number)))
    return ExitCode.DONE


def _row(summary: Summary) -> Row:
    return {
        "app_id": summary.app_id,
        "kind": summary.kind,
        "allow_duplicates": summary.allow_duplicates,
        "made_at": summary.made_at.isoformat(timespec="seconds"),
        "states": {state.value: number for state, number in summary.states.items()},
        gettext("reported"): summary.reported,
        "reasons": summary.reasons,
    }


def _page(path: Path, summary: Summary) -> str:
    """Return the summary for people, in color if standard output is a terminal."""
    table = Table.grid(padding=(0, 2))
    table.add_column(justify="right")
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    for state, number in summary.states.items():
        if number:
            meaning = gettext(_MEANINGS[state], hours=SETTLED_AFTER.total_seconds() / 3600)
            table.add_row(f"{number:,}", gettext(_NAMES[state]), meaning)
        if state is State.UNKNOWN:
            for reason, count in summary.reasons.items():
                table.add_row(
                    "", "", escaped(f"{count:,}: {sentence(reason) or gettext('no reason recorded')}")
                )
    table.add_row(f"{sum(summary.states.values()):,}", gettext("in all"), "")
    if summary.reported:
        table.add_row()
        table.add_row(f"{sum(summary.reported.values()):,}", gettext("reported"), "")
    for raw, number in summary.reported.items():
        known = VOICE_STATES.get(raw) or JOIN_STATES.get(raw)
        table.add_row(f"{number:,}", escaped(raw), meaning_of(known or CallState.OTHER))
    title = Text(escaped(str(path)), style="bold")
    account = gettext("{kind} of {account}", kind=kind_named(summary.kind), account=summary.app_id)
    if summary.allow_duplicates:
        account = gettext(
            "{kind} of {account}, duplicates are called",
            kind=kind_named(summary.kind),
            account=summary.app_id,
        )
    begun = gettext("begun on {time:%Y-%m-%d at %H:%M:%S} (Beijing time)", time=summary.made_at)
    page = Group(title, escaped(account), f"{begun}\n", Padding(table, (0, 0, 0, 2), expand=False))
    return rendered(page, is_terminal=sys.stdout.isatty())
