"""``reports``: takes status reports from the service and writes each before it counts as taken."""

import asyncio
import shlex
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import click
from attrs import define, field

from emay_voice_async.cli.campaign.collection import Collection
from emay_voice_async.cli.campaign.progress import ReportsDisplay
from emay_voice_async.cli.campaign.report_counts import ReportCounts
from emay_voice_async.cli.campaign.report_file import ReportFile, file_beside
from emay_voice_async.cli.terminal.exit_codes import CommandError, ExitCode, exit_code_of, worst
from emay_voice_async.cli.terminal.formatting import reports as count_reports
from emay_voice_async.cli.terminal.help_pages import TranslatedCommand
from emay_voice_async.cli.terminal.language import gettext, ngettext, noop
from emay_voice_async.cli.terminal.option_types import FILE
from emay_voice_async.cli.terminal.output import Output
from emay_voice_async.cli.terminal.settings import Session
from emay_voice_async.cli.terminal.signals import StopRequest
from emay_voice_async.client import AsyncEmayVoice
from emay_voice_async.journal.sqlite import SqliteJournal
from emay_voice_async.model.endpoints import Product

__all__ = ["reports"]

_EPILOG = noop("""\b
Examples:
  emay-voice reports --spool spool >> reports.jsonl
  emay-voice reports --follow --spool spool --journal run.db | your-program

The service hands each report out once. With --spool, the next run prints the
reports that this run could not write; without --spool, they are lost.

\b
Each line is a JSON object:
  product, app_id, message_id, custom_id, mobile
  state        SUCCESS, FAIL_CALL and so on; OTHER: not in the API document
  raw_state    the state as it came, description the text that came with it
  called_at    with its zone; duration in seconds; key_pressed
  recording    in base64, or null
  unreadable   raw values of the fields that could not be read, by name
A line without product is an unreadable report: the raw value, and a reason.

On a terminal, --follow --journal shows a bar and counts instead; the JSON goes
to the file JOURNAL.reports.jsonl.
""")


@click.command(cls=TranslatedCommand, epilog=_EPILOG)
@click.option(
    "--product",
    type=click.Choice([*(product.value for product in Product), "both"]),
    default=Product.VOICE.value,
    show_default=True,
    help="join: voice SMS.",
)
@click.option("--follow", is_flag=True, help="Go on asking until Ctrl-C.")
@click.option("--interval", type=float, default=5.0, show_default=True, help="Seconds between two requests.")
@click.option("--spool", type=FILE, help="A folder that keeps reports until they are written.")
@click.option("--journal", type=FILE, help="Also record the reports in this journal of a send.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON on a terminal, too.")
@click.pass_obj
def reports(
    session: Session,
    *,
    product: str,
    follow: bool,
    interval: float,
    spool: Path | None,
    journal: Path | None,
    as_json: bool,
) -> ExitCode:
    """Print status reports, a JSON object a line."""
    products = tuple(Product) if product == "both" else (Product(product),)
    reading = Reading(session, follow, interval, spool, journal, as_json)
    return asyncio.run(reading.run(products))


@define
class Reading:
    """One run of ``reports``: JSON on standard output, or a bar on a terminal that follows a journal."""

    session: Session
    follow: bool
    interval: float
    spool: Path | None
    path: Path | None
    """The journal, if reports are recorded."""
    as_json: bool = False
    stop: StopRequest = field(factory=StopRequest)
    _collection: Collection = field(init=False)
    _closing: list[asyncio.Task[None]] = field(factory=list)

    def __attrs_post_init__(self) -> None:
        journal = None if self.path is None else SqliteJournal(self.path)
        output = Output() if self.file is None else ReportFile(self.file)
        self._collection = Collection(output, journal, self.spool, self.stop, self.follow, self.interval)

    @property
    def file(self) -> Path | None:
        """The file of the reports, if a terminal shows their counts instead."""
        if self.path is None or not self.follow or self.as_json:
            return None
        shows_counts = (
            sys.stdout.isatty() and self.session.console.is_terminal and not self.session.console.is_quiet
        )
        return file_beside(self.path) if shows_counts else None

    async def run(self, products: Sequence[Product]) -> ExitCode:
        """Read all products at once; an error of one product ends the others in order."""
        async with AsyncExitStack() as stack:
            voice = await stack.enter_async_context(self.session.settings.client())
            if self._collection.journal is not None:
                journal = await stack.enter_async_context(self._collection.journal)
                # A journal that cannot record must fail before the service removes a report.
                await journal.record(())
                if self.file is not None:
                    await self._show_counts(ReportCounts(journal), stack)
            stack.enter_context(self.stop.handling_signals(lambda: self._close(voice)))
            await asyncio.gather(*(self._read(voice, product) for product in products))
            await voice.aclose()
            return await self._finish(voice)

    async def _show_counts(self, counts: ReportCounts, stack: AsyncExitStack) -> None:
        self.session.console.say(gettext("Reports are kept in {file}. Ctrl-C ends.", file=self.file))
        await counts.refresh()
        stack.enter_context(ReportsDisplay(self.session.console, counts))
        stack.callback(asyncio.ensure_future(counts.follow()).cancel)

    async def _read(self, voice: AsyncEmayVoice, product: Product) -> None:
        await self._collection.read(voice, product)
        if self._collection.errors:
            self.stop.requested = True
            self._close(voice)

    def _close(self, voice: AsyncEmayVoice) -> None:
        # The response to a request in flight still comes out of the stream.
        self._closing.append(asyncio.ensure_future(voice.aclose()))

    async def _finish(self, voice: AsyncEmayVoice) -> ExitCode:
        """Write the unreadable reports, print the summary, and return the exit code."""
        console, errors = self.session.console, self._collection.errors
        try:
            unreadable = await self._collection.keep_unreadable(voice)
        except CommandError as error:
            errors.append(error)
            unreadable = len(voice.broken_reports)
        if unreadable:
            console.complain(
                ngettext(
                    '{number:,} report is unreadable: see the lines with "unreadable"',
                    '{number:,} reports are unreadable: see the lines with "unreadable"',
                    unreadable,
                )
            )
        codes = [exit_code_of(error) for error in errors]
        for text in filter(None, map(str, errors)):
            console.complain(text)
        if self.stop.by_signal and not self.follow:
            codes.append(ExitCode.INTERRUPTED)
        left = len(voice.undelivered_reports)
        if left and self.spool is None:
            console.complain(
                gettext("{reports} taken from the service and lost: use --spool", reports=count_reports(left))
            )
            codes.append(ExitCode.UNKNOWN)
        elif left:
            again = f"{self.session.program} reports --spool {shlex.quote(str(self.spool))}"
            console.say(
                gettext(
                    "{reports} not written; the next run prints them: {command}",
                    reports=count_reports(left),
                    command=again,
                )
            )
        written = count_reports(self._collection.written)
        if self.path is None:
            console.say(gettext("{reports}.", reports=written))
        else:
            console.say(
                gettext(
                    "{reports}, {number:,} of them for calls in the journal.",
                    reports=written,
                    number=self._collection.recorded,
                )
            )
        return worst(codes)
