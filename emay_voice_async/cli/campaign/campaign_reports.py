"""The reports of a campaign: collected while calls are sent, and afterwards until all are in or the time is over."""

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Final

from attrs import define, field

from emay_voice_async.cli.campaign.collection import Collection
from emay_voice_async.cli.campaign.report_counts import ReportCounts
from emay_voice_async.cli.campaign.report_file import ReportFile, file_beside, spool_beside
from emay_voice_async.cli.terminal.exit_codes import CommandError
from emay_voice_async.cli.terminal.signals import StopRequest
from emay_voice_async.client import AsyncEmayVoice
from emay_voice_async.errors import EmayVoiceError
from emay_voice_async.journal.protocol import Journal
from emay_voice_async.model.endpoints import Product

__all__ = ["CampaignReports"]

INTERVAL: Final = 5.0
"""Seconds between two requests."""


@define
class CampaignReports:
    """Reads reports in the background of a send into the journal at ``path``, and into a file beside the journal."""

    journal: Journal
    path: Path
    product: Product
    stop: StopRequest = field(factory=StopRequest)
    """Set by Ctrl-C after the last call; the collection then ends without an error."""
    counts: ReportCounts = field(init=False)
    collection: Collection = field(init=False)
    unreadable: int = 0
    _is_sent: bool = False
    _ended: asyncio.Event = field(factory=asyncio.Event)
    _reading: asyncio.Task[None] | None = None
    _counting: asyncio.Task[None] | None = None

    def __attrs_post_init__(self) -> None:
        self.counts = ReportCounts(self.journal)
        self.collection = Collection(
            ReportFile(file_beside(self.path)),
            self.journal,
            spool_beside(self.path),
            self.stop,
            interval=INTERVAL,
        )

    @property
    def errors(self) -> list[Exception]:
        """The errors that ended the collection."""
        return self.collection.errors

    def begin(self, voice: AsyncEmayVoice) -> None:
        """Read and count in the background from now on; the journal exists. Further calls change nothing."""
        if self._reading is None:
            self._reading = asyncio.ensure_future(self.collection.read(voice, self.product))
            self._reading.add_done_callback(lambda _: self._ended.set())
            self._counting = asyncio.ensure_future(self._count())

    async def _count(self) -> None:
        try:
            await self.counts.follow(self._check)
        except EmayVoiceError as error:
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        self.errors.append(error)
        self._ended.set()

    def _check(self) -> None:
        if self._is_sent and not self.counts.missing:
            self._ended.set()

    async def wait(self, voice: AsyncEmayVoice, seconds: float) -> None:
        """Wait until every call has a report, a signal or error comes, or ``seconds`` have passed."""
        self._is_sent = True
        self.begin(voice)
        with self.stop.handling_signals(self._ended.set), suppress(TimeoutError):
            await asyncio.wait_for(self._ended.wait(), seconds)

    async def finish(self, voice: AsyncEmayVoice) -> None:
        """Close the client, take the response to a request in flight, and count for the last time."""
        self.stop.requested = True
        await voice.aclose()
        if self._reading is None or self._counting is None:
            return
        await self._reading
        self._counting.cancel()
        try:
            self.unreadable = await self.collection.keep_unreadable(voice)
            await self.counts.refresh()
        except (CommandError, EmayVoiceError) as error:
            self._fail(error)
