"""Status reports without loss: getReport removes what it returns, so nothing that arrived is dropped.

Every report that arrives, pulled or fed from a push, goes to the mailbox first. It is put there by
the request itself and not by its caller, so that a caller who is cancelled or runs out of time
loses nothing.
"""

import asyncio
import logging
import math
import os
from collections import deque
from collections.abc import AsyncGenerator, Iterable, Sequence
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any, Final, cast

from emay_voice_async.errors import (
    AnswerError,
    EmayVoiceError,
    InvalidRequestError,
    NotSentError,
    OutcomeUnknownError,
    OverSpeedError,
    RefusedError,
    ReportTimeoutError,
    UsageError,
)
from emay_voice_async.exchange.attempts import InFlight
from emay_voice_async.exchange.exchanges import Exchanges
from emay_voice_async.model.endpoints import JOIN_REPORTS, MAX_REPORTS, VOICE_REPORTS, Endpoint, Product
from emay_voice_async.model.results import Report, Ticket
from emay_voice_async.reports.mailbox import Found, Mailbox, jittered, keys_of
from emay_voice_async.reports.pages import Entry, Key, Page
from emay_voice_async.reports.spool import Spool, SpooledAnswer, put_aside, remove
from emay_voice_async.wire.envelope import Answer, read_reports
from emay_voice_async.wire.forms import reports_form

__all__ = ["ReportReader"]

logger = logging.getLogger(__name__)

_ENDPOINTS: Final = {end.product: end for end in (VOICE_REPORTS, JOIN_REPORTS)}
_OK: Final = 200
WAITING_INTERVAL: Final = 2.0
"""Seconds between two questions while somebody waits for one report."""


class ReportReader:
    """Asks for reports, one getReport of each product at a time, and gives them out."""

    def __init__(self, exchanges: Exchanges) -> None:
        self.broken: list[tuple[Any, str]] = []
        self.mailbox = Mailbox()
        self._exchanges = exchanges
        self._spool: Spool | None = None
        self._polls: dict[Product, tuple[asyncio.Task[int], InFlight]] = {}
        self._awaited: set[Product] = set()
        self._reader: asyncio.Task[None] | None = None
        self._loading: asyncio.Task[None] | None = None
        self._closed = False

    async def take(self, number: int, product: Product, *, deadline: float | None = None) -> list[Report]:
        """Take up to ``number`` reports: those kept if there are any, else what one getReport brings."""
        _check_number(number)
        while not self.mailbox.has(product):
            if not await self._poll(product, number, deadline):
                break
            # Else, with nothing kept, somebody else was quicker: there may be more.
        taken: list[Report] = []
        while len(taken) < number and (page := self.mailbox.front(product)) is not None:
            taken += page.take(number - len(taken))
        return taken

    async def stream(
        self,
        product: Product,
        *,
        follow: bool,
        poll_interval: float,
        spool: str | os.PathLike[str] | None,
        deadline: float | None,
    ) -> AsyncGenerator[Report, None]:
        """Yield each report once; ask on while something comes, then end or slow down.

        At the ``deadline``, an instant of the event loop's clock, it ends.
        """
        if spool is not None:
            await self._use_spool(Spool(spool))
        going_on = True
        while going_on:
            while (page := self.mailbox.front(product)) is not None:
                answer = page.answer
                # Asked again for each one: others take from this page, too, or take all of it away.
                while page.reports:
                    report = page.reports.popleft()
                    try:
                        yield report
                    except Exception:
                        # Thrown in on purpose; whoever just leaves makes it a GeneratorExit.
                        self.mailbox.put_back([Entry(report, answer).as_page()])
                        raise
                    except BaseException:
                        Entry(report, answer).take()
                        raise
                    if answer is not None:
                        answer.take()
            going_on = await self._ask_for_more(product, follow, poll_interval, deadline)

    async def wait(self, awaited: Ticket | str, products: Iterable[Product], patience: float) -> Report:
        """Wait for one report; raise :class:`ReportTimeoutError` after ``patience`` seconds.

        Without ``products`` nobody asks for it: it has to be fed.
        """
        return (await self._find(keys_of(awaited), products, patience)).take()

    async def settle(
        self, custom_ids: Sequence[str], products: Iterable[Product], patience: float
    ) -> list[Report | None]:
        """Wait for the reports of all these custom ids; None for each that did not come in time."""
        if not custom_ids:
            return []
        products = tuple(products)
        tasks = [
            asyncio.ensure_future(self._find_or_none((("custom", custom_id),), products, patience))
            for custom_id in custom_ids
        ]
        try:
            await asyncio.wait(tasks)
            found = [task.result() for task in tasks]
        except BaseException:
            # Cancelled, or refused by the service: what came all the same is for somebody else. Nothing is
            # awaited here, since a second cancellation would come in between.
            for task in reversed(tasks):
                task.cancel()
                if task.done():
                    self._give_back(task)
                else:
                    task.add_done_callback(self._give_back)
            raise
        return [None if one is None else one.take() for one in found]

    def feed(self, reports: Iterable[Report]) -> None:
        """Put reports that came by another way to the others."""
        for _, group in groupby(reports, key=attrgetter("product")):
            page = Page(deque())
            try:
                page.reports.extend(group)
            finally:
                # Should they break off, those that came are kept all the same.
                self.mailbox.put(page)

    def close(self) -> None:
        """End the background reader, and let go of everybody who waits."""
        self._closed = True
        if self._reader is not None:
            self._reader.cancel()
        self.mailbox.fail(UsageError("client", "was closed while a report was awaited"))
        self.mailbox.wake()

    def _give_back(self, task: "asyncio.Task[Found | None]") -> None:
        if not task.cancelled() and task.exception() is None and (found := task.result()) is not None:
            self.mailbox.give_back(found)

    async def _find_or_none(
        self, keys: tuple[Key, ...], products: Iterable[Product], patience: float
    ) -> Found | None:
        try:
            return await self._find(keys, products, patience)
        except ReportTimeoutError:
            return None

    async def _find(self, keys: tuple[Key, ...], products: Iterable[Product], patience: float) -> Found:
        """Have the background reader ask as long as somebody waits, and wait."""
        self._awaited.update(products)
        if self._awaited and (self._reader is None or self._reader.done()):
            self._reader = self._exchanges.tasks.keep(asyncio.ensure_future(self._read()))
        return await self.mailbox.find(keys, patience)

    async def _read(self) -> None:
        # A task may begin at once; whoever it reads for begins to wait right after.
        await asyncio.sleep(0)
        while self.mailbox.is_awaited and self._awaited:
            came = 0
            for product in tuple(self._awaited):
                came += await self._read_once(product)
            if self.mailbox.is_awaited and not came:
                await asyncio.sleep(jittered(WAITING_INTERVAL))
        self._awaited.clear()

    async def _read_once(self, product: Product) -> int:
        try:
            return await self._ask_on(product, follow=True)
        except OutcomeUnknownError as error:
            logger.warning("reports may have been lost: %s", error)
        except EmayVoiceError as error:
            # It will not pass. Whoever waits for the other product goes on waiting.
            logger.warning("no reports of %s can be had: %s", product, error)
            self._awaited.discard(product)
            if not self._awaited:
                self.mailbox.fail(error)
        return 0

    async def _ask_on(self, product: Product, *, follow: bool, deadline: float | None = None) -> int:
        """Ask once; where certainly nothing was removed, whoever follows outlives a bad moment."""
        try:
            return await self._poll(product, MAX_REPORTS, deadline)
        except (NotSentError, OverSpeedError) as error:
            if self._closed:
                raise UsageError("client", "was closed while reports were awaited") from error
            if not follow:
                raise
            logger.warning("asking for reports goes on after a pause: %s", error)
            return 0

    async def _ask_for_more(
        self, product: Product, follow: bool, poll_interval: float, deadline: float | None
    ) -> bool:
        """Ask once, and pause if nothing came; return whether a loop over the reports goes on."""
        loop = asyncio.get_running_loop()
        end = math.inf if deadline is None else deadline
        if end <= loop.time():
            return False
        came = await self._ask_on(product, follow=follow, deadline=deadline)
        if came or self.mailbox.has(product):
            return True
        if follow:
            await self.mailbox.news(min(jittered(poll_interval), end - loop.time()))
        return follow

    async def _poll(self, product: Product, number: int, deadline: float | None) -> int:
        """Have one getReport made, or wait for the one that is under way; return how many it brought.

        One at a time, so that reports are put away in the order in which the service gave them.
        """
        loop = asyncio.get_running_loop()
        while (poll := self._polls.get(product)) is not None and not poll[0].done():
            patience = None if deadline is None else max(0.0, deadline - loop.time())
            await asyncio.wait({poll[0]}, timeout=patience)
            if not poll[0].done():
                raise OutcomeUnknownError("the deadline passed before the reports came")
            if not poll[0].cancelled() and poll[0].exception() is None:
                return poll[0].result()
            # Its caller was cancelled or out of time, or was told what is wrong: now it is our turn.
        attempts = InFlight()
        task = loop.create_task(self._ask(product, number, deadline, attempts))
        self._exchanges.tasks.keep(task).add_done_callback(_retrieve)
        self._polls[product] = task, attempts
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            if not attempts.in_flight:
                task.cancel()
            raise
        return task.result()

    async def _ask(self, product: Product, number: int, deadline: float | None, attempts: InFlight) -> int:
        files: list[Path] = []

        async def spool(answer: Answer) -> None:
            # Another status did not come from what holds the reports.
            if self._spool is not None and answer.status == _OK:
                try:
                    files.append(await asyncio.to_thread(self._spool.write, product, answer.body))
                except OSError:
                    # Reports in memory only are better than none.
                    logger.exception("the answer could not be spooled")

        def keep(answer: Answer) -> int:
            page, count = self._open(_ENDPOINTS[product], answer, files[0] if files else None)
            self.mailbox.put(page)
            return count

        return await self._exchanges.call(
            _ENDPOINTS[product], reports_form(number), keep, first=spool, deadline=deadline, observe=attempts
        )

    def _open(self, endpoint: Endpoint, answer: Answer, file: Path | None) -> tuple[Page, int]:
        """Read an answer; return its reports, and how many there were with the broken ones."""
        try:
            reports, broken = read_reports(endpoint, answer)
        except AnswerError as error:
            # Also for whoever left before the answer came and will never see the error.
            if error.status == _OK:
                self.broken.append((error.body, str(error)))
            if file is not None:
                put_aside(file)
            raise
        except RefusedError:
            if file is not None:
                remove(file)
            raise
        self.broken.extend(broken)
        spooled = None if file is None else SpooledAnswer(file, len(reports), bool(broken))
        if spooled is not None:
            spooled.close_if_empty()
        return Page(deque(reports), spooled), len(reports) + len(broken)

    async def _use_spool(self, spool: Spool) -> None:
        """Spool from now on; return when what a former process left is in front of everything."""
        if self._spool is None:
            self._spool = spool
            self._loading = self._exchanges.tasks.keep(asyncio.ensure_future(self._load(spool)))
            self._loading.add_done_callback(_retrieve)
        elif self._spool.path != spool.path:
            raise InvalidRequestError("spool", "must be the same folder for the whole life of a client")
        loading = cast("asyncio.Task[None]", self._loading)
        # Not awaited itself: a caller who is cancelled must not break it off.
        await asyncio.wait({loading})
        loading.result()

    async def _load(self, spool: Spool) -> None:
        try:
            await asyncio.to_thread(spool.prepare)
            found = await asyncio.to_thread(lambda: list(spool.leftovers()))
        except OSError as error:
            self._spool = None
            rule = "must be a folder that can be read and written"
            raise InvalidRequestError("spool", rule, None, type(error).__name__) from error
        pages: list[Page] = []
        for file, product, body in found:
            try:
                pages.append(self._open(_ENDPOINTS[product], Answer(_OK, body), file)[0])
            except EmayVoiceError as error:
                logger.warning("an answer in the spool cannot be read: %s", error)
        self.mailbox.put_back(pages)


def _retrieve(task: "asyncio.Task[Any]") -> None:
    """Take note of an exception for which no caller is left."""
    if not task.cancelled():
        task.exception()


def _check_number(number: int) -> None:
    rule = f"must be a whole number from 1 to {MAX_REPORTS}"
    if not isinstance(number, int) or isinstance(number, bool):
        raise InvalidRequestError("number", rule, None, type(number).__name__)
    if not 1 <= number <= MAX_REPORTS:
        raise InvalidRequestError("number", rule, MAX_REPORTS if number > 1 else 1, number)
