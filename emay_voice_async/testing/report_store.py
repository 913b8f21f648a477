"""The conformance suite of a report store."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import ClassVar
from unittest import SkipTest

from emay_voice_async.receiver.deduplication import ClaimResult, ReportStore
from emay_voice_async.testing.rules import ConformanceSuite, rule, same, true

__all__ = ["ReportStoreSuite"]

_CLAIMED, _HELD, _HANDLED = ClaimResult.CLAIMED, ClaimResult.HELD, ClaimResult.HANDLED


def _keys(*names: str) -> list[str]:
    """Make keys of 32 characters, as the receiver does."""
    return [name.rjust(32, "0") for name in names]


A, B, C, D = _keys("a", "b", "c", "d")


class ReportStoreSuite(ConformanceSuite):
    """The promises of a :class:`~emay_voice_async.receiver.ReportStore`, each as a rule.

    ::

        class TestMyStore(ReportStoreSuite):
            @asynccontextmanager
            async def stores(self):
                database = new_database()
                yield lambda: MyStore(database)

    ``claims_expire``: True if claims of a process that died end by themselves in the stores of :meth:`stores`, within
    a second or so, for the rule of expiry.
    """

    claims_expire: ClassVar[bool] = False

    def stores(self) -> AbstractAsyncContextManager[Callable[[], ReportStore]]:
        """Provide a function that makes a store that has no reports yet.

        Called again, the function makes a store as another process would have it, with the same reports. Of a store
        for one process the function returns the same store again.
        """
        raise NotImplementedError("return a context manager of a function that makes a store")

    @rule
    async def test_a_new_key_is_claimed(self) -> None:
        """Each new key is claimed, with a result for each key; no keys have no results."""
        async with self.stores() as make:
            store = make()
            same(list(await store.claim([A, B])), [_CLAIMED, _CLAIMED])
            same(list(await store.claim([])), [], "no keys")

    @rule
    async def test_a_claimed_key_is_held(self) -> None:
        """A key that is claimed and not settled is held, for every process; the result comes without waiting."""
        async with self.stores() as make:
            one, other = make(), make()
            await one.claim([A])
            for store in (one, other):
                same(list(await store.claim([A])), [_HELD])

    @rule
    async def test_a_handled_key_stays_handled(self) -> None:
        """A key that was settled as handled is handled from then on, for every process."""
        async with self.stores() as make:
            one, other = make(), make()
            await one.claim([A])
            await one.settle([A], handled=True)
            for store in (one, other, one):
                same(list(await store.claim([A])), [_HANDLED])

    @rule
    async def test_a_key_that_was_not_handled_is_new_again(self) -> None:
        """A key that was settled as not handled can be claimed again, by every process."""
        async with self.stores() as make:
            one, other = make(), make()
            await one.claim([A, B])
            await one.settle([A, B], handled=False)
            same(list(await one.claim([A])), [_CLAIMED], "the same process")
            same(list(await other.claim([B])), [_CLAIMED], "another process")

    @rule
    async def test_results_keep_the_order_of_the_keys(self) -> None:
        """A claim has one result for each key, in the order of the keys."""
        async with self.stores() as make:
            store = make()
            await store.claim([A, B, C])
            await store.settle([A], handled=True)
            await store.settle([C], handled=False)
            same(list(await store.claim([D, A, B, C])), [_CLAIMED, _HANDLED, _HELD, _CLAIMED])

    @rule
    async def test_only_the_keys_of_a_settlement_are_settled(self) -> None:
        """Settling some keys of a claim leaves the others held."""
        async with self.stores() as make:
            store = make()
            await store.claim([A, B, C])
            await store.settle([B], handled=True)
            same(list(await store.claim([A, B, C])), [_HELD, _HANDLED, _HELD])

    @rule
    async def test_of_equal_keys_the_first_is_claimed(self) -> None:
        """Of equal keys in one claim the first is claimed, and the others are held."""
        async with self.stores() as make:
            same(list(await make().claim([A, B, A])), [_CLAIMED, _CLAIMED, _HELD])

    @rule
    async def test_keys_are_compared_exactly(self) -> None:
        """Keys that differ in one character are different keys."""
        others = [A.upper(), A[:-1] + "b", "1" + A[1:]]
        async with self.stores() as make:
            store = make()
            await store.claim([A])
            same(list(await store.claim(others)), [_CLAIMED] * 3)

    @rule
    async def test_a_key_has_one_owner(self) -> None:
        """Of many claims of a key at once, in many processes, exactly one succeeds."""
        async with self.stores() as make:
            stores = [make() for _ in range(3)]
            keys = [f"{number:032}" for number in range(20)]
            claims = await asyncio.gather(*(store.claim(keys) for store in stores * 3))
            for results in zip(*claims, strict=True):
                same(sorted(result.name for result in results), ["CLAIMED", *["HELD"] * 8])

    @rule
    async def test_a_waiter_goes_on_when_the_claim_ends(self) -> None:
        """Waiting for a claim of another task or process ends when the claim is settled, in either way."""
        for handled in (True, False):
            async with self.stores() as make:
                one, other = make(), make()
                await one.claim([A])
                waiters = [asyncio.ensure_future(store.wait(A)) for store in (one, other)]
                await asyncio.sleep(0)
                await one.settle([A], handled=handled)
                await asyncio.gather(*waiters)

    @rule
    async def test_waiting_for_no_claim_ends_at_once(self) -> None:
        """Waiting for a key that is new or handled returns."""
        async with self.stores() as make:
            store = make()
            await store.wait(A)
            await store.claim([B])
            await store.settle([B], handled=True)
            await store.wait(B)

    @rule
    async def test_a_cancelled_wait_changes_no_claim(self) -> None:
        """A wait that is cancelled leaves the claim to its owner, and the other waiters waiting."""
        async with self.stores() as make:
            one, other = make(), make()
            await one.claim([A])
            cancelled, waiter = [asyncio.ensure_future(other.wait(A)) for _ in range(2)]
            await asyncio.sleep(0)
            cancelled.cancel()
            await asyncio.wait({cancelled})
            same(list(await other.claim([A])), [_HELD])
            await one.settle([A], handled=True)
            await waiter
            same(list(await other.claim([A])), [_HANDLED])

    @rule
    async def test_the_claim_of_a_dead_process_expires(self) -> None:
        """A claim that is never settled ends by itself, and its late owner does not end the claim of its successor."""
        if not self.claims_expire:
            raise SkipTest("the claims of this store do not expire")
        async with self.stores() as make:
            dead, other = make(), make()
            await dead.claim([A])
            while list(await other.claim([A])) == [_HELD]:
                await other.wait(A)
                await asyncio.sleep(0)
            await dead.settle([A], handled=False)
            same(list(await dead.claim([A])), [_HELD], "the claim of the successor")
            await other.settle([A], handled=True)
            true(list(await dead.claim([A])) == [_HANDLED], "the report was handled by the successor")
