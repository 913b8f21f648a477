"""The run of a confirmed send, from the first batch to the last."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, ExitStack, aclosing, contextmanager
from typing import Final

from attrs import define, field

from emay_voice_async.cli.campaign.campaign_reports import CampaignReports
from emay_voice_async.cli.campaign.hours_notice import announce_hours
from emay_voice_async.cli.campaign.order import Order, SendArguments
from emay_voice_async.cli.campaign.plan import CampaignPlan
from emay_voice_async.cli.campaign.progress import ProgressDisplay
from emay_voice_async.cli.campaign.spending import Spending
from emay_voice_async.cli.campaign.tally import Tally
from emay_voice_async.cli.terminal.exit_codes import CommandError, exit_code_of
from emay_voice_async.cli.terminal.formatting import duration
from emay_voice_async.cli.terminal.json_rows import rows_of_outcome
from emay_voice_async.cli.terminal.language import gettext, noop
from emay_voice_async.cli.terminal.output import Output
from emay_voice_async.cli.terminal.settings import Session
from emay_voice_async.cli.terminal.signals import StopRequest
from emay_voice_async.client import AsyncEmayVoice
from emay_voice_async.errors import EmayVoiceError
from emay_voice_async.model.recipients import Recipient
from emay_voice_async.model.results import Outcome

__all__ = ["CampaignRun"]

_STOPPING: Final = noop(
    "Stopping: waiting for the requests in flight, no others are sent. Ctrl-C again ends at once."
)


@define
class CampaignRun:
    """One run of an order. ``output`` takes the outcome of each number; None prints none."""

    session: Session
    order: Order
    planned: CampaignPlan
    output: Output | None
    shows_progress: bool
    tally: Tally = field(factory=Tally)
    stop: StopRequest = field(factory=StopRequest)
    errors: list[Exception] = field(factory=list)
    """The errors of the run itself; the errors of batches are in the tally."""
    reports: CampaignReports | None = field(init=False, default=None)
    spending: Spending = field(init=False)
    _closing: list[asyncio.Task[None]] = field(factory=list)

    def __attrs_post_init__(self) -> None:
        product = self.order.message.endpoint.product
        self.spending = Spending(product, self.planned.plan.balance, self.order.options.price)

    async def carry_out(self) -> None:
        """Send all batches, then wait for reports; after a stop request, wait for the requests in flight only."""
        arguments, options = self.order.arguments(), self.order.options
        async with AsyncExitStack() as stack:
            voice = await stack.enter_async_context(self.session.settings.client())
            if (
                options.collect is not None
                and arguments["journal"] is not None
                and options.journal is not None
            ):
                journal = await stack.enter_async_context(arguments["journal"])
                self.reports = CampaignReports(journal, options.journal, self.spending.product)
            with self._display(voice) as display:
                await self._send(voice, arguments)
                is_done = not self.stop.requested and not self.errors
                if self.reports is not None and options.collect is not None and is_done:
                    self._announce(display, options.collect)
                    await self.reports.wait(voice, options.collect)
                if self.tally.accepted and not self.stop.requested:
                    await self.spending.ask(voice)
                if self.reports is not None:
                    await self.reports.finish(voice)
                    for error in self.reports.errors:
                        self._record(error)

    async def _send(self, voice: AsyncEmayVoice, arguments: SendArguments) -> None:
        options = self.order.options
        with ExitStack() as stack:
            stack.enter_context(self.stop.handling_signals(lambda: self._begin_stop(voice)))
            if options.hours is not None:
                notices = asyncio.ensure_future(announce_hours(options.hours, self.session.console.say))
                stack.callback(notices.cancel)
            if self.shows_progress:
                stack.callback(asyncio.ensure_future(self.spending.follow(voice)).cancel)
            stream = voice.send_batches(
                self.order.message, self._recipients(), deadline=options.deadline, **arguments
            )
            try:
                async with aclosing(stream):
                    async for outcome in stream:
                        await self._add(outcome, voice)
            except (CommandError, EmayVoiceError) as error:
                self._record(error)

    @contextmanager
    def _display(self, voice: AsyncEmayVoice) -> Iterator[ProgressDisplay | None]:
        if not self.shows_progress:
            yield None
            return
        plan = self.planned.plan
        with ProgressDisplay(
            self.session.console,
            self.tally,
            total=plan.numbers + plan.over_max_calls,
            stats=lambda: voice.stats,
            seconds=plan.seconds,
            hours=self.order.options.hours,
            spending=self.spending,
            counts=None if self.reports is None else self.reports.counts,
        ) as display:
            yield display

    def _announce(self, display: ProgressDisplay | None, seconds: float) -> None:
        """Say that calls are sent and reports are awaited."""
        if display is not None:
            display.collecting_until = time.time() + seconds
        else:
            self.session.console.say(
                gettext(
                    "All calls are sent. Waiting for reports for up to {duration}; Ctrl-C ends the wait.",
                    duration=duration(seconds),
                )
            )

    def _recipients(self) -> Iterator[Recipient]:
        for recipient in self.order.lists.recipients():
            if self.stop.requested:
                return
            yield recipient

    async def _add(self, outcome: Outcome, voice: AsyncEmayVoice) -> None:
        self.tally.add(outcome)
        if self.reports is not None:
            self.reports.begin(voice)
        # After a failed write, the outcomes of the requests in flight are still counted.
        if self.output is None or self.errors:
            return
        try:
            await self.output.write(rows_of_outcome(outcome))
        except CommandError as error:
            self._record(error)
            self.stop.requested = True
            self._close(voice)

    def _record(self, error: Exception) -> None:
        self.errors.append(error)
        self.tally.exit_codes.add(exit_code_of(error))

    def _begin_stop(self, voice: AsyncEmayVoice) -> None:
        self.session.console.say(gettext(_STOPPING), "yellow")
        self._close(voice)

    def _close(self, voice: AsyncEmayVoice) -> None:
        # Batches without a slot become NotSent; the responses of requests in flight are read.
        if self.reports is not None:
            self.reports.stop.requested = True
        self._closing.append(asyncio.ensure_future(voice.aclose()))
