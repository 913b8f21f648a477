"""Rules of a journal: looking at calls."""

from attrs import evolve

from emay_voice_async.journal.protocol import Key, Standing, State
from emay_voice_async.testing.journal.places import JournalPlace, JournalRules, journal_rule
from emay_voice_async.testing.journal.values import PURPOSE, all_lines, begun, claim, keys, settled, states
from emay_voice_async.testing.rules import same, true

__all__ = ["LookingRules"]


class LookingRules(JournalRules):
    """Looking at calls."""

    @journal_rule
    async def test_look_keeps_the_order_of_the_keys(self, place: JournalPlace) -> None:
        """Look returns one standing for each key, in the order of the keys."""
        async with place.open() as journal:
            run = await journal.start(PURPOSE)
            await settled(run, keys(3, 1), State.ACCEPTED)
            await settled(run, keys(2), State.REFUSED)
            same(
                await states(run, keys(1, 2, 4, 3)),
                [
                    State.ACCEPTED,
                    State.REFUSED,
                    None,
                    State.ACCEPTED,
                ],
            )
            same(await states(run, keys(3, 4, 3)), [State.ACCEPTED, None, State.ACCEPTED])
            same(list(await run.look([])), [])

    @journal_rule
    async def test_look_returns_the_ids(self, place: JournalPlace) -> None:
        """The custom ids are of the last claim; the message ids come with the acceptance."""
        async with place.open() as journal:
            run = await journal.start(PURPOSE)
            batch = claim(keys(2, 1), custom_ids=["second", "first"])
            true(await run.begin(batch), "new calls are claimed")
            same(
                list(await run.look(keys(1, 2))),
                [
                    Standing(State.UNDER_WAY, "first"),
                    Standing(State.UNDER_WAY, "second"),
                ],
            )
            await run.close(batch, State.REFUSED, reason="ERROR_SIGN")
            again = claim(keys(1, 2), custom_ids=["uno", "due"])
            true(await run.begin(again), "refused calls are claimed again")
            await run.close(again, State.ACCEPTED, message_ids=["m1", ""])
            same(
                list(await run.look(keys(1, 2))),
                [
                    Standing(State.ACCEPTED, "uno", "m1"),
                    Standing(State.ACCEPTED, "due"),
                ],
            )

    @journal_rule
    async def test_keys_are_told_apart_exactly(self, place: JournalPlace) -> None:
        """Number, custom id and occurrence are compared exactly: case, blanks and forms of accents."""
        mobile = "13800000000"
        ids = [
            "",
            "a",
            "A",
            "a ",
            " a",
            "\u00e9",
            "e\u0301",
            "ß",
            "ss",
            "📞" * 64,
            "📞" * 63,
            "号码",
            "a\0",
            "a\\",
            "%_'\"",
        ]
        of = [Key(mobile, custom_id) for custom_id in ids]
        of += [Key(mobile, "", 1), Key(mobile, "a", 1), Key(mobile, "", 12345), Key("19999999999", "a")]
        async with place.open() as journal:
            run = await journal.start(evolve(PURPOSE, allow_duplicates=True))
            for number, key in enumerate(of):
                same(await states(run, of[number:]), [None] * (len(of) - number))
                batch = claim([key], custom_ids=[key.custom_id or "made"])
                true(await run.begin(batch), "a call with another key is claimed")
                await run.close(batch, State.ACCEPTED, message_ids=[f"m{number}"])
            same(
                [standing and standing.message_id for standing in await run.look(of)],
                [f"m{number}" for number in range(len(of))],
            )
            same(
                [line.custom_id for line in await all_lines(journal)], [key.custom_id or "made" for key in of]
            )

    @journal_rule
    async def test_a_batch_of_500_is_recorded(self, place: JournalPlace) -> None:
        """A full batch of 500 is claimed, closed and looked at."""
        of = keys(*range(500))
        async with place.open() as journal:
            run = await journal.start(PURPOSE)
            await settled(run, of[:250], State.NOT_SENT)
            batch = await begun(run, of[::-1])
            await run.close(batch, State.ACCEPTED, message_ids=[f"m{key.mobile}" for key in batch.keys])
            same(
                list(await run.look(of)),
                [
                    Standing(State.ACCEPTED, custom_id, f"m{key.mobile}")
                    for key, custom_id in zip(of, batch.custom_ids[::-1], strict=True)
                ],
            )
