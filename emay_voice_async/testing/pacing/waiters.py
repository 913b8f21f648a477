"""Rules of a pacer: the order of the waiters, cancellation, and the tasks that end a lease."""

import asyncio
import inspect
from typing import Any

from emay_voice_async.model.endpoints import Call
from emay_voice_async.pacing.protocol import Lease, Pacer
from emay_voice_async.testing.pacing.making import PacerRules, cancelled, waiting
from emay_voice_async.testing.rules import rule, same, true

__all__ = ["WaiterRules"]

_TURNS = 12
"""Turns of the event loop in which a grant may be on its way to a task."""


async def _served(pacer: Pacer, order: list[int], number: int, *, again: bool = False) -> None:
    lease = await pacer.acquire(Call.SEND, again=again)
    order.append(number)
    lease.give_back()


class WaiterRules(PacerRules):
    """Requests that wait, and tasks that are cancelled."""

    async def _order(self, *, retry: int | None) -> list[int]:
        """Have requests wait one after another, number ``retry`` as a retry; return the order of the grants."""
        order: list[int] = []
        async with self.pacer(1) as pacer:
            lease = await pacer.acquire(Call.SEND)
            async with asyncio.TaskGroup() as group:
                for number in range(5):
                    group.create_task(_served(pacer, order, number, again=number == retry))
                    await asyncio.sleep(0)
                lease.give_back()
        return order

    @rule
    async def test_requests_are_granted_in_order_of_arrival(self) -> None:
        """Requests of one kind get their slots in the order in which they began to wait."""
        same(await self._order(retry=None), [0, 1, 2, 3, 4], "the order of the grants")

    @rule
    async def test_a_retry_goes_first(self) -> None:
        """A request that is sent again is granted before all other requests that wait."""
        same(await self._order(retry=3), [3, 0, 1, 2, 4], "the order of the grants with a retry as number 3")

    @rule
    async def test_a_cancelled_wait_raises_the_cancellation(self) -> None:
        """A call of acquire that is cancelled while it waits raises CancelledError."""
        async with self.pacer(1) as pacer:
            lease = await pacer.acquire(Call.SEND)
            async with waiting(pacer) as task:
                task.cancel()
                await asyncio.wait({task})
                true(task.cancelled(), "CancelledError from a cancelled acquire")
            lease.give_back()

    @rule
    async def test_a_cancelled_wait_takes_no_slot(self) -> None:
        """A call of acquire that is cancelled while it waits takes no slot, and the next waiter is granted."""
        async with self.pacer(1) as pacer:
            lease = await pacer.acquire(Call.SEND)
            async with waiting(pacer) as first, waiting(pacer) as second:
                await cancelled(first)
                lease.give_back()
                await second
            (await pacer.acquire(Call.SEND)).give_back()

    @rule
    async def test_a_cancelled_grant_takes_no_slot(self) -> None:
        """A call of acquire that is cancelled in any turn of the event loop around its grant takes no slot."""
        async with self.pacer(1) as pacer:
            for turns in range(_TURNS):
                lease = await pacer.acquire(Call.SEND)
                task = asyncio.ensure_future(pacer.acquire(Call.SEND))
                await asyncio.sleep(0)
                lease.give_back()
                for _ in range(turns):
                    await asyncio.sleep(0)
                if await cancelled(task):
                    task.result().give_back()
                (await pacer.acquire(Call.SEND)).give_back()

    @rule
    async def test_any_task_may_end_a_lease(self) -> None:
        """A lease is ended or given back by any task, also when the task that acquired it has ended."""
        async with self.pacer(2) as pacer:
            leases = [await asyncio.create_task(_acquired(pacer)) for _ in range(2)]
            await asyncio.create_task(_ended(leases[0]))
            leases[1].give_back()
            (await pacer.acquire(Call.SEND)).give_back()

    @rule
    async def test_end_and_give_back_return_at_once(self) -> None:
        """The methods of a lease are no coroutines: the client does not await them."""
        async with self.pacer(2) as pacer:
            for method in ("end", "give_back"):
                lease = await pacer.acquire(Call.SEND)
                returned: Any = getattr(lease, method)()
                if inspect.iscoroutine(returned):
                    returned.close()
                same(returned is None, True, f"{method} returning None")


async def _acquired(pacer: Pacer) -> Lease:
    return await pacer.acquire(Call.SEND)


async def _ended(lease: Lease) -> None:
    lease.end()
