"""The background reader: asks the service for reports while calls wait for theirs."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from emay_voice_async.errors import EmayVoiceError, OutcomeUnknownError
from emay_voice_async.exchange.exchanges import Exchanges
from emay_voice_async.model.endpoints import Product
from emay_voice_async.reports.mailbox import Mailbox

__all__ = ["BackgroundReader", "jittered"]

logger: logging.Logger = logging.getLogger(__name__)

WAITING_INTERVAL: Final = 2.0
"""Seconds between two requests while a report is awaited."""
_JITTER: Final = 0.2


def jittered(seconds: float) -> float:
    """Return a time within a fifth of ``seconds``, so that many clients do not ask at the same moments."""
    return seconds * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311 - no secret


class BackgroundReader:
    """A task that asks for the reports of all awaited products, and ends when no waiter is left.

    ``request`` makes a getReport of a product and returns the number of reports.
    """

    def __init__(
        self, exchanges: Exchanges, mailbox: Mailbox, request: Callable[[Product], Awaitable[int]]
    ) -> None:
        self._exchanges = exchanges
        self._mailbox = mailbox
        self._request = request
        self._products: set[Product] = set()
        self._task: asyncio.Task[None] | None = None

    def ask_for(self, products: Iterable[Product]) -> None:
        """Ask for these products, too, as long as a waiter waits."""
        self._products.update(products)
        if self._products and (self._task is None or self._task.done()):
            self._task = self._exchanges.tasks.keep(asyncio.ensure_future(self._read()))

    def close(self) -> None:
        """End the task."""
        if self._task is not None:
            self._task.cancel()

    async def _read(self) -> None:
        # An eager task begins before the waiter is registered.
        await asyncio.sleep(0)
        while self._mailbox.is_awaited and self._products:
            count = 0
            for product in tuple(self._products):
                count += await self._read_once(product)
            if self._mailbox.is_awaited and not count:
                await asyncio.sleep(jittered(WAITING_INTERVAL))
        self._products.clear()

    async def _read_once(self, product: Product) -> int:
        try:
            return await self._request(product)
        except OutcomeUnknownError as error:
            logger.warning("reports may have been lost: %s", error)
        except EmayVoiceError as error:
            # A permanent error. Waiters for reports of the other product go on waiting.
            logger.warning("no reports of %s can be had: %s", product, error)
            self._products.discard(product)
            if not self._products:
                self._mailbox.fail(error)
        return 0
