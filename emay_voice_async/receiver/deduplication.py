"""Reports passed on once: who claims a report handles it, and whoever else has it waits for that.

How often the service repeats a push that failed is nowhere documented, and a repeat can arrive
while the first one is still at work. So a report is claimed before it is handled, the claim is
settled after, and a push is confirmed only when every report in it was handled, here or elsewhere.
"""

import asyncio
import hashlib
import json
import logging
import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from enum import Enum
from typing import Final, Protocol, runtime_checkable

from emay_voice_async.model.checks import check_count
from emay_voice_async.model.results import Report

__all__ = ["Claim", "RecentReports", "ReportStore", "deliver_once", "report_key"]

_LOG: Final = logging.getLogger(__name__)


class Claim(Enum):
    """What a store says to somebody who has a report in hand."""

    YOURS = "yours"
    """New, and claimed for you from this moment on: handle it, then settle it."""
    HELD = "held"
    """Somebody else is handling it."""
    HANDLED = "handled"
    """It was handled before."""


@runtime_checkable
class ReportStore(Protocol):
    """Remembers which reports were handled: in one process, or shared by several.

    Keys are texts of 32 characters. A store that outlives the process lets a claim expire (after
    longer than a handler may take), or a crash would hold it forever; and it bounds its own I/O.
    """

    async def claim(self, keys: Sequence[str]) -> Sequence[Claim]:
        """Claim each key that is new, atomically, and say for each what it is; never wait for others."""
        ...

    async def settle(self, keys: Sequence[str], *, handled: bool) -> None:
        """End claims: as handled, or (not ``handled``) so that the next one may claim them."""
        ...

    async def wait(self, key: str) -> None:
        """Return when the claim that somebody else holds has ended, or sooner: it is asked again."""
        ...


class RecentReports:
    """The store of one process and one event loop: the last ``maxsize`` reports that were handled."""

    def __init__(self, maxsize: int = 100_000) -> None:
        check_count("maxsize", maxsize)
        self._maxsize = maxsize
        # Ordered for the sake of its front, which a dict is slow to find.
        self._handled: OrderedDict[str, None] = OrderedDict()
        self._held: dict[str, asyncio.Event] = {}

    async def claim(self, keys: Sequence[str]) -> Sequence[Claim]:
        """Claim each key that is new; there is no point in it at which others could run."""
        ended = asyncio.Event()
        return [self._claim(key, ended) for key in keys]

    def _claim(self, key: str, ended: asyncio.Event) -> Claim:
        if key in self._handled:
            return Claim.HANDLED
        if key in self._held:
            return Claim.HELD
        self._held[key] = ended
        return Claim.YOURS

    async def settle(self, keys: Sequence[str], *, handled: bool) -> None:
        """End claims, wake those who wait for them, and forget the oldest reports."""
        for key in keys:
            self._held.pop(key).set()
            if handled:
                self._handled[key] = None
        while len(self._handled) > self._maxsize:
            self._handled.popitem(last=False)

    async def wait(self, key: str) -> None:
        """Wait until the claim has ended."""
        if (ended := self._held.get(key)) is not None:
            await ended.wait()


def report_key(app_id: str, report: Report) -> str:
    """Return what a report has in common with its repeats: account, product, message id, state.

    ``app_id`` is the account whose key opened the push, so that no account can make another's
    reports look like repeats. A report without a message id is nobody's repeat: its key is new.
    """
    if not report.message_id:
        return secrets.token_hex(16)
    # Hashed: as short for a long id, and no content of a report in somebody's database.
    names = json.dumps([app_id, report.product.value, report.message_id, report.raw_state])
    return hashlib.blake2b(names.encode(), digest_size=16).hexdigest()


async def deliver_once(
    store: ReportStore,
    app_id: str,
    reports: Iterable[Report],
    handler: Callable[[list[Report]], Awaitable[None]],
    *,
    patience: float | None = None,
) -> None:
    """Hand those reports to ``handler`` that nobody handled yet; return when all are handled.

    A report that somebody else is handling is waited for, up to ``patience`` seconds from now
    (:class:`TimeoutError`), and taken over when that fails. Nothing is claimed while waiting, so two
    pushes that share reports cannot wait for each other. What the handler raises is raised here.
    """
    left = {report_key(app_id, report): report for report in reports}
    deadline = None if patience is None else asyncio.get_running_loop().time() + patience
    while left:
        claims = dict(zip(left, await store.claim(list(left)), strict=True))
        mine = {key: report for key, report in left.items() if claims[key] is Claim.YOURS}
        left = {key: report for key, report in left.items() if claims[key] is Claim.HELD}
        if mine:
            await _handle(store, mine, handler)
        if left:
            async with asyncio.timeout_at(deadline):
                await store.wait(next(iter(left)))


async def _handle(
    store: ReportStore, mine: dict[str, Report], handler: Callable[[list[Report]], Awaitable[None]]
) -> None:
    handled = False
    try:
        await handler(list(mine.values()))
        handled = True
    finally:
        try:
            await store.settle(list(mine), handled=handled)
        except Exception:
            # Whether they were handled does not depend on it; the claims end when they expire.
            _LOG.exception("the claims of %d reports could not be settled", len(mine))
