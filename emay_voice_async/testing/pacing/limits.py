"""Rules of a pacer: how many requests, and how long a slot is kept."""

import asyncio
from typing import Final

from emay_voice_async.model.endpoints import Call
from emay_voice_async.model.limits import RateLimit, RateLimits
from emay_voice_async.pacing.protocol import Pacer
from emay_voice_async.testing.pacing.making import (
    CountingService,
    PacerRules,
    acquired_after,
    not_granted,
    waiting,
)
from emay_voice_async.testing.rules import rule, same, true

__all__ = ["LimitRules"]

_TRIES: Final = 5
"""A busy machine may be late a few times."""


class LimitRules(PacerRules):
    """The number of slots, and the end of a lease."""

    @rule
    async def test_as_many_requests_as_the_limit_are_granted(self) -> None:
        """As many leases as the limit allows are granted without the end of another lease."""
        async with self.pacer(3) as pacer:
            for lease in [await pacer.acquire(Call.SEND) for _ in range(3)]:
                lease.give_back()

    @rule
    async def test_no_more_requests_than_the_limit_are_granted(self) -> None:
        """While as many leases are open as the limit allows, no further lease is granted."""
        async with self.pacer(2) as pacer:
            leases = [await pacer.acquire(Call.SEND) for _ in range(2)]
            async with waiting(pacer) as task:
                await not_granted(task, 2 * self.period, "a third request waits while two leases are open")
            for lease in leases:
                lease.give_back()

    @rule
    async def test_a_slot_is_kept_for_a_period_after_the_response(self) -> None:
        """A slot whose lease has ended is free a period later, no sooner."""
        async with self.pacer(1) as pacer:
            (await pacer.acquire(Call.SEND)).end()
            await self._granted_after(pacer, self.period)

    @rule
    async def test_the_period_counts_from_the_response(self) -> None:
        """The period counts from the end of the lease, however long the request took."""
        async with self.pacer(1) as pacer:
            lease = await pacer.acquire(Call.SEND)
            await asyncio.sleep(1.5 * self.period)
            lease.end()
            await self._granted_after(pacer, self.period)

    @rule
    async def test_a_request_without_a_response_keeps_its_slot_longer(self) -> None:
        """A lease that ends ``after`` some seconds keeps the slot for these seconds and a period."""
        async with self.pacer(1) as pacer:
            (await pacer.acquire(Call.SEND)).end(after=1.5 * self.period)
            await self._granted_after(pacer, 2.5 * self.period)

    async def _granted_after(self, pacer: Pacer, seconds: float) -> None:
        lease, took = await acquired_after(pacer)
        lease.give_back()
        true(took >= seconds, f"the next slot {seconds:g} seconds later, not after {took:g}")

    @rule
    async def test_a_slot_is_not_kept_for_much_longer(self) -> None:
        """A slot whose lease has ended is free soon after the period."""
        async with self.pacer(1) as pacer:
            took = []
            for _ in range(_TRIES):
                (await pacer.acquire(Call.SEND)).end()
                lease, seconds = await acquired_after(pacer)
                lease.give_back()
                took.append(seconds)
            quickest = min(took)
            true(
                quickest < 3 * self.period, f"the next slot within 3 periods, not after {quickest:g} seconds"
            )

    @rule
    async def test_a_lease_that_is_given_back_frees_its_slot_at_once(self) -> None:
        """A slot whose lease is given back is free at once."""
        async with self.pacer(1) as pacer:
            took = []
            lease = await pacer.acquire(Call.SEND)
            for _ in range(_TRIES):
                lease.give_back()
                lease, seconds = await acquired_after(pacer)
                took.append(seconds)
            lease.give_back()
            quickest = min(took)
            true(quickest < self.period, f"the next slot at once, not after {quickest:g} seconds")

    @rule
    async def test_the_service_refuses_no_request(self) -> None:
        """Many requests at once are all granted, and the service's exact window, in milliseconds, refuses none."""
        async with self.pacer(3) as pacer:
            service = CountingService(3, self.period)

            async def send() -> None:
                lease = await pacer.acquire(Call.SEND)
                lease.end(over_speed=not service.arrive())

            async with asyncio.TaskGroup() as group:
                for _ in range(12):
                    group.create_task(send())
            same((service.counted, service.refused), (12, 0), "requests counted and refused")

    @rule
    async def test_pacers_of_an_account_share_its_limit(self) -> None:
        """The pacers of all processes of an account have one limit together."""
        limit = RateLimit(2, self.period)
        async with self.pacers(RateLimits(send=limit)) as make:
            one, other = make(), make()
            leases = [await one.acquire(Call.SEND) for _ in range(2)]
            async with waiting(other) as task:
                await not_granted(task, 2 * self.period, "another process waits while two leases are open")
            for lease in leases:
                lease.give_back()
            (await other.acquire(Call.SEND)).give_back()

    @rule
    async def test_each_kind_of_call_has_slots_of_its_own(self) -> None:
        """Requests of one kind take no slot of another kind."""
        async with self.pacer(1) as pacer:
            for lease in [await pacer.acquire(call) for call in Call]:
                lease.give_back()

    @rule
    async def test_an_unlimited_call_never_waits(self) -> None:
        """Requests without a limit are granted, in any number; the limit in force is None."""
        async with self.pacer(None) as pacer:
            leases = [await pacer.acquire(Call.SEND) for _ in range(20)]
            for place, lease in enumerate(leases):
                lease.end() if place % 2 else lease.give_back()
            same(pacer.limit(Call.SEND), None, "the limit in force")

    @rule
    async def test_the_limit_in_force_is_known(self) -> None:
        """The limit in force is that of the account, before the first request and after."""
        async with self.pacer(3) as pacer:
            for case in ("before the first request", "after a request"):
                same(pacer.limit(Call.SEND), RateLimit(3, self.period), case)
                (await pacer.acquire(Call.SEND)).end()

    @rule
    async def test_a_refusal_for_speed_slows_the_pacer_down(self) -> None:
        """After ERROR_OVER_SPEED the limit in force is lower."""
        async with self.pacer(4) as pacer:
            (await pacer.acquire(Call.SEND)).end(over_speed=True)
            for _ in range(4):
                (await pacer.acquire(Call.SEND)).end()
            limit = pacer.limit(Call.SEND)
            true(limit is not None and limit.requests < 4, f"a lower limit than 4 requests, not {limit}")

    @rule
    async def test_a_slow_pacer_still_grants(self) -> None:
        """However often the service refuses for speed, requests are still granted."""
        async with self.pacer(1) as pacer:
            for _ in range(3):
                (await pacer.acquire(Call.SEND)).end(over_speed=True)
            (await pacer.acquire(Call.SEND)).give_back()
