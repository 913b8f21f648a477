"""Campaigns of one database."""

from attrs import evolve
from support.sql_places import SqlPlace, scenario

from emay_voice_async.journal.protocol import Standing, State
from emay_voice_async.testing.journal.values import PURPOSE, all_lines, claim, keys, report_of, states


@scenario
async def test_campaigns_share_tables_and_nothing_else(place: SqlPlace) -> None:
    """The same number in another campaign is another call, even if the names of the campaigns look equal."""
    names = ["a", "A", "a ", "\u00e9", "e\u0301", "\0", "📞" * 200]
    journals = [place.open(name) for name in names]
    runs = [await journal.start(PURPOSE) for journal in journals]
    other = await place.open("other").start(evolve(PURPOSE, app_id="other", allow_duplicates=True))
    for number, run in enumerate(runs):
        assert await states(run, keys(1)) == [None]
        batch = claim(keys(1), custom_ids=["same"])
        assert await run.begin(evolve(batch, token="same"))
        await run.close(evolve(batch, token="same"), State.ACCEPTED, message_ids=[f"m{number}"])
    assert await states(other, keys(1)) == [None]
    assert await journals[1].record([report_of(keys(1)[0], message_id="m1", custom_id="same")]) == 1
    for number, (journal, run) in enumerate(zip(journals, runs, strict=True)):
        assert list(await run.look(keys(1))) == [Standing(State.ACCEPTED, "same", f"m{number}")]
        assert (await journal.summary()).reported == ({"SUCCESS": 1} if number == 1 else {})
        assert len(await all_lines(journal)) == 1
    for run in runs:
        assert await run.begin(claim(keys(2), custom_ids=["lost"]))
    assert await journals[1].record([report_of(keys(2)[0], custom_id="lost")]) == 1
    for number, run in enumerate(runs):
        assert await states(run, keys(2)) == [State.ACCEPTED if number == 1 else State.UNDER_WAY]
