"""A send that was confirmed, from its first batch to its last, however it ends."""

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack, aclosing, nullcontext

from attrs import field, frozen

from emay_voice_async.cli.campaign.hours_notice import tell_hours
from emay_voice_async.cli.campaign.order import Order
from emay_voice_async.cli.campaign.plan import Planned
from emay_voice_async.cli.campaign.progress import Board
from emay_voice_async.cli.campaign.tally import Tally
from emay_voice_async.cli.terminal.exit_codes import CommandError, ending_of
from emay_voice_async.cli.terminal.json_rows import rows_of_outcome
from emay_voice_async.cli.terminal.output import Output
from emay_voice_async.cli.terminal.settings import Session
from emay_voice_async.cli.terminal.signals import Stop
from emay_voice_async.client import AsyncEmayVoice
from emay_voice_async.errors import EmayVoiceError
from emay_voice_async.model.recipients import Recipient
from emay_voice_async.model.results import Outcome

__all__ = ["Run"]

_STOPPING = "Stopping: what is under way is waited for, nothing else is sent. Ctrl-C again ends at once."


@frozen
class Run:
    """One run of an order. ``output``: where each number's outcome goes, if anywhere."""

    session: Session
    order: Order
    planned: Planned
    output: Output | None
    shows_board: bool
    tally: Tally = field(factory=Tally)
    stop: Stop = field(factory=Stop)
    troubles: list[Exception] = field(factory=list)
    """What went wrong with the run itself."""
    _closing: list[asyncio.Task[None]] = field(factory=list)

    async def carry_out(self) -> None:
        """Send; return when all is done, or, asked to stop, when what was under way has ended."""
        bounds = self.order.bounds
        async with self.session.settings.client() as voice, AsyncExitStack() as stack:
            stack.enter_context(self.stop.listening(lambda: self._begin_to_stop(voice)))
            stack.enter_context(self._board(voice))
            if bounds.hours is not None:
                telling = asyncio.ensure_future(tell_hours(bounds.hours, self.session.screen.say))
                stack.callback(telling.cancel)
            stream = voice.send_batches(
                self.order.message, self._recipients(), deadline=bounds.deadline, **bounds.arguments()
            )
            try:
                async with aclosing(stream):
                    async for outcome in stream:
                        await self._take(outcome, voice)
            except (CommandError, EmayVoiceError) as error:
                self._note(error)

    def _board(self, voice: AsyncEmayVoice) -> "Board | nullcontext[None]":
        if not self.shows_board:
            return nullcontext()
        plan = self.planned.plan
        return Board(
            self.session.screen,
            self.tally,
            total=plan.numbers + plan.over_max_calls,
            stats=lambda: voice.stats,
            hours=self.order.bounds.hours,
        )

    def _recipients(self) -> Iterator[Recipient]:
        for one in self.order.lists.recipients():
            if self.stop.is_wanted:
                return
            yield one

    async def _take(self, outcome: Outcome, voice: AsyncEmayVoice) -> None:
        self.tally.add(outcome)
        # After it could not be written once, what is under way is still counted.
        if self.output is None or self.troubles:
            return
        try:
            await self.output.write(rows_of_outcome(outcome))
        except CommandError as error:
            self._note(error)
            self.stop.is_wanted = True
            self._close(voice)

    def _note(self, error: Exception) -> None:
        self.troubles.append(error)
        self.tally.endings.add(ending_of(error))

    def _begin_to_stop(self, voice: AsyncEmayVoice) -> None:
        self.session.screen.say(_STOPPING, "yellow")
        self._close(voice)

    def _close(self, voice: AsyncEmayVoice) -> None:
        # What has no slot yet comes out as not sent; what is under way is read to its end.
        self._closing.append(asyncio.ensure_future(voice.aclose()))
