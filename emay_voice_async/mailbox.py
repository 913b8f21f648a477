"""Reports that arrived, from there until somebody takes them: in order, or by the id of their call."""

import asyncio
import logging
import random
from collections import OrderedDict
from collections.abc import Iterable
from operator import itemgetter
from pathlib import Path
from typing import Final

from attrs import define

from emay_voice_async.endpoints import Product
from emay_voice_async.errors import EmayVoiceError, InvalidRequestError, ReportTimeoutError
from emay_voice_async.results import Report, Ticket

__all__ = ["Entry", "Key", "Mailbox", "Page", "jittered", "keys_of", "put_aside", "remove"]

logger = logging.getLogger(__name__)

_JITTER: Final = 0.2

Key = tuple[str, str]
"""What a report is awaited by: ("message", its message id), ("custom", its custom id), or ("nameless", its
custom id) if it has no message id."""


def keys_of(awaited: Ticket | str) -> tuple[Key, ...]:
    """Return what to look for: a text is a custom id; a ticket is its message id.

    The custom id of a ticket counts only in reports without a message id: it may have been used for
    an earlier call as well.
    """
    if isinstance(awaited, Ticket):
        keys = (("message", awaited.message_id), ("nameless", awaited.custom_id))
        if not awaited.message_id:
            keys = (("custom", awaited.custom_id), ("custom", ""))
    else:
        keys = (("custom", awaited), ("custom", ""))
    found = tuple((kind, value) for kind, value in keys if isinstance(value, str) and value)
    if not found:
        raise InvalidRequestError("awaited", "must be a Ticket or a custom id", None, type(awaited).__name__)
    return found


def _keys(report: Report) -> list[Key]:
    custom = "custom", report.custom_id
    nameless = "nameless", "" if report.message_id else report.custom_id
    keys = (("message", report.message_id), custom, nameless)
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
    handover: "_Handover | None" = None
    """Set when it went to somebody who waits for it."""

    def take(self) -> Report:
        """Count it as taken."""
        if self.page is not None:
            self.page.left -= 1
            self.page.close_if_empty()
        return self.report


@define(eq=False)
class _Handover:
    """A report on its way to those who wait for it; ``holders`` counts who has not given it back."""

    entry: Entry
    holders: int
    opened: bool = False

    def open(self) -> Entry:
        """Return the report; its spooled answer is counted by the first one only."""
        page = None if self.opened else self.entry.page
        self.opened = True
        return Entry(self.entry.report, page, self)


@define(eq=False)
class _Waiter:
    """Somebody who waits for a report by any of these keys."""

    keys: tuple[Key, ...]
    future: "asyncio.Future[_Handover]"


class Mailbox:
    """The reports of all products that nobody has taken, and those who wait for one.

    Where each report is by its ids is only known from the first search among reports that are kept until
    all are taken: who drains them in order saves half of the time.
    """

    def __init__(self) -> None:
        self._entries: dict[Product, OrderedDict[int, Entry]] = {one: OrderedDict() for one in Product}
        self._places: dict[Key, OrderedDict[int, Product]] = {}
        self._indexed = False
        self._last = 0
        self._first = 0
        self._waiters: dict[Key, list[_Waiter]] = {}
        self._idle: set[asyncio.Future[None]] = set()

    @property
    def reports(self) -> tuple[Report, ...]:
        """Every report that nobody has taken, oldest first, one product after the other."""
        return tuple(entry.report for entries in self._entries.values() for entry in entries.values())

    @property
    def is_awaited(self) -> bool:
        """Whether somebody waits for a report by its id."""
        return bool(self._waiters)

    def count(self, product: Product) -> int:
        """Count the reports of a product."""
        return len(self._entries[product])

    def put(self, entry: Entry) -> None:
        """Hand a report to those who wait for just this one, or keep it for whoever comes next."""
        if self._waiters and self._hand_over(entry):
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
            for key in _keys(entry.report) if self._indexed else ():
                self._places[key].move_to_end(self._first, last=False)

    def pop(self, product: Product) -> Entry | None:
        """Take out the oldest report of a product."""
        entries = self._entries[product]
        if not entries:
            return None
        if not self._indexed:
            return entries.popitem(last=False)[1]
        return self._remove(product, next(iter(entries)))

    async def news(self, interval: float) -> None:
        """Wait until a report was kept, or so many seconds have passed."""
        waiting = asyncio.get_running_loop().create_future()
        self._idle.add(waiting)
        try:
            await asyncio.wait({waiting}, timeout=interval)
        finally:
            self._idle.discard(waiting)

    def wake(self) -> None:
        """End the waiting for news."""
        for one in self._idle:
            if not one.done():
                one.set_result(None)

    async def find(self, keys: tuple[Key, ...], patience: float) -> Entry:
        """Take out the report with one of these ids, waiting up to ``patience`` seconds for it to come.

        Raises :class:`ReportTimeoutError`, or the error given to :meth:`fail`.
        """
        self._index()
        for key in keys:
            for place, product in self._places.get(key, {}).items():
                return self._remove(product, place)
        waiter = _Waiter(keys, asyncio.get_running_loop().create_future())
        for key in keys:
            self._waiters.setdefault(key, []).append(waiter)
        try:
            await asyncio.wait({waiter.future}, timeout=patience)
        except asyncio.CancelledError:
            self._leave(waiter)
            raise
        if not waiter.future.done():
            self._leave(waiter)
            raise ReportTimeoutError(patience)
        return waiter.future.result().open()

    def give_back(self, entry: Entry) -> None:
        """Put a report that was found in front of all others, unless somebody else got it, too."""
        if entry.handover is None:
            self.put_back([entry])
        else:
            self._drop(entry.handover)

    def fail(self, error: EmayVoiceError) -> None:
        """Let everybody who waits for a report by its id know that none will come."""
        for waiter in [one for waiters in self._waiters.values() for one in waiters]:
            if not waiter.future.done():
                waiter.future.set_exception(error)
        self._waiters.clear()

    def _leave(self, waiter: _Waiter) -> None:
        """Stop waiting; a report that came in this very moment is for somebody else."""
        if not waiter.future.done():
            self._forget(waiter)
        elif waiter.future.exception() is None:
            self._drop(waiter.future.result())

    def _drop(self, handover: _Handover) -> None:
        handover.holders -= 1
        if not handover.holders:
            self.put_back([handover.entry])

    def _forget(self, waiter: _Waiter) -> None:
        for key in waiter.keys:
            waiters = self._waiters[key]
            waiters.remove(waiter)
            if not waiters:
                del self._waiters[key]

    def _hand_over(self, entry: Entry) -> bool:
        waiting = {id(one): one for key in _keys(entry.report) for one in self._waiters.get(key, ())}
        handover = _Handover(entry, len(waiting))
        for one in waiting.values():
            self._forget(one)
            one.future.set_result(handover)
        return bool(waiting)

    def _insert(self, entry: Entry, place: int) -> None:
        self._entries[entry.report.product][place] = entry
        if self._indexed:
            self._note(entry, place)

    def _note(self, entry: Entry, place: int) -> None:
        for key in _keys(entry.report):
            self._places.setdefault(key, OrderedDict())[place] = entry.report.product

    def _index(self) -> None:
        """Know from now on where the reports are, if there are any."""
        if not self._indexed and any(self._entries.values()):
            self._indexed = True
            for place, entry in sorted(
                (item for entries in self._entries.values() for item in entries.items()), key=itemgetter(0)
            ):
                self._note(entry, place)

    def _remove(self, product: Product, place: int) -> Entry:
        entry = self._entries[product].pop(place)
        for key in _keys(entry.report):
            places = self._places[key]
            del places[place]
            if not places:
                del self._places[key]
        self._indexed = any(self._entries.values())
        return entry
