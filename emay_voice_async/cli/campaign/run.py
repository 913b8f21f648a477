"""The run of a confirmed send, from the first batch to the last."""

import asyncio
from collections.abc import Iterator
from contextlib import AbstractContextManager, AsyncExitStack, aclosing, nullcontext
from typing import Final

from attrs import field, frozen

from emay_voice_async.cli.campaign.hours_notice import announce_hours
from emay_voice_async.cli.campaign.order import Order
from emay_voice_async.cli.campaign.plan import CampaignPlan
from emay_voice_async.cli.campaign.progress import ProgressDisplay
from emay_voice_async.cli.campaign.tally import Tally
from emay_voice_async.cli.terminal.exit_codes import CommandError, exit_code_of
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


@frozen
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
    _closing: list[asyncio.Task[None]] = field(factory=list)

    async def carry_out(self) -> None:
        """Send all batches; after a stop request, wait for the requests in flight only."""
        options = self.order.options
        async with self.session.settings.client() as voice, AsyncExitStack() as stack:
            stack.enter_context(self.stop.handling_signals(lambda: self._begin_stop(voice)))
            stack.enter_context(self._progress(voice))
            if options.hours is not None:
                notices = asyncio.ensure_future(announce_hours(options.hours, self.session.console.say))
                stack.callback(notices.cancel)
            stream = voice.send_batches(
                self.order.message,
                self._recipients(),
                deadline=options.deadline,
                **self.order.arguments(),
            )
            try:
                async with aclosing(stream):
                    async for outcome in stream:
                        await self._add(outcome, voice)
            except (CommandError, EmayVoiceError) as error:
                self._record(error)

    def _progress(self, voice: AsyncEmayVoice) -> AbstractContextManager[object]:
        if not self.shows_progress:
            return nullcontext()
        plan = self.planned.plan
        return ProgressDisplay(
            self.session.console,
            self.tally,
            total=plan.numbers + plan.over_max_calls,
            stats=lambda: voice.stats,
            hours=self.order.options.hours,
        )

    def _recipients(self) -> Iterator[Recipient]:
        for recipient in self.order.lists.recipients():
            if self.stop.requested:
                return
            yield recipient

    async def _add(self, outcome: Outcome, voice: AsyncEmayVoice) -> None:
        self.tally.add(outcome)
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
        self._closing.append(asyncio.ensure_future(voice.aclose()))
