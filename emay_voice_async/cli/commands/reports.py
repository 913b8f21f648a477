"""``reports``: takes status reports from the service and writes each before it counts as taken."""

import asyncio
import shlex
from collections.abc import Sequence
from contextlib import AsyncExitStack, aclosing
from pathlib import Path

import click
from attrs import define, field, frozen

from emay_voice_async.cli.terminal.exit_codes import CommandError, ExitCode, exit_code_of, worst
from emay_voice_async.cli.terminal.formatting import reports as count_reports
from emay_voice_async.cli.terminal.help_pages import TranslatedCommand
from emay_voice_async.cli.terminal.json_rows import row_of_report, row_of_unreadable
from emay_voice_async.cli.terminal.language import gettext, ngettext, noop
from emay_voice_async.cli.terminal.option_types import FILE
from emay_voice_async.cli.terminal.output import Output
from emay_voice_async.cli.terminal.settings import Session
from emay_voice_async.cli.terminal.signals import StopRequest
from emay_voice_async.client import AsyncEmayVoice
from emay_voice_async.errors import EmayVoiceError, NotSentError, UsageError
from emay_voice_async.journal.sqlite import SqliteJournal
from emay_voice_async.model.endpoints import Product
from emay_voice_async.model.results import Report

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
@click.pass_obj
def reports(
    session: Session, *, product: str, follow: bool, interval: float, spool: Path | None, journal: Path | None
) -> ExitCode:
    """Print status reports, a JSON object a line."""
    products = tuple(Product) if product == "both" else (Product(product),)
    reading = Reading(session, follow, interval, spool, None if journal is None else SqliteJournal(journal))
    return asyncio.run(reading.run(products))


@define
class _Counts:
    written: int = 0
    recorded: int = 0


@frozen
class Reading:
    """One run of ``reports``."""

    session: Session
    follow: bool
    interval: float
    spool: Path | None
    journal: SqliteJournal | None
    stop: StopRequest = field(factory=StopRequest)
    _output: Output = field(factory=Output)
    _counts: _Counts = field(factory=_Counts)
    _errors: list[Exception] = field(factory=list)
    _closing: list[asyncio.Task[None]] = field(factory=list)

    async def run(self, products: Sequence[Product]) -> ExitCode:
        """Read all products at once; an error of one product ends the others in order."""
        async with AsyncExitStack() as stack:
            voice = await stack.enter_async_context(self.session.settings.client())
            if self.journal is not None:
                await stack.enter_async_context(self.journal)
                # A journal that cannot record must fail before the service removes a report.
                await self.journal.record(())
            stack.enter_context(self.stop.handling_signals(lambda: self._close(voice)))
            await asyncio.gather(*(self._read(voice, product) for product in products))
            await voice.aclose()
            return await self._finish(voice)

    async def _read(self, voice: AsyncEmayVoice, product: Product) -> None:
        pages = voice.report_pages(
            product=product, follow=self.follow, poll_interval=self.interval, spool=self.spool
        )
        try:
            async with aclosing(pages):
                async for page in pages:
                    await self._write(page)
        except (UsageError, NotSentError) as error:
            if not self.stop.requested:
                self._fail(voice, error)
        except (CommandError, EmayVoiceError) as error:
            self._fail(voice, error)

    async def _write(self, page: Sequence[Report]) -> None:
        """Record and print a page; after an error, the stream puts the whole page back."""
        if self.journal is not None:
            self._counts.recorded += await self.journal.record(page)
        await self._output.write(row_of_report(report) for report in page)
        self._counts.written += len(page)

    def _fail(self, voice: AsyncEmayVoice, error: Exception) -> None:
        self._errors.append(error)
        self.stop.requested = True
        self._close(voice)

    def _close(self, voice: AsyncEmayVoice) -> None:
        # The response to a request in flight still comes out of the stream.
        self._closing.append(asyncio.ensure_future(voice.aclose()))

    async def _finish(self, voice: AsyncEmayVoice) -> ExitCode:
        """Write the unreadable reports, print the summary, and return the exit code."""
        console, codes = self.session.console, [exit_code_of(error) for error in self._errors]
        if broken := voice.broken_reports:
            try:
                await self._output.write(row_of_unreadable(*pair) for pair in broken)
            except CommandError as error:
                codes.append(error.exit_code)
            console.complain(
                ngettext(
                    '{number:,} report is unreadable: see the lines with "unreadable"',
                    '{number:,} reports are unreadable: see the lines with "unreadable"',
                    len(broken),
                )
            )
        for text in filter(None, map(str, self._errors)):
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
        written = count_reports(self._counts.written)
        if self.journal is None:
            console.say(gettext("{reports}.", reports=written))
        else:
            console.say(
                gettext(
                    "{reports}, {number:,} of them for calls in the journal.",
                    reports=written,
                    number=self._counts.recorded,
                )
            )
        return worst(codes)
