"""``journal``: what a journal knows of a campaign."""

import asyncio
import sys
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from emay_voice_async.cli.commands.journal_export import FORMATS, export_calls
from emay_voice_async.cli.terminal.console import rendered
from emay_voice_async.cli.terminal.exit_codes import Ending
from emay_voice_async.cli.terminal.formatting import calls
from emay_voice_async.cli.terminal.option_types import FILE
from emay_voice_async.cli.terminal.output import Output
from emay_voice_async.cli.terminal.settings import Session
from emay_voice_async.journal.protocol import State, Summary
from emay_voice_async.journal.sqlite import SqliteJournal
from emay_voice_async.model.codes import JOIN_STATES, VOICE_STATES

__all__ = ["journal"]

_STATES: Final = {state.value.replace(" ", "-"): state for state in State}
_MEANINGS: Final = {
    State.ACCEPTED: "they are called",
    State.REFUSED: "nobody is called; the next run sends them",
    State.NOT_SENT: "nobody is called; the next run sends them",
    State.UNKNOWN: "perhaps called; their reports tell",
    State.UNDER_WAY: "a run is sending them at this moment",
}


@click.group(no_args_is_help=False)
def journal() -> None:
    """Look into the journal of a send."""


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
    """Count the calls of a journal by what became of them."""
    found = asyncio.run(SqliteJournal(path).summary())
    if as_json:
        Output().write_now([_row(found)])
    else:
        click.echo(_page(path, found))


@journal.command(
    epilog="""\b
Examples:
  emay-voice journal export run.db --output calls.csv
  emay-voice journal export run.db --state unknown --format jsonl

Numbers are written whole. An export as CSV can be sent to again:
"emay-voice send ... --to calls.csv".
"""
)
@click.argument("path", type=FILE)
@click.option("--format", type=click.Choice(FORMATS), default="csv", show_default=True, help="How to write.")
@click.option(
    "--state",
    "states",
    type=click.Choice(list(_STATES)),
    multiple=True,
    help="Only calls in this state. Can be repeated.",
)
@click.option("--output", type=FILE, help="A file, instead of standard output.")
@click.pass_obj
def export(
    session: Session,
    *,
    path: Path,
    format: str,  # noqa: A002 - the option's name
    states: tuple[str, ...],
    output: Path | None,
) -> Ending:
    """Write every call of a journal, and what is known of it."""
    wanted = frozenset(_STATES[state] for state in states) or frozenset(State)
    number = export_calls(SqliteJournal(path), wanted, format, output)
    session.screen.say(f"{calls(number)}.")
    return Ending.DONE


def _row(found: Summary) -> dict[str, Any]:
    return {
        "app_id": found.app_id,
        "kind": found.kind,
        "allow_duplicates": found.allow_duplicates,
        "made_at": found.made_at.isoformat(timespec="seconds"),
        "states": {state.value: number for state, number in found.states.items()},
        "reported": found.reported,
    }


def _page(path: Path, found: Summary) -> str:
    """Return the summary for people, in colour if standard output is a terminal."""
    repeats = ", repeats are called" if found.allow_duplicates else ""
    table = Table.grid(padding=(0, 2))
    table.add_column(justify="right")
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    for state, number in found.states.items():
        if number:
            table.add_row(f"{number:,}", state.value, _MEANINGS[state])
    table.add_row(f"{sum(found.states.values()):,}", "in all", "")
    if found.reported:
        table.add_row()
        table.add_row(f"{sum(found.reported.values()):,}", "reported", "")
    for raw, number in found.reported.items():
        known = VOICE_STATES.get(raw) or JOIN_STATES.get(raw)
        table.add_row(f"{number:,}", raw, "" if known is None else known.english)
    head = Text(str(path), style="bold")
    about = f"a {found.kind} of {found.app_id}{repeats}"
    begun = f"begun on {found.made_at:%Y-%m-%d at %H:%M:%S} (Beijing time)\n"
    page = Group(head, about, begun, Padding(table, (0, 0, 0, 2), expand=False))
    return rendered(page, is_terminal=sys.stdout.isatty())
