"""``journal``: shows and exports the journal of a campaign."""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import click
from rich.console import Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from emay_voice_async.cli.commands.journal_export import FORMATS, ExportOptions, export_calls
from emay_voice_async.cli.commands.journal_joining import JoinedList, ListColumns
from emay_voice_async.cli.commands.journal_places import journal_at
from emay_voice_async.cli.commands.journal_texts import check_texts, read_content
from emay_voice_async.cli.report.results import CampaignResults, CampaignTally
from emay_voice_async.cli.terminal import option_types
from emay_voice_async.cli.terminal.console import rendered
from emay_voice_async.cli.terminal.exit_codes import CommandError, ExitCode
from emay_voice_async.cli.terminal.formatting import calls, escaped, kind_named, meaning_of
from emay_voice_async.cli.terminal.help_pages import TranslatedGroup
from emay_voice_async.cli.terminal.json_rows import Row
from emay_voice_async.cli.terminal.language import gettext, noop
from emay_voice_async.cli.terminal.library_sentences import sentence
from emay_voice_async.cli.terminal.option_types import FILE
from emay_voice_async.cli.terminal.output import Output
from emay_voice_async.cli.terminal.settings import Session
from emay_voice_async.journal.protocol import SETTLED_AFTER, Journal, State, Summary
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


_PLACE: Final = click.argument("place", metavar="FILE|URL")
_CAMPAIGN: Final = click.option("--campaign", metavar="NAME", help="The campaign, in the database of a URL.")


@journal.command(
    epilog="""\b
Examples:
  emay-voice journal show run.db
  emay-voice journal show run.db --json
  emay-voice journal show postgresql+asyncpg://host/database --campaign spring
"""
)
@_PLACE
@_CAMPAIGN
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
def show(place: str, *, campaign: str | None, as_json: bool) -> None:
    """Count the calls of a journal by state, with their reports and the pressed keys."""
    opened, name = journal_at(place, campaign)
    summary, results = asyncio.run(_counted(opened))
    if as_json:
        Output().write_now([_row(summary, results)])
    else:
        click.echo(_page(name, summary, results))


@journal.command(
    epilog="""\b
Examples:
  emay-voice journal export run.db --output calls.csv
  emay-voice journal export run.db --state unknown --format jsonl
  emay-voice journal export run.db --format xlsx --output calls.xlsx \\
      --join people.xlsx
  emay-voice --lang zh journal export run.db --format html \\
      --content-file text.txt --output report.html

Numbers are written whole; a page of HTML has them masked. A CSV export is a
list for another send: "emay-voice send ... --to calls.csv". In CSV, a text that
a spreadsheet would run as a formula (it begins with = + - @, a tab or a line
break) has an apostrophe in front; in xlsx and jsonl, each text is as it came.

A journal keeps no text and no other columns of the lists: --content and --join
add them again. --content is compared with the calls of the journal.
"""
)
@_PLACE
@_CAMPAIGN
@click.option("--format", type=click.Choice(FORMATS), default="csv", show_default=True, help="The format.")
@click.option(
    "--state",
    "states",
    type=click.Choice(list(_STATES)),
    multiple=True,
    help="Only calls in this state. Repeatable.",
)
@click.option("--output", type=FILE, help="A file instead of standard output.")
@click.option("--force", is_flag=True, help="Replace an existing file without asking.")
@click.option("--join", type=FILE, metavar="LIST", help="A list, whose other columns are added to the calls.")
@click.option(
    "--column", type=option_types.column, metavar="COLUMN", help="The column of LIST with the numbers."
)
@click.option(
    "--custom-id-column",
    type=option_types.column,
    metavar="COLUMN",
    help="The column of LIST with your own ids: join by them, not by the numbers.",
)
@click.option("--sheet", type=option_types.column, metavar="SHEET", help="The sheet of LIST.")
@click.option("--encoding", help="The encoding of LIST.")
@click.option("--content", help="The text that was spoken, for the page and the summary.")
@click.option("--content-file", type=FILE, help="A file with the text that was spoken, in UTF-8.")
@click.option("--interactive-content", help="The text that asked for a key press.")
@click.option("--voicemail-content", help="The text that asked for a voice message.")
@click.option("--show-numbers", is_flag=True, help="Do not mask the numbers in a page of HTML.")
@click.pass_obj
def export(
    session: Session,
    *,
    place: str,
    campaign: str | None,
    format: str,  # noqa: A002 - the option's name
    states: tuple[str, ...],
    output: Path | None,
    force: bool,
    join: Path | None,
    column: str | int | None,
    custom_id_column: str | int | None,
    sheet: str | int | None,
    encoding: str | None,
    content: str | None,
    content_file: Path | None,
    interactive_content: str | None,
    voicemail_content: str | None,
    show_numbers: bool,
) -> ExitCode:
    """Write every call of a journal, with the report."""
    opened, _ = journal_at(place, campaign)
    text = read_content(content, content_file)
    if output is not None and not force:
        _ask_to_replace(output)
    texts = _texts(opened, text, interactive_content, voicemail_content) if text is not None else []
    with _joined(join, ListColumns(column, custom_id_column, sheet, encoding)) as joined:
        options = ExportOptions(
            states=frozenset(_STATES[state] for state in states) or frozenset(State),
            format=format,
            texts=texts,
            show_numbers=show_numbers,
            joined=joined,
        )
        number = export_calls(opened, options, output)
    session.console.say(gettext("{calls}.", calls=calls(number)))
    return ExitCode.DONE


def _texts(
    journal: Journal, content: str, interactive: str | None, voicemail: str | None
) -> list[tuple[str, str]]:
    """Return the texts with their names; raise :class:`CommandError` if the calls said others."""
    asyncio.run(check_texts(journal, content, interactive_content=interactive, voicemail_content=voicemail))
    named = (
        (gettext("Content"), content),
        (gettext("Asks for a key"), interactive),
        (gettext("Takes a message"), voicemail),
    )
    return [(name, text) for name, text in named if text is not None]


@contextmanager
def _joined(path: Path | None, columns: ListColumns) -> Iterator[JoinedList | None]:
    if path is None:
        yield None
        return
    joined = JoinedList(path, columns)
    try:
        yield joined
    finally:
        joined.close()


def _ask_to_replace(output: Path) -> None:
    """Ask before a file is replaced; raise :class:`CommandError` if the answer is no, or if nobody can answer."""
    if not output.is_file():
        return
    if not sys.stdin.isatty():
        raise CommandError(gettext("{file} exists: --force replaces it", file=output))
    if not click.confirm(gettext("{file} exists. Replace it?", file=escaped(str(output))), err=True):
        raise CommandError(gettext("nothing was exported"))


async def _counted(journal: Journal) -> tuple[Summary, CampaignResults]:
    """Return the summary, and the counts of reports and keys."""
    tally = CampaignTally()
    async with journal:
        summary = await journal.summary()
        async for call in journal.lines():
            tally.add(call)
    return summary, tally.results(summary)


def _row(summary: Summary, results: CampaignResults) -> Row:
    return {
        "app_id": summary.app_id,
        "kind": summary.kind,
        "allow_duplicates": summary.allow_duplicates,
        "made_at": summary.made_at.isoformat(timespec="seconds"),
        "states": {state.value: number for state, number in summary.states.items()},
        "reported": summary.reported,
        "missing_reports": results.unreported,
        "keys": dict(results.keys),
        "reasons": summary.reasons,
    }


def _page(name: str, summary: Summary, results: CampaignResults) -> str:
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
    _add_reports(table, summary, results)
    title = Text(escaped(name), style="bold")
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


def _add_reports(table: Table, summary: Summary, results: CampaignResults) -> None:
    if summary.reported:
        table.add_row()
        table.add_row(f"{sum(summary.reported.values()):,}", gettext("reported"), "")
    for raw, number in summary.reported.items():
        known = VOICE_STATES.get(raw) or JOIN_STATES.get(raw)
        table.add_row(f"{number:,}", escaped(raw), meaning_of(known or CallState.OTHER))
    if summary.reported and results.unreported:
        table.add_row(
            f"{results.unreported:,}", gettext("missing"), gettext("accepted, without a report so far")
        )
    if results.keys:
        table.add_row()
        table.add_row(f"{sum(results.keys.values()):,}", gettext("pressed a key"), "")
    for key, number in results.keys.items():
        table.add_row(f"{number:,}", escaped(key), "")
