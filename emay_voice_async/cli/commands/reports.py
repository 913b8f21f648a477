"""``reports``: how the calls ended, each written before it counts as taken."""

import asyncio
import shlex
from collections.abc import Sequence
from contextlib import AsyncExitStack, aclosing
from pathlib import Path

import click
from attrs import define, field, frozen

from emay_voice_async.cli.terminal.exit_codes import CommandError, Ending, ending_of, worst
from emay_voice_async.cli.terminal.json_rows import row_of_report, row_of_unreadable
from emay_voice_async.cli.terminal.option_types import FILE
from emay_voice_async.cli.terminal.output import Output
from emay_voice_async.cli.terminal.settings import Session
from emay_voice_async.cli.terminal.signals import Stop
from emay_voice_async.client import AsyncEmayVoice
from emay_voice_async.errors import EmayVoiceError, NotSentError, UsageError
from emay_voice_async.journal.sqlite import SqliteJournal
from emay_voice_async.model.endpoints import Product
from emay_voice_async.model.results import Report

__all__ = ["reports"]

_EPILOG = """\b
Examples:
  emay-voice reports --spool spool >> reports.jsonl
  emay-voice reports --follow --spool spool --journal run.db | your-program

The service hands each report out once. With --spool, what this process could
not write comes again at the next time; without it, that would be lost.

\b
Each line is a JSON object:
  product, app_id, message_id, custom_id, mobile
  state        SUCCESS, FAIL_CALL and so on; OTHER: one that is not documented
  raw_state    the state as it came, description what came with it
  called_at    with its zone; duration in seconds; key_pressed
  recording    in base64, or null
A report that cannot be read has its raw value in "unreadable", and a reason.
"""


@click.command(epilog=_EPILOG, short_help="Ask for status reports and print them.")
@click.option(
    "--product",
    type=click.Choice([*(one.value for one in Product), "both"]),
    default=Product.VOICE.value,
    show_default=True,
    help="join: voice SMS.",
)
@click.option("--follow", is_flag=True, help="Go on asking until Ctrl-C.")
@click.option("--interval", type=float, default=5.0, show_default=True, help="Seconds between questions.")
@click.option("--spool", type=FILE, help="A folder that keeps reports until they are written.")
@click.option("--journal", type=FILE, help="Also record them in this journal of a send.")
@click.pass_obj
def reports(
    session: Session, *, product: str, follow: bool, interval: float, spool: Path | None, journal: Path | None
) -> Ending:
    """Print status reports, a JSON object a line."""
    products = tuple(Product) if product == "both" else (Product(product),)
    reading = Reading(session, follow, interval, spool, None if journal is None else SqliteJournal(journal))
    return asyncio.run(reading.run(products))


@define
class _Counts:
    written: int = 0
    recorded: int = 0
    unreadable: int = 0


@frozen
class Reading:
    """One run of ``reports``."""

    session: Session
    follow: bool
    interval: float
    spool: Path | None
    journal: SqliteJournal | None
    stop: Stop = field(factory=Stop)
    _output: Output = field(factory=Output)
    _counts: _Counts = field(factory=_Counts)
    _troubles: list[Exception] = field(factory=list)
    _closing: list[asyncio.Task[None]] = field(factory=list)

    async def run(self, products: Sequence[Product]) -> Ending:
        """Read all products at once; should one fail, the others end after what they have."""
        async with AsyncExitStack() as stack:
            voice = await stack.enter_async_context(self.session.settings.client())
            if self.journal is not None:
                await stack.enter_async_context(self.journal)
                # Before any report is removed from the service, it must be possible to record it.
                await self.journal.record(())
            stack.enter_context(self.stop.listening(lambda: self._close(voice)))
            await asyncio.gather(*(self._read(voice, product) for product in products))
            await voice.aclose()
            return await self._end(voice)

    async def _read(self, voice: AsyncEmayVoice, product: Product) -> None:
        stream = voice.reports(
            product=product, follow=self.follow, poll_interval=self.interval, spool=self.spool
        )
        try:
            async with aclosing(stream):
                async for report in stream:
                    try:
                        await self._hand_over(report)
                    except Exception as error:
                        # Given back, it is in the spool still.
                        await stream.athrow(error)
        except (UsageError, NotSentError) as error:
            if not self.stop.is_wanted:
                self._fail(voice, error)
        except (CommandError, EmayVoiceError) as error:
            self._fail(voice, error)

    async def _hand_over(self, report: Report) -> None:
        if self.journal is not None:
            self._counts.recorded += await self.journal.record([report])
        await self._output.write([row_of_report(report)])
        self._counts.written += 1

    def _fail(self, voice: AsyncEmayVoice, error: Exception) -> None:
        self._troubles.append(error)
        self.stop.is_wanted = True
        self._close(voice)

    def _close(self, voice: AsyncEmayVoice) -> None:
        # What was asked for is waited for, and comes out of the stream, before this ends.
        self._closing.append(asyncio.ensure_future(voice.aclose()))

    async def _end(self, voice: AsyncEmayVoice) -> Ending:
        """Write what could not be read, tell what was not written, and return the exit code."""
        screen, endings = self.session.screen, [ending_of(error) for error in self._troubles]
        if broken := voice.broken_reports:
            try:
                await self._output.write(row_of_unreadable(*pair) for pair in broken)
            except CommandError as error:
                endings.append(error.ending)
            screen.complain(f'{len(broken):,} could not be read: see the lines with "unreadable"')
        for text in filter(None, map(str, self._troubles)):
            screen.complain(text)
        if self.stop.came_by_signal and not self.follow:
            endings.append(Ending.INTERRUPTED)
        left = len(voice.undelivered_reports)
        if left and self.spool is None:
            screen.complain(f"{left:,} reports were taken from the service and are lost: use --spool")
            endings.append(Ending.UNKNOWN)
        elif left:
            again = f"emay-voice reports --spool {shlex.quote(str(self.spool))}"
            screen.say(f"{left:,} reports were not written; they come again with: {again}")
        recorded = (
            "" if self.journal is None else f", {self._counts.recorded:,} of them of calls in the journal"
        )
        screen.say(f"{self._counts.written:,} reports{recorded}.")
        return worst(endings)
