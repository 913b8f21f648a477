"""Rules of a journal: the summary and the lines."""

from datetime import UTC, datetime, timedelta

from attrs import evolve

from emay_voice_async.journal.protocol import Line, State
from emay_voice_async.testing.journal.places import JournalPlace, JournalRules, journal_rule
from emay_voice_async.testing.journal.values import (
    BEIJING,
    PURPOSE,
    all_lines,
    begun,
    keys,
    report_of,
    settled,
    states,
)
from emay_voice_async.testing.rules import same, true

__all__ = ["LineRules"]


class LineRules(JournalRules):
    """The summary and the lines."""

    @journal_rule
    async def test_the_summary_counts_by_state(self, place: JournalPlace) -> None:
        """The summary has the purpose, and counts the calls and the reports, the most frequent state first."""
        journal = place.open()
        began = datetime.now(UTC) - timedelta(minutes=1)
        run, dead = await journal.start(PURPOSE), await place.open().start(PURPOSE)
        await settled(run, keys(*range(5)), State.ACCEPTED)
        await settled(run, keys(5, 6), State.REFUSED)
        await settled(run, keys(7, 8, 9), State.NOT_SENT)
        lost = await settled(run, keys(10, 11, 12, 13), State.UNKNOWN)
        await begun(run, keys(14, 15, 16, 17, 18, 19))
        await begun(dead, keys(20))
        await place.abandon(dead)
        states_of = ["odd", "SUCCESS", "SUCCESS"]
        recorded = await journal.record(
            report_of(lost.keys[number], custom_id=lost.custom_ids[number], state=state)
            for number, state in enumerate(states_of)
        )
        same(recorded, 3)
        summary = await journal.summary()
        same((summary.app_id, summary.kind, summary.allow_duplicates), ("app", "Notice", False))
        same(
            {state: number for state, number in summary.states.items() if number},
            {
                State.ACCEPTED: 8,
                State.REFUSED: 2,
                State.NOT_SENT: 3,
                State.UNKNOWN: 2,
                State.UNDER_WAY: 6,
            },
        )
        same(list(summary.reported.items()), [("SUCCESS", 2), ("odd", 1)])
        same(summary.made_at.utcoffset(), BEIJING)
        true(
            began < summary.made_at < datetime.now(UTC) + timedelta(minutes=1),
            "made_at is the time of the first start",
        )
        await journal.aclose()

    @journal_rule
    async def test_unknown_calls_have_a_reason(self, place: JournalPlace) -> None:
        """Unknown calls have their reason, in look and lines, and the time of the claim; other calls have no reason."""
        journal = place.open()
        run, dead = await journal.start(PURPOSE), await place.open().start(PURPOSE)
        before = datetime.now(UTC) - timedelta(minutes=1)
        await settled(run, keys(1, 2, 3), State.UNKNOWN, reason="no response within 30 s")
        await settled(run, keys(4), State.UNKNOWN, reason="HTTP 502")
        await settled(run, keys(5), State.REFUSED, reason="ERROR_SIGN")
        await begun(dead, keys(6, 7))
        await place.abandon(dead)
        await begun(run, keys(8))
        looked = await run.look(keys(1, 4, 5, 6, 8))
        reasons = [standing and standing.reason for standing in looked]
        same(reasons[:3], ["no response within 30 s", "HTTP 502", ""])
        true(reasons[3], "a call whose process ended has a reason")
        same(reasons[4], "")
        after = datetime.now(UTC) + timedelta(minutes=1)
        for standing in looked[:2]:
            begun_at = None if standing is None else standing.begun_at
            true(begun_at and before < begun_at < after, "an unknown call has the instant of its claim")
        same(
            [line.reason for line in await all_lines(journal)][:5],
            [
                *["no response within 30 s"] * 3,
                "HTTP 502",
                "ERROR_SIGN",
            ],
        )
        await journal.aclose()

    @journal_rule
    async def test_the_summary_counts_reasons(self, place: JournalPlace) -> None:
        """The summary counts unknown calls by reason, the most frequent first, and no call that a report proved."""
        async with place.open() as journal:
            run, ended = await journal.start(PURPOSE), await journal.start(PURPOSE)
            lost = await settled(run, keys(4), State.UNKNOWN, reason="HTTP 502")
            await settled(run, keys(1, 2, 3), State.UNKNOWN, reason="no response within 30 s")
            await settled(run, keys(5), State.REFUSED, reason="ERROR_SIGN")
            await begun(ended, keys(6, 7))
            await ended.end()
            reasons = (await journal.summary()).reasons
            same(list(reasons.values()), [3, 2, 1])
            same((reasons.get("no response within 30 s"), reasons.get("HTTP 502")), (3, 1))
            same(await journal.record([report_of(keys(4)[0], custom_id=lost.custom_ids[0])]), 1)
            same(list((await journal.summary()).reasons.values()), [3, 2])

    @journal_rule
    async def test_a_line_has_claim_outcome_and_report(self, place: JournalPlace) -> None:
        """A line has the last claim, its outcome, the reason unless it was accepted, and the last report."""
        async with place.open() as journal:
            run = await journal.start(PURPOSE)
            await settled(run, keys(1), State.REFUSED, reason="ERROR_SIGN")
            [first] = await all_lines(journal)
            same((first.state, first.reason, first.message_id), (State.REFUSED, "ERROR_SIGN", ""))
            same(first.begun_at.utcoffset(), BEIJING)
            batch = await begun(run, keys(1))
            [second] = await all_lines(journal)
            same(second.state, State.UNDER_WAY)
            true(second.begun_at >= first.begun_at, "begun_at of the last claim, not before the first claim")
            await run.close(batch, State.ACCEPTED, message_ids=["m1"])
            called_at = datetime(2017, 3, 15, 12, 0, 0, tzinfo=first.begun_at.tzinfo)
            report = evolve(
                report_of(keys(1)[0], message_id="m1"),
                description="成功",
                called_at=called_at,
                duration=68.02,
                key_pressed="1",
                recording=b"RIFF",
            )
            same(await journal.record([report]), 1)
            same(
                await all_lines(journal),
                [
                    Line(
                        mobile="13800000001",
                        custom_id=batch.custom_ids[0],
                        message_id="m1",
                        state=State.ACCEPTED,
                        reason="",
                        begun_at=second.begun_at,
                        report_state="SUCCESS",
                        report_description="成功",
                        called_at=called_at,
                        duration=68.02,
                        key_pressed="1",
                    )
                ],
            )

    @journal_rule
    async def test_lines_come_in_the_order_of_the_first_claims(self, place: JournalPlace) -> None:
        """Every call has one line, in the order of the first claims, even if it was claimed again."""
        async with place.open() as journal:
            run = await journal.start(PURPOSE)
            batches = [keys(*range(start, start - 500, -1)) for start in (2999, 999, 3999, 1999)]
            for of in batches:
                await settled(run, of, State.NOT_SENT)
            await settled(run, keys(5000), State.REFUSED)
            await settled(run, batches[2][:10][::-1], State.ACCEPTED)
            order = [key.mobile for of in batches for key in of] + ["13800005000"]
            same([line.mobile for line in await all_lines(journal)], order)
            same([line.state for line in await all_lines(journal)].count(State.ACCEPTED), 10)

    @journal_rule
    async def test_claims_go_on_while_lines_are_read(self, place: JournalPlace) -> None:
        """Claims go on while lines are read, and reading may stop at any line."""
        async with place.open() as journal, place.open() as another:
            run, other = await journal.start(PURPOSE), await another.start(PURPOSE)
            await settled(run, keys(*range(500)), State.NOT_SENT)
            lines = journal.lines()
            first = await anext(lines)
            await settled(run, keys(1), State.ACCEPTED)
            await settled(other, keys(1000), State.ACCEPTED)
            same(first.mobile, keys(0)[0].mobile)
            same([line.mobile async for line in lines][:499], [key.mobile for key in keys(*range(1, 500))])
            await anext(journal.lines())
            same(await states(other, keys(1, 1000)), [State.ACCEPTED, State.ACCEPTED])
