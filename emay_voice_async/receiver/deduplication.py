"""Deduplication of pushed reports: each report is handled once.

How often the service repeats a failed push is not documented, and a duplicate can arrive while the first one is
being handled. So a report is claimed before the handling and the claim is settled afterwards. A push is confirmed
only when every report in it was handled, by this push or by another.
"""

import asyncio
import hashlib
import logging
import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from enum import Enum
from operator import attrgetter
from typing import Final, Protocol, runtime_checkable

from attrs import fields

from emay_voice_async.model.checks import check_count
from emay_voice_async.model.codes import CallState
from emay_voice_async.model.endpoints import Product
from emay_voice_async.model.results import Report

__all__ = ["ClaimResult", "RecentReports", "ReportStore", "deliver_once", "report_key"]

_LOG: Final = logging.getLogger(__name__)

_WORDS: Final[dict[Product | CallState, str]] = {member: member.name for member in (*Product, *CallState)}
_other_values: Final = attrgetter(
    *sorted(
        {attribute.name for attribute in fields(Report)}
        - {"product", "state", "called_at", "recording", "unreadable"}
    )
)
_SLICE: Final = 500
"""Reports whose keys are made between two turns of the event loop."""


class ClaimResult(Enum):
    """The answer of a store to the claim of one report."""

    CLAIMED = "claimed"
    """New: the caller holds the claim, handles the report, and settles the claim."""
    HELD = "held"
    """Another caller holds the claim and is handling the report."""
    HANDLED = "handled"
    """The report was handled before."""


@runtime_checkable
class ReportStore(Protocol):
    """Remembers the reports that were handled, in one process or shared by several.

    Keys are texts of 32 characters. The receiver calls in this order, for each push::

        results = await store.claim(keys)               # before the handler
        await store.settle(claimed, handled=...)        # after the handler, however it ended
        await store.wait(key)                           # for a key that was held; then claim again

    All methods are called in the event loop of the receiver, in the task of the request, by many tasks at the same
    time, and for the same keys. All methods must have timeouts of their own, and must not block the event loop.

    Failures: an exception of ``claim`` or ``wait`` is logged, and the push is answered 500, so that the service pushes
    again. An exception of ``settle`` is logged and changes no response: the claims stay until they expire.

    Cancelling: a server cancels a request whose client is gone. A claim that is cancelled may have been made; a
    cancelled ``wait`` changes no claim.

    In a store that outlives the process a claim must expire, after longer than ``handler_timeout``: otherwise the
    claims of a process that died would never end. :class:`emay_voice_async.testing.ReportStoreSuite` has each promise
    as a rule.
    """

    async def claim(self, keys: Sequence[str]) -> Sequence[ClaimResult]:
        """Claim each new key atomically; return the result for each key, in order, without waiting for other claims.

        Of equal keys in one call the first is claimed, and the others are held.
        """
        ...

    async def settle(self, keys: Sequence[str], *, handled: bool) -> None:
        """End claims of the caller: as handled, or, if not ``handled``, so that the keys are new again.

        A claim that expired and was made by another process since then stays as it is.
        """
        ...

    async def wait(self, key: str) -> None:
        """Wait until another caller's claim has ended; an early return is allowed.

        Returns at once for a key without a claim. The receiver bounds the wait by ``handler_timeout``.
        """
        ...


class RecentReports:
    """A store of the last ``maxsize`` handled reports, for one process and one event loop."""

    def __init__(self, maxsize: int = 100_000) -> None:
        check_count("maxsize", maxsize)
        self._maxsize = maxsize
        # An OrderedDict removes the oldest key in constant time; a dict does not.
        self._handled: OrderedDict[str, None] = OrderedDict()
        self._held: dict[str, asyncio.Event] = {}

    async def claim(self, keys: Sequence[str]) -> Sequence[ClaimResult]:
        """Claim each new key; without an ``await``, so that all are claimed at once."""
        ended = asyncio.Event()
        return [self._claim(key, ended) for key in keys]

    def _claim(self, key: str, ended: asyncio.Event) -> ClaimResult:
        if key in self._handled:
            return ClaimResult.HANDLED
        if key in self._held:
            return ClaimResult.HELD
        self._held[key] = ended
        return ClaimResult.CLAIMED

    async def settle(self, keys: Sequence[str], *, handled: bool) -> None:
        """End claims, wake their waiters, and forget the oldest reports."""
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


def report_key(app_id: str, report: Report, *, plain: bool = False) -> str:
    """Return a key that is equal for duplicates of a report: a digest of all fields.

    ``app_id`` is the account of the push, so that one account cannot make reports of another count as duplicates.
    ``plain``: the report came in a plain push, which is not authenticated, and is no duplicate of an encrypted one.
    A report without a message id is never a duplicate: the key is random.
    """
    if not report.message_id:
        return secrets.token_hex(16)
    called_at, recording = report.called_at, report.recording
    values = (
        app_id,
        plain,
        _WORDS[report.product],
        _WORDS[report.state],
        None if called_at is None else called_at.isoformat(),
        # A recording may be large.
        None if recording is None else hashlib.blake2b(recording).digest(),
        # As a dict: the repr of a report shows no raw values.
        dict(report.unreadable),
        _other_values(report),
    )
    # A digest is short, and a shared database does not learn the content of reports.
    return hashlib.blake2b(repr(values).encode(), digest_size=16).hexdigest()


async def deliver_once(
    store: ReportStore,
    app_id: str,
    reports: Sequence[Report],
    handler: Callable[[list[Report]], Awaitable[None]],
    *,
    plain: bool = False,
    patience: float | None = None,
) -> None:
    """Hand the reports that were not handled yet to ``handler``; return when all reports are handled.

    A report that another push is handling is waited for, up to ``patience`` seconds from now
    (:class:`TimeoutError`), and handed over if that push fails. No claim is held while waiting, so two pushes with
    common reports cannot block each other. Exceptions of the handler are raised.
    """
    deadline = None if patience is None else asyncio.get_running_loop().time() + patience
    pending: dict[str, Report] = {}
    for start in range(0, len(reports), _SLICE):
        if start:
            await asyncio.sleep(0)
        slice_ = reports[start : start + _SLICE]
        pending.update((report_key(app_id, report, plain=plain), report) for report in slice_)
    while pending:
        results = dict(zip(pending, await store.claim(list(pending)), strict=True))
        claimed = {key: report for key, report in pending.items() if results[key] is ClaimResult.CLAIMED}
        pending = {key: report for key, report in pending.items() if results[key] is ClaimResult.HELD}
        if claimed:
            await _handle(store, claimed, handler)
        if pending:
            async with asyncio.timeout_at(deadline):
                await store.wait(next(iter(pending)))


async def _handle(
    store: ReportStore, claimed: dict[str, Report], handler: Callable[[list[Report]], Awaitable[None]]
) -> None:
    handled = False
    try:
        await handler(list(claimed.values()))
        handled = True
    finally:
        try:
            await store.settle(list(claimed), handled=handled)
        except Exception:
            # A failure here does not change whether the reports were handled; the claims expire.
            _LOG.exception("the claims of %d reports could not be settled", len(claimed))
