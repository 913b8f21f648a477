"""Lines and summaries of a campaign."""

from support.sql_places import SqlPlace, scenario

from emay_voice_async.journal.protocol import State
from emay_voice_async.testing.journal.values import PURPOSE, all_lines, keys, report_of, settled


@scenario
async def test_long_states_are_counted_by_their_beginning(place: SqlPlace) -> None:
    """A long state is kept whole in the line, and counted by the first 40 characters."""
    async with place.open() as journal:
        run = await journal.start(PURPOSE)
        batch = await settled(run, keys(1), State.UNKNOWN)
        state = "📞" * 1000
        assert await journal.record([report_of(keys(1)[0], custom_id=batch.custom_ids[0], state=state)]) == 1
        assert [line.report_state for line in await all_lines(journal)] == [state]
        assert (await journal.summary()).reported == {"📞" * 40: 1}
