"""Rules of a journal: claiming batches."""

import asyncio

from emay_voice_async.journal.protocol import Standing, State
from emay_voice_async.testing.journal.places import JournalPlace, JournalRules, journal_rule
from emay_voice_async.testing.journal.values import (
    CLOSED,
    FREE,
    PURPOSE,
    all_lines,
    begun,
    claim,
    keys,
    settled,
    states,
)
from emay_voice_async.testing.rules import same, true

__all__ = ["ClaimingRules"]


class ClaimingRules(JournalRules):
    """Claiming batches."""

    @journal_rule
    async def test_new_free_and_unknown_calls_can_be_claimed(self, place: JournalPlace) -> None:
        """New and free calls can be claimed, unknown calls with resend_unknown, accepted calls never."""
        async with place.open() as journal:
            run = await journal.start(PURPOSE)
            for number, state in enumerate(CLOSED):
                for resend in (False, True):
                    of = keys(2 * number + resend)
                    await settled(run, of, state)
                    can = state in FREE or (resend and state is State.UNKNOWN)
                    same(await run.begin(claim(of, resend=resend)), can, (state, resend))
                    same(await states(run, of), [State.UNDER_WAY if can else state])

    @journal_rule
    async def test_a_call_under_way_cannot_be_claimed(self, place: JournalPlace) -> None:
        """A call under way cannot be claimed: not by its run, by another run or process, or with resend_unknown."""
        journal, another = place.open(), place.open()
        run = await journal.start(PURPOSE)
        batch = await begun(run, keys(1))
        for rival in (run, await journal.start(PURPOSE), await another.start(PURPOSE)):
            for resend in (False, True):
                same(await states(rival, keys(1)), [State.UNDER_WAY])
                true(
                    not await rival.begin(claim(keys(1), resend=resend)),
                    "a call under way is not claimed again",
                )
        same(list(await run.look(keys(1))), [Standing(State.UNDER_WAY, batch.custom_ids[0])])
        await another.aclose()
        await journal.aclose()

    @journal_rule
    async def test_a_batch_is_claimed_whole_or_not_at_all(self, place: JournalPlace) -> None:
        """A call that cannot be claimed leaves all other calls of its batch unchanged."""
        async with place.open() as journal:
            run = await journal.start(PURPOSE)
            await settled(run, keys(1), State.ACCEPTED)
            refused = await settled(run, keys(2), State.REFUSED, reason="ERROR_SIGN")
            for of in (keys(3, 1, 2), keys(1, 2, 3), keys(2, 3, 1)):
                true(
                    not await run.begin(claim(of, resend=True)),
                    "a batch with an accepted call is not claimed",
                )
                same(await states(run, keys(1, 2, 3)), [State.ACCEPTED, State.REFUSED, None])
            same((await run.look(keys(2)))[0], Standing(State.REFUSED, refused.custom_ids[0]))
            same(len(await all_lines(journal)), 2)
            true(await run.begin(claim(keys(2, 3))), "a batch of new and free calls is claimed")

    @journal_rule
    async def test_rival_claims_of_a_call_have_one_winner(self, place: JournalPlace) -> None:
        """When many runs claim overlapping batches at once, each call goes to one of them, and no batch is split."""
        journals = [place.open() for _ in range(4)]
        runs = [await journal.start(PURPOSE) for journal in journals for _ in range(2)]
        claims = [claim(keys(*range(start, start + 20))) for start in range(0, 80, 10) for _ in runs]
        got = await asyncio.gather(
            *(runs[number % len(runs)].begin(batch) for number, batch in enumerate(claims))
        )
        won = [batch for batch, ours in zip(claims, got, strict=True) if ours]
        called = [key for batch in won for key in batch.keys]
        true(won, "one of the rival claims succeeds")
        same(len(called), len(set(called)))
        custom_ids = {
            key: custom for batch in won for key, custom in zip(batch.keys, batch.custom_ids, strict=True)
        }
        every = keys(*range(100))
        for key, standing in zip(every, await runs[0].look(every), strict=True):
            same(standing, Standing(State.UNDER_WAY, custom_ids[key]) if key in custom_ids else None)
        for journal in journals:
            await journal.aclose()

    @journal_rule
    async def test_a_claim_outlives_its_process(self, place: JournalPlace) -> None:
        """After the end of the process, an open claim is unknown; a closed claim keeps its state."""
        journal = place.open()
        run = await journal.start(PURPOSE)
        await settled(run, keys(1), State.ACCEPTED)
        await settled(run, keys(2), State.REFUSED)
        batch = await begun(run, keys(3, 4))
        await place.abandon(run)
        async with place.open() as another:
            later = await another.start(PURPOSE)
            same(
                await states(later, keys(1, 2, 3, 4)),
                [
                    State.ACCEPTED,
                    State.REFUSED,
                    State.UNKNOWN,
                    State.UNKNOWN,
                ],
            )
            same((await later.look(keys(4)))[0], Standing(State.UNKNOWN, batch.custom_ids[1]))
            true(
                not await later.begin(claim(keys(3, 5))),
                "an unknown call is not claimed without resend_unknown",
            )
            true(
                await later.begin(claim(keys(3, 5), resend=True)),
                "an unknown call is claimed with resend_unknown",
            )
            same(await states(later, keys(3, 4, 5)), [State.UNDER_WAY, State.UNKNOWN, State.UNDER_WAY])
        await journal.aclose()

    @journal_rule
    async def test_a_live_run_keeps_its_claims(self, place: JournalPlace) -> None:
        """The claims of a live run stay under way when another run dies."""
        journals = [place.open(), place.open()]
        alive, dead = [await journal.start(PURPOSE) for journal in journals]
        await begun(alive, keys(1))
        await begun(dead, keys(2))
        await place.abandon(dead)
        third = await journals[0].start(PURPOSE)
        same(await states(third, keys(1, 2)), [State.UNDER_WAY, State.UNKNOWN])
        for journal in journals:
            await journal.aclose()
