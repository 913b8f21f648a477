"""The tasks of a client: requests that outlive their callers, and callers that wait for a slot."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

from emay_voice_async.errors import NotSentError

__all__ = ["OwnedTasks", "retrieve"]

_Result = TypeVar("_Result")


class OwnedTasks:
    """Owns tasks until they end, and ends waiting callers when the client is closed."""

    def __init__(self) -> None:
        self.closed: bool = False
        self._owned: set[asyncio.Task[Any]] = set()
        self._waiting: set[asyncio.Task[Any]] = set()
        self._evicted: set[asyncio.Task[Any]] = set()
        self._closing: asyncio.Task[None] | None = None

    def keep(self, task: asyncio.Task[_Result]) -> asyncio.Task[_Result]:
        """Own ``task`` until the end: :meth:`aclose` waits, and the garbage collector leaves the task alone."""
        self._owned.add(task)
        task.add_done_callback(self._owned.discard)
        return task

    async def wait(self, awaitable: Awaitable[_Result], path: str) -> _Result:
        """Await a step that comes before a request; raise :class:`NotSentError` if the client is closed."""
        if self.closed:
            if asyncio.iscoroutine(awaitable):
                awaitable.close()
            raise NotSentError("the client was closed before there was a slot", path)
        task = cast("asyncio.Task[Any]", asyncio.current_task())
        cancelled_before = task.cancelling()
        self._waiting.add(task)
        try:
            return await awaitable
        except asyncio.CancelledError:
            # The caller may have been cancelled as well, before or after the closing: that must be raised.
            if not self._end_eviction(task) or task.cancelling() > cancelled_before:
                raise
            raise NotSentError("the client was closed before there was a slot", path) from None
        finally:
            self._waiting.discard(task)
            self._end_eviction(task)

    def _end_eviction(self, task: asyncio.Task[Any]) -> bool:
        """Undo the cancellation of a wait by the closing of the client; return whether a cancellation was undone."""
        if task not in self._evicted:
            return False
        self._evicted.discard(task)
        task.uncancel()
        return True

    async def pause(self, awaitable: Awaitable[object], path: str, deadline: float | None) -> None:
        """Await a pause before a request; raise :class:`NotSentError` if the deadline passes or the client closes.

        ``deadline`` is an instant of the event loop's clock.
        """
        try:
            async with asyncio.timeout_at(deadline):
                await self.wait(awaitable, path)
        except TimeoutError:
            raise NotSentError("the deadline passed before the request was sent", path) from None

    async def aclose(self, finish: Callable[[], Awaitable[None]]) -> None:
        """End the waiting callers, wait for the owned tasks, then await ``finish()``.

        A closing that is cancelled goes on in the background: to cancel a request that is in flight could
        lose reports.
        """
        self.closed = True
        if self._closing is None:
            for task in self._waiting:
                self._evicted.add(task)
                task.cancel()
            self._closing = asyncio.ensure_future(self._close(finish))
        await asyncio.shield(self._closing)

    async def _close(self, finish: Callable[[], Awaitable[None]]) -> None:
        while self._owned:
            await asyncio.wait(self._owned)
        await finish()


def retrieve(future: "asyncio.Future[Any]") -> None:
    """Retrieve the exception of a task or future without a caller: asyncio would log the exception."""
    if not future.cancelled():
        future.exception()
