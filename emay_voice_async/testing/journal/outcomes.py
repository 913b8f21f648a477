"""Rules of a journal: closing claims, and ending runs."""

from itertools import product

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
from emay_voice_async.testing.rules import rule, same, true

__all__ = ["OutcomeRules"]


class OutcomeRules(JournalRules):
    """Closing claims, and ending runs."""

    @rule
    async def test_close_sets_state_and_reason(self) -> None:
        """Each call of a closed claim has the state and the reason, in every process."""
        for state in CLOSED:
            async with self.place() as place, place.open() as journal, place.open() as another:
                run = await journal.start(PURPOSE)
                await settled(run, keys(1, 2), state, reason="why" if state is not State.ACCEPTED else "")
                same(await states(await another.start(PURPOSE), keys(1, 2)), [state, state])
                [batch, _] = await all_lines(another)
                same((batch.state, batch.reason), (state, "" if state is State.ACCEPTED else "why"), state)

    @rule
    async def test_an_unknown_claim_can_be_closed_again(self) -> None:
        """A claim closed as unknown may be closed once more, after the end of the run as well."""
        for state, ended in product(CLOSED, (False, True)):
            async with self.place() as place, place.open() as journal:
                run = await journal.start(PURPOSE)
                batch = await settled(run, keys(1, 2), State.UNKNOWN, reason="no answer")
                if ended:
                    await run.end()
                ids = ["m1", "m2"] if state is State.ACCEPTED else None
                await run.close(batch, state, reason="" if ids else "late", message_ids=ids)
                looked = await (await journal.start(PURPOSE)).look(keys(2, 1))
                found = [standing and (standing.state, standing.message_id) for standing in looked]
                same(found, [(state, "m2"), (state, "m1")] if ids else [(state, "")] * 2, (state, ended))
                same(
                    {line.reason for line in await all_lines(journal)},
                    {"" if ids else "late"},
                    (state, ended),
                )

    @journal_rule
    async def test_a_late_response_does_not_change_calls_claimed_again(self, place: JournalPlace) -> None:
        """A late response is not written to calls that were claimed again."""
        async with place.open() as journal:
            run = await journal.start(PURPOSE)
            late = await settled(run, keys(1, 2, 3), State.UNKNOWN, reason="no answer")
            anew = await begun(run, keys(2), resend=True)
            await run.close(late, State.ACCEPTED, message_ids=["m1", "m2", "m3"])
            same(
                list(await run.look(keys(1, 2, 3))),
                [
                    Standing(State.ACCEPTED, late.custom_ids[0], "m1"),
                    Standing(State.UNDER_WAY, anew.custom_ids[0]),
                    Standing(State.ACCEPTED, late.custom_ids[2], "m3"),
                ],
            )
            await run.close(anew, State.REFUSED, reason="ERROR_SIGN")
            await run.close(late, State.UNKNOWN, reason="again")
            same((await run.look(keys(2)))[0], Standing(State.REFUSED, anew.custom_ids[0]))
            for number, state in enumerate(FREE, 4):
                late = await settled(run, keys(number), State.UNKNOWN)
                await begun(run, keys(number), resend=True)
                await run.close(late, state, reason="ERROR_SIGN")
                same(await states(run, keys(number)), [State.UNDER_WAY])

    @journal_rule
    async def test_a_refused_claim_closes_no_call(self, place: JournalPlace) -> None:
        """Closing a claim whose begin returned False changes no call."""
        async with place.open() as journal:
            run = await journal.start(PURPOSE)
            accepted = await settled(run, keys(1), State.ACCEPTED)
            open_ = await begun(run, keys(2))
            lost = claim(keys(1, 2, 3))
            true(not await run.begin(lost), "a batch with an accepted call is not claimed")
            for state in CLOSED:
                await run.close(lost, state, reason="why")
            same(
                list(await run.look(keys(1, 2, 3))),
                [
                    Standing(State.ACCEPTED, accepted.custom_ids[0], f"m-{accepted.custom_ids[0]}"),
                    Standing(State.UNDER_WAY, open_.custom_ids[0]),
                    None,
                ],
            )

    @journal_rule
    async def test_message_ids_are_optional(self, place: JournalPlace) -> None:
        """An acceptance counts, whether or not its message ids are known."""
        async with place.open() as journal:
            run = await journal.start(PURPOSE)
            batch = await begun(run, keys(1, 2))
            await run.close(batch, State.ACCEPTED)
            same(await states(run, keys(1, 2)), [State.ACCEPTED, State.ACCEPTED])
            true(not await run.begin(claim(keys(2), resend=True)), "an accepted call is not claimed again")

    # -- ending ------------------------------------------------------------------------------------------

    @journal_rule
    async def test_end_makes_open_claims_unknown(self, place: JournalPlace) -> None:
        """At the end of a run the open claims are unknown; the claims of other runs are not."""
        journal, another = place.open(), place.open()
        run, neighbour, other = (
            await journal.start(PURPOSE),
            await journal.start(PURPOSE),
            await another.start(PURPOSE),
        )
        await begun(run, keys(1, 2))
        await settled(run, keys(3), State.REFUSED)
        await settled(run, keys(4), State.ACCEPTED)
        await begun(neighbour, keys(5))
        await begun(other, keys(6))
        await run.end()
        after = [
            State.UNKNOWN,
            State.UNKNOWN,
            State.REFUSED,
            State.ACCEPTED,
            State.UNDER_WAY,
            State.UNDER_WAY,
        ]
        for looks in (neighbour, other, await journal.start(PURPOSE)):
            same(await states(looks, keys(1, 2, 3, 4, 5, 6)), after)
        true(not await other.begin(claim(keys(1))), "an unknown call is not claimed without resend_unknown")
        true(await other.begin(claim(keys(1), resend=True)), "an unknown call is claimed with resend_unknown")
        await another.aclose()
        await journal.aclose()

    @journal_rule
    async def test_a_late_response_is_written_after_the_end(self, place: JournalPlace) -> None:
        """A claim that was open at the end of the run is closed by a late response."""
        async with place.open() as journal:
            run = await journal.start(PURPOSE)
            first, second = await begun(run, keys(1, 2)), await begun(run, keys(3))
            await run.end()
            later = await journal.start(PURPOSE)
            anew = await begun(later, keys(2), resend=True)
            await run.close(first, State.ACCEPTED, message_ids=["m1", "m2"])
            await run.close(second, State.NOT_SENT, reason="no connection")
            same(
                list(await later.look(keys(1, 2, 3))),
                [
                    Standing(State.ACCEPTED, first.custom_ids[0], "m1"),
                    Standing(State.UNDER_WAY, anew.custom_ids[0]),
                    Standing(State.NOT_SENT, second.custom_ids[0]),
                ],
            )
