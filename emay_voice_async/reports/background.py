"""The background reader: asks the service for reports while calls wait for theirs."""

import asyncio
import logging
from collections.abc import Iterable
from contextvars import Context
from typing import Final

from emay_voice_async.errors import EmayVoiceError, OutcomeUnknownError
from emay_voice_async.model.endpoints import MAX_REPORTS, Product
from emay_voice_async.reports.polling import backoff, jittered, may_pass
from emay_voice_async.reports.requests import NOT_READABLE, ReportRequests

__all__ = ["BackgroundReader"]

logger: logging.Logger = logging.getLogger(__name__)

WAITING_INTERVAL: Final = 2.0
"""Seconds between two requests while a report is awaited."""


class BackgroundReader:
    """A task that asks for the reports of all awaited products, and ends when no waiter is left."""

    def __init__(self, requests: ReportRequests) -> None:
        self._exchanges = requests.exchanges
        self._mailbox = requests.mailbox
        self._requests = requests
        self._products: set[Product] = set()
        self._task: asyncio.Task[None] | None = None
        self._failures = 0

    def ask_for(self, products: Iterable[Product]) -> None:
        """Ask for these products, too, as long as a waiter waits."""
        self._products.update(products)
        if self._products and (self._task is None or self._task.done()):
            # In a context of its own: the reader outlives the waiter that began it, and serves others as well.
            task = asyncio.get_running_loop().create_task(self._read(), context=Context())
            self._task = self._exchanges.tasks.keep(task)

    def close(self) -> None:
        """End the task."""
        if self._task is not None:
            self._task.cancel()

    async def _read(self) -> None:
        # An eager task begins before the waiter is registered.
        await asyncio.sleep(0)
        self._failures = 0
        while self._mailbox.is_awaited and self._products:
            count = 0
            for product in tuple(self._products):
                count += await self._read_once(product)
            if self._mailbox.is_awaited and not count:
                failures = self._failures
                pause = backoff(WAITING_INTERVAL, failures) if failures else jittered(WAITING_INTERVAL)
                await asyncio.sleep(pause)
        self._products.clear()

    async def _read_once(self, product: Product) -> int:
        try:
            received = await self._requests.request(product, MAX_REPORTS, None)
        except EmayVoiceError as error:
            if not may_pass(error, proved=self._requests.proved):
                self._give_up(product, error)
                return 0
            self._exchanges.count("report_failures")
            lost = "; reports may have been lost" if isinstance(error, OutcomeUnknownError) else ""
            self._fail(f"{error}{lost}", error.request_id)
            return 0
        if received.unreadable and not received.readable:
            self._fail(NOT_READABLE)
            return 0
        self._failures = 0
        return received.all

    def _fail(self, reason: str, request_id: str = "") -> None:
        """Let the next requests wait longer, and say so."""
        self._failures += 1
        text = "asking for reports goes on after failure %d: %s"
        logger.warning(text, self._failures, reason, extra={"emay_request_id": request_id})

    def _give_up(self, product: Product, error: EmayVoiceError) -> None:
        """Ask for a product no more; waiters for reports of the other product go on waiting."""
        logger.warning(
            "no reports of %s can be had: %s", product, error, extra={"emay_request_id": error.request_id}
        )
        self._products.discard(product)
        if not self._products:
            self._mailbox.fail(error)
