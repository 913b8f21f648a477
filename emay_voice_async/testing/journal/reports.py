"""Rules of a journal: status reports."""

from attrs import evolve

from emay_voice_async.journal.protocol import Standing, State
from emay_voice_async.model.endpoints import Product
from emay_voice_async.testing.journal.places import JournalPlace, JournalRules, journal_rule
from emay_voice_async.testing.journal.values import (
    FREE,
    PURPOSE,
    all_lines,
    begun,
    claim,
    keys,
    report_of,
    settled,
    states,
)
from emay_voice_async.testing.rules import rule, same, true

__all__ = ["ReportRules"]


class ReportRules(JournalRules):
    """Recording status reports."""

    @journal_rule
    async def test_a_report_proves_a_call(self, place: JournalPlace) -> None:
        """A report makes an unknown call accepted, by the custom id; the call is never sent again."""
        journal = place.open()
        run = await journal.start(PURPOSE)
        batch = await settled(run, keys(1, 2), State.UNKNOWN, reason="no answer")
        report = report_of(keys(2)[0], message_id="m2", custom_id=batch.custom_ids[1])
        async with place.open() as another:
            same(await another.record([report]), 1)
        same(
            list(await run.look(keys(1, 2))),
            [
                Standing(State.UNKNOWN, batch.custom_ids[0]),
                Standing(State.ACCEPTED, batch.custom_ids[1], "m2"),
            ],
        )
        true(
            not await run.begin(claim(keys(2), resend=True)),
            "a call that a report proved is not claimed again",
        )
        await journal.aclose()

    @journal_rule
    async def test_a_report_settles_an_open_claim(self, place: JournalPlace) -> None:
        """A report settles a call of an open claim; the other calls stay unknown."""
        journal = place.open()
        run = await journal.start(PURPOSE)
        batch = await begun(run, keys(1, 2))
        await place.abandon(run)
        async with place.open() as another:
            report = report_of(keys(1)[0], message_id="m1", custom_id=batch.custom_ids[0])
            same(await another.record([report]), 1)
            later = await another.start(PURPOSE)
            same(await states(later, keys(1, 2)), [State.ACCEPTED, State.UNKNOWN])
        await journal.aclose()

    @rule
    async def test_a_reported_call_stays_accepted(self) -> None:
        """A call with a report stays accepted, however the claim is closed."""
        for state in (State.REFUSED, State.NOT_SENT, State.UNKNOWN):
            async with self.place() as place, place.open() as journal:
                run = await journal.start(PURPOSE)
                batch = await begun(run, keys(1, 2))
                report = report_of(keys(1)[0], message_id="m1", custom_id=batch.custom_ids[0])
                same(await journal.record([report]), 1, state)
                same(await states(run, keys(1, 2)), [State.ACCEPTED, State.UNDER_WAY])
                await run.close(batch, state, reason="why")
                same(
                    list(await run.look(keys(1, 2))),
                    [
                        Standing(State.ACCEPTED, batch.custom_ids[0], "m1"),
                        Standing(state, batch.custom_ids[1]),
                    ],
                    state,
                )
                await run.end()
                same(await states(run, keys(1)), [State.ACCEPTED], state)

    @journal_rule
    async def test_an_acceptance_after_the_report_adds_message_ids(self, place: JournalPlace) -> None:
        """A response after the report adds the message ids."""
        async with place.open() as journal:
            run = await journal.start(PURPOSE)
            batch = await begun(run, keys(1, 2))
            same(await journal.record([report_of(keys(1)[0], custom_id=batch.custom_ids[0])]), 1)
            await run.close(batch, State.ACCEPTED, message_ids=["m1", "m2"])
            same(
                [standing and standing.message_id for standing in await run.look(keys(1, 2))],
                [
                    "m1",
                    "m2",
                ],
            )

    @journal_rule
    async def test_a_report_matches_by_either_id(self, place: JournalPlace) -> None:
        """A report belongs to a call by message id or by custom id."""
        async with place.open() as journal:
            run = await journal.start(PURPOSE)
            batch = await settled(run, keys(1, 2, 3), State.ACCEPTED)
            ids = [f"m-{custom_id}" for custom_id in batch.custom_ids]
            reports = [
                report_of(keys(1)[0], message_id=ids[0]),
                report_of(keys(2)[0], custom_id=batch.custom_ids[1], state="FAIL_CALL"),
                report_of(keys(3)[0], message_id=ids[2], custom_id=batch.custom_ids[2], state="odd"),
            ]
            same(await journal.record(iter(reports)), 3)
            same([line.report_state for line in await all_lines(journal)], ["SUCCESS", "FAIL_CALL", "odd"])
            same([line.message_id for line in await all_lines(journal)], ids)

    @journal_rule
    async def test_reports_of_other_calls_are_ignored(self, place: JournalPlace) -> None:
        """Reports of other calls, accounts and products are ignored and not counted."""
        async with place.open() as journal:
            run = await journal.start(PURPOSE)
            batch = await settled(run, keys(1), State.UNKNOWN)
            [custom_id] = batch.custom_ids
            mine = report_of(keys(1)[0], message_id="m1", custom_id=custom_id)
            strangers = [
                evolve(mine, custom_id="another", message_id="m9"),
                evolve(mine, custom_id=custom_id.upper(), message_id="m9"),
                evolve(mine, custom_id="", message_id=""),
                evolve(mine, app_id="another"),
                evolve(mine, product=Product.JOIN),
                evolve(mine, mobile="13999999999"),
            ]
            same(await journal.record(strangers), 0)
            same(await journal.record([]), 0)
            same(await states(run, keys(1)), [State.UNKNOWN])
            same([line.report_state for line in await all_lines(journal)], [""])
            same(await journal.record([strangers[0], mine]), 1)

    @journal_rule
    async def test_a_reused_custom_id_does_not_match_another_message_id(self, place: JournalPlace) -> None:
        """A report of an earlier call with the same custom id does not belong to a call with another message id."""
        async with place.open() as journal:
            run = await journal.start(PURPOSE)
            batch = await settled(run, keys(1), State.ACCEPTED)
            earlier = report_of(
                keys(1)[0], message_id="earlier", custom_id=batch.custom_ids[0], state="FAIL_CALL"
            )
            same(await journal.record([earlier]), 0)
            same([line.report_state for line in await all_lines(journal)], [""])

    @journal_rule
    async def test_a_report_does_not_change_a_call_that_was_not_made(self, place: JournalPlace) -> None:
        """A refused call, and one that was not sent, keep their states: the report is of an earlier call."""
        async with place.open() as journal:
            run = await journal.start(PURPOSE)
            for key, state in zip(keys(1, 2), FREE, strict=True):
                batch = await settled(run, [key], state, reason="why")
                await journal.record([report_of(key, message_id="m", custom_id=batch.custom_ids[0])])
                same(await states(run, [key]), [state])

    @journal_rule
    async def test_recording_again_changes_no_call(self, place: JournalPlace) -> None:
        """Recording the same reports again counts them again, and changes no call."""
        async with place.open() as journal:
            run = await journal.start(PURPOSE)
            batch = await settled(run, keys(1, 2), State.UNKNOWN, reason="no answer")
            reports = [
                report_of(key, message_id=f"m{custom_id}", custom_id=custom_id)
                for key, custom_id in zip(batch.keys, batch.custom_ids, strict=True)
            ]
            same(await journal.record(reports), 2)
            before = await all_lines(journal), await journal.summary()
            same(await journal.record(reports), 2)
            same((await all_lines(journal), await journal.summary()), before)

    @journal_rule
    async def test_the_last_report_is_kept(self, place: JournalPlace) -> None:
        """The last recorded report of a call is kept."""
        async with place.open() as journal:
            run = await journal.start(PURPOSE)
            batch = await settled(run, keys(1), State.ACCEPTED)
            reports = [
                report_of(keys(1)[0], message_id=f"m-{batch.custom_ids[0]}", state=state)
                for state in ("TIMEOUT", "FAIL_CALL", "SUCCESS")
            ]
            same(await journal.record(reports[:2]), 2)
            same([line.report_state for line in await all_lines(journal)], ["FAIL_CALL"])
            same(await journal.record(reports[2:]), 1)
            same([line.report_state for line in await all_lines(journal)], ["SUCCESS"])
            same((await journal.summary()).reported, {"SUCCESS": 1})

    @journal_rule
    async def test_many_reports_are_recorded(self, place: JournalPlace) -> None:
        """More reports than a page of a generator are recorded, each counted."""
        async with place.open() as journal:
            run = await journal.start(PURPOSE)
            claims = [await begun(run, keys(*range(start, start + 500))) for start in (0, 500, 1000)]
            reports = [
                report_of(key, message_id=f"m{custom_id}", custom_id=custom_id)
                for batch in claims[:2]
                for key, custom_id in zip(batch.keys, batch.custom_ids, strict=True)
            ]
            same(await journal.record(report for report in [*reports, *reports[:500]]), 1500)
            summary = await journal.summary()
            same((summary.states[State.ACCEPTED], summary.states[State.UNDER_WAY]), (1000, 500))

    @journal_rule
    async def test_any_text_is_stored(self, place: JournalPlace) -> None:
        """Any text in a report is stored and read back unchanged."""
        async with place.open() as journal:
            run = await journal.start(PURPOSE)
            batch = await settled(run, keys(1), State.UNKNOWN)
            odd = "成功\0\ud800 '\"\\ 📞" * 50
            report = evolve(
                report_of(keys(1)[0], message_id="m📞", custom_id=batch.custom_ids[0], state="奇怪"),
                description=odd,
                key_pressed="1#*",
            )
            same(await journal.record([report]), 1)
            [line] = await all_lines(journal)
            same((line.message_id, line.report_state), ("m📞", "奇怪"))
            same((line.report_description, line.key_pressed), (odd, "1#*"))
