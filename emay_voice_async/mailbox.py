"""Reports that arrived, from there until somebody takes them: in order, or by the id of their call."""

import asyncio
import logging
import random
from collections import OrderedDict
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from attrs import define

from emay_voice_async.endpoints import Product
from emay_voice_async.errors import EmayVoiceError, InvalidRequestError, ReportTimeoutError
from emay_voice_async.results import Report, Ticket

__all__ = ["Entry", "Key", "Mailbox", "Page", "jittered", "key_of", "put_aside", "remove"]

logger = logging.getLogger(__name__)

_JITTER: Final = 0.2

Key = tuple[str, str]
"""What a report is awaited by: ("message", its message id) or ("custom", its custom id)."""


def key_of(awaited: Ticket | str) -> Key:
    """Return what to look for: the message id if the ticket has one, else the custom id."""
    if isinstance(awaited, Ticket) and awaited.message_id:
        return "message", awaited.message_id
    custom_id = awaited.custom_id if isinstance(awaited, Ticket) else awaited
    if not isinstance(custom_id, str) or not custom_id:
        raise InvalidRequestError("awaited", "must be a Ticket or a custom id", None, type(awaited).__name__)
    return "custom", custom_id


def _keys(report: Report) -> list[Key]:
    keys = (("message", report.message_id), ("custom", report.custom_id))
    return [(kind, value) for kind, value in keys if value]


def jittered(seconds: float) -> float:
    """Return about so many seconds, so that many clients do not ask in step."""
    return seconds * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311 - no secret


def put_aside(file: Path) -> None:
    """Keep a spooled answer that cannot be read, where no later process takes it up again."""
    try:
        file.rename(file.with_suffix(".broken"))
    except OSError:
        logger.exception("a spooled answer cannot be put aside")


def remove(file: Path) -> None:
    """Remove a spooled answer in which nothing is left.

    Should that fail, its reports come again in the next process; no reason to lose one in this.
    """
    try:
        file.unlink(missing_ok=True)
    except OSError:
        logger.exception("a spooled answer cannot be removed")


@define(eq=False)
class Page:
    """A spooled answer: its file goes when the last of its ``left`` reports was taken."""

    file: Path
    left: int
    broken: bool
    """Whether the answer also holds something that could not be read."""

    def close_if_empty(self) -> None:
        """Remove the file, or put it aside for what could not be read, once nothing is left in it."""
        if self.left:
            return
        if self.broken:
            put_aside(self.file)
        else:
            remove(self.file)


@define(eq=False)
class Entry:
    """A report that arrived, and the spooled answer that it came with."""

    report: Report
    page: Page | None = None

    def take(self) -> Report:
        """Count it as taken."""
        if self.page is not None:
            self.page.left -= 1
            self.page.close_if_empty()
        return self.report


@define(eq=False)
class _Handover:
    """A report on its way to those who wait for it."""

    entry: Entry
    receivers: int
    taken: bool = False


class Mailbox:
    """The reports of all products that nobody has taken, and those who wait for one."""

    def __init__(self) -> None:
        self._entries: dict[Product, OrderedDict[int, Entry]] = {one: OrderedDict() for one in Product}
        self._places: dict[Key, OrderedDict[int, Product]] = {}
        self._last = 0
        self._first = 0
        self._waiters: dict[Key, list[asyncio.Future[_Handover]]] = {}
        self._idle: set[asyncio.Future[None]] = set()

    @property
    def reports(self) -> tuple[Report, ...]:
        """Every report that nobody has taken, oldest first, one product after the other."""
        return tuple(entry.report for entries in self._entries.values() for entry in entries.values())

    @property
    def awaited(self) -> bool:
        """Whether somebody waits for a report by its id."""
        return bool(self._waiters)

    def count(self, product: Product) -> int:
        """Count the reports of a product."""
        return len(self._entries[product])

    def put(self, entry: Entry) -> None:
        """Hand a report to those who wait for just this one, or keep it for whoever comes next."""
        waiting = [one for key in _keys(entry.report) for one in self._waiters.pop(key, ())]
        if waiting:
            handover = _Handover(entry, len(waiting))
            for one in waiting:
                one.set_result(handover)
            return
        self._last += 1
        self._insert(entry, self._last)
        self.wake()

    def put_back(self, entries: Iterable[Entry]) -> None:
        """Put reports in front of all others, the first one foremost."""
        for entry in reversed(list(entries)):
            self._first -= 1
            self._insert(entry, self._first)
            self._entries[entry.report.product].move_to_end(self._first, last=False)

    def pop(self, product: Product) -> Entry | None:
        """Take out the oldest report of a product."""
        entries = self._entries[product]
        return self._remove(product, next(iter(entries))) if entries else None

    async def news(self, interval: float) -> None:
        """Wait until a report was kept, or about so many seconds have passed."""
        waiting = asyncio.get_running_loop().create_future()
        self._idle.add(waiting)
        try:
            await asyncio.wait({waiting}, timeout=jittered(interval))
        finally:
            self._idle.discard(waiting)

    def wake(self) -> None:
        """End the waiting for news."""
        for one in self._idle:
            if not one.done():
                one.set_result(None)

    async def find(self, key: Key, patience: float) -> Entry:
        """Take out the report with this id, waiting up to ``patience`` seconds for it to come.

        Raises :class:`ReportTimeoutError`, or the error given to :meth:`fail`.
        """
        for place, product in self._places.get(key, {}).items():
            return self._remove(product, place)
        waiter: asyncio.Future[_Handover] = asyncio.get_running_loop().create_future()
        self._waiters.setdefault(key, []).append(waiter)
        try:
            await asyncio.wait({waiter}, timeout=patience)
        except asyncio.CancelledError:
            self._leave(key, waiter)
            raise
        if not waiter.done():
            self._leave(key, waiter)
            raise ReportTimeoutError(patience)
        handover = waiter.result()
        # Whoever else waits for the same report gets it too, but it is counted as taken once.
        entry = Entry(handover.entry.report) if handover.taken else handover.entry
        handover.taken = True
        return entry

    def fail(self, error: EmayVoiceError) -> None:
        """Let everybody who waits for a report by its id know that none will come."""
        for waiters in self._waiters.values():
            for waiter in waiters:
                waiter.set_exception(error)
        self._waiters.clear()

    def _leave(self, key: Key, waiter: "asyncio.Future[_Handover]") -> None:
        """Stop waiting; a report that came in this very moment is for somebody else."""
        if not waiter.done():
            waiters = self._waiters[key]
            waiters.remove(waiter)
            if not waiters:
                del self._waiters[key]
        elif waiter.exception() is None:
            handover = waiter.result()
            handover.receivers -= 1
            if not handover.receivers and not handover.taken:
                self.put_back([handover.entry])

    def _insert(self, entry: Entry, place: int) -> None:
        self._entries[entry.report.product][place] = entry
        for key in _keys(entry.report):
            self._places.setdefault(key, OrderedDict())[place] = entry.report.product

    def _remove(self, product: Product, place: int) -> Entry:
        entry = self._entries[product].pop(place)
        for key in _keys(entry.report):
            places = self._places[key]
            del places[place]
            if not places:
                del self._places[key]
        return entry
