"""The collection of status reports: each page is written and recorded before the next is asked for."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Protocol

from attrs import define, field

from emay_voice_async.cli.terminal.exit_codes import CommandError
from emay_voice_async.cli.terminal.json_rows import row_of_report, row_of_unreadable
from emay_voice_async.cli.terminal.signals import StopRequest
from emay_voice_async.client import AsyncEmayVoice
from emay_voice_async.errors import EmayVoiceError, NotSentError, UsageError
from emay_voice_async.journal.protocol import Journal
from emay_voice_async.model.endpoints import Product
from emay_voice_async.model.results import Report

__all__ = ["Collection"]


class _Rows(Protocol):
    async def write(self, rows: Iterable[Mapping[str, object]]) -> None: ...


@define
class Collection:
    """Reports on their way from the service to an output and a journal."""

    output: _Rows
    journal: Journal | None
    spool: Path | None
    stop: StopRequest
    follow: bool = True
    interval: float = 5.0
    """Seconds between two requests."""
    written: int = 0
    recorded: int = 0
    """Written reports that belong to calls of the journal."""
    errors: list[Exception] = field(factory=list)

    async def read(self, voice: AsyncEmayVoice, product: Product) -> None:
        """Read reports until the stream or the client ends; an error is added to ``errors``."""
        pages = voice.report_pages(
            product=product, follow=self.follow, poll_interval=self.interval, spool=self.spool
        )
        try:
            async with aclosing(pages):
                async for page in pages:
                    await self._keep(page)
        except (UsageError, NotSentError) as error:
            if not self.stop.requested:
                self.errors.append(error)
        except (CommandError, EmayVoiceError) as error:
            self.errors.append(error)

    async def _keep(self, page: Sequence[Report]) -> None:
        """Record and write a page; after an error, the stream puts the whole page back."""
        if self.journal is not None:
            self.recorded += await self.journal.record(page)
        await self.output.write(row_of_report(report) for report in page)
        self.written += len(page)

    async def keep_unreadable(self, voice: AsyncEmayVoice) -> int:
        """Write the unreadable reports of a client; return their number."""
        broken = voice.broken_reports
        if broken:
            await self.output.write(row_of_unreadable(*pair) for pair in broken)
        return len(broken)
