"""Report stores that break one promise each: the store of one process, with one method changed."""

import asyncio
from collections.abc import Sequence

from emay_voice_async.receiver import ClaimResult, RecentReports

_CLAIMED, _HELD, _HANDLED = ClaimResult.CLAIMED, ClaimResult.HELD, ClaimResult.HANDLED


class ForgetsResults(RecentReports):
    """The last key has no result."""

    async def claim(self, keys: Sequence[str]) -> Sequence[ClaimResult]:
        """Drop a result."""
        return (await super().claim(keys))[:-1]


class ClaimsAgain(RecentReports):
    """A held key is claimed again."""

    async def claim(self, keys: Sequence[str]) -> Sequence[ClaimResult]:
        """Say that it is claimed."""
        return [_CLAIMED if one is _HELD else one for one in await super().claim(keys)]


class ForgetsReports(RecentReports):
    """A handled key is new again."""

    async def settle(self, keys: Sequence[str], *, handled: bool) -> None:
        """Forget."""
        await super().settle(keys, handled=False)


class KeepsFailures(RecentReports):
    """A key that was not handled counts as handled."""

    async def settle(self, keys: Sequence[str], *, handled: bool) -> None:
        """Remember."""
        await super().settle(keys, handled=True)


class SortsKeys(RecentReports):
    """Results come in the order of the sorted keys."""

    async def claim(self, keys: Sequence[str]) -> Sequence[ClaimResult]:
        """Sort."""
        return await super().claim(sorted(keys))


class SettlesAll(RecentReports):
    """A settlement settles every claim."""

    async def settle(self, keys: Sequence[str], *, handled: bool) -> None:
        """Settle all keys."""
        await super().settle(list(self._held), handled=handled)


class ClaimsEqualKeys(RecentReports):
    """Each of several equal keys in one claim is claimed."""

    async def claim(self, keys: Sequence[str]) -> Sequence[ClaimResult]:
        """Repeat the result."""
        results = dict(zip(dict.fromkeys(keys), await super().claim(list(dict.fromkeys(keys))), strict=True))
        return [results[key] for key in keys]


class IgnoresCaseOfKeys(RecentReports):
    """Keys are compared without case."""

    async def claim(self, keys: Sequence[str]) -> Sequence[ClaimResult]:
        """Fold."""
        return await super().claim([key.casefold() for key in keys])


class ChecksThenClaims(RecentReports):
    """Between the check of a key and its claim another task may claim it."""

    async def claim(self, keys: Sequence[str]) -> Sequence[ClaimResult]:
        """Check, let others go on, and claim."""
        found = [_HANDLED if key in self._handled else _HELD for key in keys]
        free = [key not in self._held and key not in self._handled for key in keys]
        await asyncio.sleep(0)
        await super().claim(keys)
        return [_CLAIMED if new else one for new, one in zip(free, found, strict=True)]


class WaitsForever(RecentReports):
    """A waiter does not hear of the end of a claim."""

    async def wait(self, key: str) -> None:
        """Wait for ever."""
        if key in self._held:
            await asyncio.Event().wait()


class WaitsForAClaim(RecentReports):
    """Waiting for a key without a claim waits."""

    async def wait(self, key: str) -> None:
        """Wait for ever without a claim."""
        if key not in self._held:
            await asyncio.Event().wait()
        await super().wait(key)


class EndsCancelledClaims(RecentReports):
    """A cancelled wait ends the claim."""

    async def wait(self, key: str) -> None:
        """End the claim at a cancellation."""
        try:
            await super().wait(key)
        except asyncio.CancelledError:
            await self.settle([key], handled=False)
            raise


BROKEN: dict[str, type[RecentReports]] = {
    "a_new_key_is_claimed": ForgetsResults,
    "a_claimed_key_is_held": ClaimsAgain,
    "a_handled_key_stays_handled": ForgetsReports,
    "a_key_that_was_not_handled_is_new_again": KeepsFailures,
    "results_keep_the_order_of_the_keys": SortsKeys,
    "only_the_keys_of_a_settlement_are_settled": SettlesAll,
    "of_equal_keys_the_first_is_claimed": ClaimsEqualKeys,
    "keys_are_compared_exactly": IgnoresCaseOfKeys,
    "a_key_has_one_owner": ChecksThenClaims,
    "a_waiter_goes_on_when_the_claim_ends": WaitsForever,
    "waiting_for_no_claim_ends_at_once": WaitsForAClaim,
    "a_cancelled_wait_changes_no_claim": EndsCancelledClaims,
    "the_claim_of_a_dead_process_expires": RecentReports,
}
"""By rule, a store that breaks the rule. Claims in the store of one process do not expire."""
