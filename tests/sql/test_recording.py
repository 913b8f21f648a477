"""Reports and the calls that they belong to."""

from attrs import evolve
from support.sql_places import SqlPlace, scenario

from emay_voice_async.journal.protocol import Key, State
from emay_voice_async.testing.journal.values import (
    PURPOSE,
    all_lines,
    begun,
    claim,
    keys,
    report_of,
    settled,
    states,
)


@scenario
async def test_reports_that_could_be_of_several_calls(place: SqlPlace) -> None:
    """Reports with one custom id go to one call each: the call with their message id, or a call without a report."""
    async with place.open() as journal:
        run = await journal.start(evolve(PURPOSE, allow_duplicates=True))
        mobile = keys(1)[0].mobile
        repeats = [Key(mobile, "same", occurrence) for occurrence in range(3)]
        batch = claim(repeats, custom_ids=["same"] * 3)
        assert await run.begin(batch)
        await run.close(batch, State.UNKNOWN)
        reports = [report_of(repeats[0], message_id=name, custom_id="same") for name in ("m1", "m2", "m1")]
        assert await journal.record(reports) == 3
        assert await states(run, repeats) == [State.ACCEPTED, State.ACCEPTED, State.UNKNOWN]
        assert [line.message_id for line in await all_lines(journal)] == ["m1", "m2", ""]
        known = await begun(run, [Key(mobile, "same", 3)])
        await run.close(known, State.ACCEPTED, message_ids=["m4"])
        assert await journal.record([report_of(repeats[0], message_id="m4", custom_id="same")]) == 1
        assert await states(run, repeats) == [State.ACCEPTED, State.ACCEPTED, State.UNKNOWN]
        odd = evolve(reports[0], mobile="８６-138", message_id="m3")
        assert await journal.record([odd, evolve(odd, mobile="9" * 30), evolve(odd, mobile="")]) == 0


@scenario
async def test_reports_without_message_ids(place: SqlPlace) -> None:
    """Reports with the same custom id and no message id go to as many calls."""
    async with place.open() as journal:
        run = await journal.start(evolve(PURPOSE, allow_duplicates=True))
        repeats = [Key(keys(1)[0].mobile, "same", occurrence) for occurrence in range(3)]
        batch = claim(repeats, custom_ids=["same"] * 3)
        assert await run.begin(batch)
        report = report_of(repeats[0], custom_id="same")
        assert await journal.record([report]) == 1
        assert await states(run, repeats) == [State.ACCEPTED, State.UNDER_WAY, State.UNDER_WAY]
        assert await journal.record([report, report]) == 2
        assert await states(run, repeats) == [State.ACCEPTED, State.ACCEPTED, State.ACCEPTED]


@scenario
async def test_refused_calls_take_no_reports(place: SqlPlace) -> None:
    """A report with the custom id of a call that was certainly not made belongs to another campaign."""
    async with place.open() as journal:
        run = await journal.start(PURPOSE)
        batch = await settled(run, keys(1), State.REFUSED)
        report = report_of(keys(1)[0], message_id="m1", custom_id=batch.custom_ids[0])
        assert await journal.record([report]) == 0
        assert await states(run, keys(1)) == [State.REFUSED]
