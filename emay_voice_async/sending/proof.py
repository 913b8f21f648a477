"""Proof of the address: how many requests of a run may be in flight, and which responses stop the run.

A wrong address must not leave a whole list "perhaps called". So the run begins with a single request in flight:

=============  ==========================  ======================  ==========================================
trust          documented response         no usable response      no connection
=============  ==========================  ======================  ==========================================
UNPROVEN       PROVEN                      the run stops           the 5th batch in a row stops the run; at
                                                                   once if a setting must be corrected first
PROVEN         PROVEN                      DOUBTED                 no change: certainly not sent
DOUBTED        PROVEN                      DOUBTED; the 5th in a   no change
                                           row stops the run
=============  ==========================  ======================  ==========================================

PROVEN allows ``max_concurrency`` requests in flight, the others one. A documented response is a success or a
refusal. "No usable response" is a response outside the API document, an HTTP status of "not acted on" (such as
404), a timeout, or a broken connection: a timeout is no response, but it leaves a batch unknown all the same, so
that an address that never answers leaves one batch unknown, too.
"""

import asyncio
from enum import Enum
from typing import Final

from emay_voice_async.errors import NotSentError, RefusedError

__all__ = ["MAX_FAILURES", "AddressProof", "Trust"]

MAX_FAILURES: Final = 5
"""Batches in a row without a documented response that stop a run."""


class Trust(Enum):
    """The trust in the address after the responses of a run so far."""

    UNPROVEN = "unproven"
    PROVEN = "proven"
    DOUBTED = "doubted"


class AddressProof:
    """The trust of one run in its address. ``stop_reason`` is a sentence once the run must stop."""

    def __init__(self) -> None:
        self.trust: Trust = Trust.UNPROVEN
        self.stop_reason: str | None = None
        self._failures = 0
        self._turn_of: object | None = None
        self._in_flight: set[object] = set()
        self._waiting: dict[object, asyncio.Future[None]] = {}

    def may_post(self, batch: object) -> bool:
        """Return whether a request of the batch may be posted now."""
        if self.trust is Trust.PROVEN:
            return True
        if self._turn_of is None and not self._in_flight and self.stop_reason is None:
            self._turn_of = batch
        return self._turn_of is batch

    async def wait(self, batch: object) -> None:
        """Wait until :meth:`may_post` is true for the batch, in order of arrival."""
        future = self._waiting[batch] = asyncio.get_running_loop().create_future()
        try:
            await future
        finally:
            self._waiting.pop(batch, None)

    def posted(self, batch: object) -> None:
        """Note that a request of the batch is in flight."""
        self._in_flight.add(batch)

    def returned(self, batch: object) -> None:
        """Note that no request of the batch is in flight, and that the batch keeps its turn."""
        self._in_flight.discard(batch)

    def left(self, batch: object) -> None:
        """Note that the batch has ended or waits again, and give the turn to the next waiting batch."""
        self._in_flight.discard(batch)
        if self._turn_of is batch:
            self._turn_of = None
        if self._turn_of is None and not self._in_flight and self.stop_reason is None:
            for following, future in self._waiting.items():
                if not future.done():
                    self._turn_of = following
                    future.set_result(None)
                    break

    def documented(self) -> None:
        """Note a documented response: the address is right."""
        self._failures = 0
        if self.trust is not Trust.PROVEN:
            self.trust = Trust.PROVEN
            self._turn_of = None
            for future in self._waiting.values():
                if not future.done():
                    future.set_result(None)

    def failed(self, error: Exception) -> None:
        """Note that a posted request ended with ``error``."""
        if isinstance(error, RefusedError) or self.stop_reason is not None:
            return
        connected = not isinstance(error, NotSentError) or error.status is not None
        if self.trust is Trust.UNPROVEN:
            self._failures += 1
            if connected or (isinstance(error, NotSentError) and error.permanent):
                self.stop_reason = f"the service has not answered as documented before: {error}"
            elif self._failures >= MAX_FAILURES:
                self.stop_reason = f"{MAX_FAILURES} batches in a row had no connection; the last one: {error}"
        elif connected:
            self.trust = Trust.DOUBTED
            self._failures += 1
            if self._failures >= MAX_FAILURES:
                self.stop_reason = (
                    f"{MAX_FAILURES} batches in a row had no usable response; the last one: {error}"
                )
