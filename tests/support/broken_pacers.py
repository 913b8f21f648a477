"""Pacers that break one promise each: the pacer of one process, with one method changed."""

import asyncio
from collections.abc import Callable
from typing import Any

from emay_voice_async import Call, Lease, Pacer, RateLimit, RateLimits
from emay_voice_async.pacing import LocalPacer
from emay_voice_async.pacing.window import HOST_TICK, tolerance


class PacerTwin:
    """Does what a pacer promises; each subclass changes one method."""

    def __init__(self, limits: RateLimits) -> None:
        self.limits = limits
        self.inner = LocalPacer(limits)

    async def acquire(self, call: Call, *, again: bool = False) -> Lease:
        """Acquire a slot."""
        return self.leased(await self.inner.acquire(call, again=again), call)

    def leased(self, lease: Lease, call: Call) -> Lease:
        """Return the lease."""
        return lease

    def limit(self, call: Call) -> RateLimit | None:
        """Return the limit."""
        return self.inner.limit(call)


class LeaseTwin:
    """Does what a lease promises; each subclass changes one method."""

    def __init__(self, inner: Lease, pacer: PacerTwin, call: Call) -> None:
        self.inner = inner
        self.pacer = pacer
        self.began = asyncio.get_running_loop().time()
        self.task = asyncio.current_task()
        limit = pacer.limits.of(call)
        self.period = 0.0 if limit is None else limit.period

    def end(self, *, after: float = 0.0, over_speed: bool = False) -> Any:
        """End the lease."""
        self.inner.end(after=after, over_speed=over_speed)

    def give_back(self) -> Any:
        """Give the slot back."""
        self.inner.give_back()


def _other_limits(by: int) -> type[PacerTwin]:
    class OtherLimits(PacerTwin):
        """Has another limit."""

        def __init__(self, limits: RateLimits) -> None:
            super().__init__(limits)
            send = limits.send
            assert send is not None
            self.inner = LocalPacer(RateLimits(send=RateLimit(send.requests + by, send.period)))

    return OtherLimits


def _with(lease_class: type[LeaseTwin]) -> type[PacerTwin]:
    class OtherLeases(PacerTwin):
        """Has other leases."""

        def leased(self, lease: Lease, call: Call) -> Lease:
            return lease_class(lease, self, call)

    return OtherLeases


class EndsAtOnce(LeaseTwin):
    """The slot is free at the end of the lease."""

    def end(self, *, after: float = 0.0, over_speed: bool = False) -> None:
        """Give back."""
        self.inner.give_back()


class CountsFromTheGrant(LeaseTwin):
    """The period counts from the grant."""

    def end(self, *, after: float = 0.0, over_speed: bool = False) -> None:
        """End earlier."""
        self.inner.end(after=self.began - asyncio.get_running_loop().time())


class IgnoresAfter(LeaseTwin):
    """``after`` is ignored."""

    def end(self, *, after: float = 0.0, over_speed: bool = False) -> None:
        """End now."""
        self.inner.end(over_speed=over_speed)


class EndsLate(LeaseTwin):
    """Slots are kept for ten periods."""

    def end(self, *, after: float = 0.0, over_speed: bool = False) -> None:
        """End later."""
        self.inner.end(after=after + 9 * self.period)


class GivesBackLate(LeaseTwin):
    """A lease that is given back keeps its slot for a period."""

    def give_back(self) -> None:
        """End."""
        self.inner.end()


class HasNoTolerance(LeaseTwin):
    """Slots are kept for exactly a period."""

    def end(self, *, after: float = 0.0, over_speed: bool = False) -> None:
        """End a tolerance earlier."""
        self.inner.end(after=after - tolerance(self.period, HOST_TICK), over_speed=over_speed)


class IgnoresRefusals(LeaseTwin):
    """A refusal for speed changes nothing."""

    def end(self, *, after: float = 0.0, over_speed: bool = False) -> None:
        """End the lease."""
        self.inner.end(after=after)


class KnowsItsTask(LeaseTwin):
    """Only the task that acquired a lease can end it."""

    def end(self, *, after: float = 0.0, over_speed: bool = False) -> None:
        """Check the task."""
        if asyncio.current_task() is not self.task:
            raise RuntimeError("this lease belongs to another task")
        self.inner.end(after=after, over_speed=over_speed)


class EndsAsynchronously(LeaseTwin):
    """The end of a lease is a coroutine."""

    async def end(self, *, after: float = 0.0, over_speed: bool = False) -> None:
        """End."""
        self.inner.end(after=after, over_speed=over_speed)


class SharesKinds(PacerTwin):
    """All kinds of calls have the same slots."""

    async def acquire(self, call: Call, *, again: bool = False) -> Lease:
        """Acquire a slot of sends."""
        return await self.inner.acquire(Call.SEND, again=again)


class LimitsAll(PacerTwin):
    """What has no limit gets one."""

    def __init__(self, limits: RateLimits) -> None:
        super().__init__(limits)
        self.inner = LocalPacer(RateLimits())


class HidesItsLimit(PacerTwin):
    """The limit is not told."""

    def limit(self, call: Call) -> RateLimit | None:
        """Say None."""
        return None


class Stops(PacerTwin):
    """After a refusal for speed no request is granted."""

    async def acquire(self, call: Call, *, again: bool = False) -> Lease:
        """Refuse."""
        if getattr(self, "slowed", False):
            await asyncio.Event().wait()
        return await super().acquire(call, again=again)

    def leased(self, lease: Lease, call: Call) -> Lease:
        """Note the refusal."""

        class Noting(LeaseTwin):
            def end(self, *, after: float = 0.0, over_speed: bool = False) -> None:
                self.pacer.slowed = over_speed  # type: ignore[attr-defined] # of this class only
                self.inner.end(after=after)

        return Noting(lease, self, call)


class ServesTheLastFirst(PacerTwin):
    """The request that came last goes first."""

    async def acquire(self, call: Call, *, again: bool = False) -> Lease:
        """Put each request in front."""
        return await self.inner.acquire(call, again=True)


class IgnoresRetries(PacerTwin):
    """A retry waits at the end of the queue."""

    async def acquire(self, call: Call, *, again: bool = False) -> Lease:
        """Ignore ``again``."""
        return await self.inner.acquire(call)


class HidesCancellation(PacerTwin):
    """A cancellation becomes another error."""

    async def acquire(self, call: Call, *, again: bool = False) -> Lease:
        """Raise another error."""
        try:
            return await self.inner.acquire(call, again=again)
        except asyncio.CancelledError:
            raise RuntimeError("no slot") from None


class LosesCancelledWaits(PacerTwin):
    """A request that was cancelled stays in the queue, and takes a slot."""

    async def acquire(self, call: Call, *, again: bool = False) -> Lease:
        """Shield the wait."""
        return await asyncio.shield(asyncio.ensure_future(self.inner.acquire(call, again=again)))


class LosesCancelledGrants(PacerTwin):
    """A request that is cancelled in the moment of the grant keeps the slot."""

    async def acquire(self, call: Call, *, again: bool = False) -> Lease:
        """Forget a lease that was granted."""
        waiting = asyncio.ensure_future(self.inner.acquire(call, again=again))
        try:
            await asyncio.wait({waiting})
        except asyncio.CancelledError:
            waiting.cancel()
            raise
        return waiting.result()


BROKEN: dict[str, type[PacerTwin]] = {
    "as_many_requests_as_the_limit_are_granted": _other_limits(-1),
    "no_more_requests_than_the_limit_are_granted": _other_limits(1),
    "a_slot_is_kept_for_a_period_after_the_response": _with(EndsAtOnce),
    "the_period_counts_from_the_response": _with(CountsFromTheGrant),
    "a_request_without_a_response_keeps_its_slot_longer": _with(IgnoresAfter),
    "a_slot_is_not_kept_for_much_longer": _with(EndsLate),
    "a_lease_that_is_given_back_frees_its_slot_at_once": _with(GivesBackLate),
    "the_service_refuses_no_request": _with(HasNoTolerance),
    "pacers_of_an_account_share_its_limit": PacerTwin,
    "each_kind_of_call_has_slots_of_its_own": SharesKinds,
    "an_unlimited_call_never_waits": LimitsAll,
    "the_limit_in_force_is_known": HidesItsLimit,
    "a_refusal_for_speed_slows_the_pacer_down": _with(IgnoresRefusals),
    "a_slow_pacer_still_grants": Stops,
    "requests_are_granted_in_order_of_arrival": ServesTheLastFirst,
    "a_retry_goes_first": IgnoresRetries,
    "a_cancelled_wait_raises_the_cancellation": HidesCancellation,
    "a_cancelled_wait_takes_no_slot": LosesCancelledWaits,
    "a_cancelled_grant_takes_no_slot": LosesCancelledGrants,
    "any_task_may_end_a_lease": _with(KnowsItsTask),
    "end_and_give_back_return_at_once": _with(EndsAsynchronously),
}
"""By rule, a pacer that breaks the rule. Two pacers of one process do not share a limit."""


def makers(twin: type[PacerTwin], limits: RateLimits, *, shared: bool) -> Callable[[], Pacer]:
    """Return a function that makes one pacer for all processes, or (``shared`` False) one for each."""
    pacer = twin(limits)
    return (lambda: pacer) if shared else (lambda: twin(limits))
