"""Counting the calls of a campaign."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emay_voice_async.cli.report.results import CampaignTally, Quarter
from emay_voice_async.journal.protocol import Line, State, Summary
from emay_voice_async.model.beijing import BEIJING

BEGUN = datetime(2026, 3, 2, 9, 7, tzinfo=BEIJING)
SUMMARY = Summary("app", "Notice", False, BEGUN, {}, {})


def call(state: State = State.ACCEPTED, reason: str = "", at: datetime = BEGUN, **report: object) -> Line:
    """Make a call of a journal."""
    return Line("13800000000", "id", "m", state, reason, at, **report)  # type: ignore[arg-type]


class TestCampaignTally:
    """The counts of calls, reasons, keys and quarters of an hour."""

    def test_accepted(self) -> None:
        """Reports tell answered from failed calls; durations and keys count for what they are."""
        tally = CampaignTally()
        tally.add(call(report_state="SUCCESS", duration=12.0, key_pressed="1"))
        tally.add(call(report_state="4", duration=None))
        tally.add(call(report_state="FAIL_CALL", report_description="busy", duration=3.0))
        tally.add(call())
        results = tally.results(SUMMARY)
        assert (results.total, results.accepted, results.answered, results.failed) == (4, 4, 2, 1)
        assert results.unreported == 1
        assert (results.talk_seconds, results.timed, results.keys) == (12.0, 1, {"1": 1})
        assert results.failures == {("FAIL_CALL", "busy"): 1}
        assert results.quarters == {BEGUN.replace(minute=0): Quarter(2, 1, 1)}
        assert [line.report_description for line in results.notable] == ["busy"]
        assert (results.begun_at, results.ended_at) == (BEGUN, BEGUN)

    def test_not_accepted(self) -> None:
        """Other calls count by state and reason, the unknown ones come first; a call under way has no reason yet."""
        tally = CampaignTally()
        for state in (State.REFUSED, State.NOT_SENT, State.UNKNOWN, State.UNDER_WAY):
            tally.add(call(state, state.value))
        results = tally.results(SUMMARY)
        assert set(results.reasons) == {
            (state, state.value) for state in (State.REFUSED, State.NOT_SENT, State.UNKNOWN)
        }
        assert [line.state for line in results.notable] == [State.UNKNOWN, State.REFUSED, State.NOT_SENT]
        assert (results.accepted, results.unreported, results.ended_at) == (0, 0, None)
        assert results.states[State.UNDER_WAY] == 1

    @pytest.mark.slow
    def test_bounds(self) -> None:
        """Ever new texts and times do not grow the results."""
        tally = CampaignTally()
        for number in range(21_000):
            at = BEGUN + timedelta(minutes=15 * number)
            tally.add(
                call(report_state="FAIL_CALL", report_description=str(number), key_pressed=str(number), at=at)
            )
        results = tally.results(SUMMARY)
        assert results.failures["FAIL_CALL", ""] == 21_000 - 200
        assert results.keys[""] == 21_000 - 200
        assert len(results.quarters) == 20_000
        assert len(results.notable) == 100

    def test_impossible_times(self) -> None:
        """A reported time long before or after the request is replaced by that of the request."""
        tally = CampaignTally()
        times = [BEGUN + timedelta(minutes=20), BEGUN - timedelta(days=9000), BEGUN + timedelta(days=900)]
        for at in times:
            tally.add(call(report_state="SUCCESS", called_at=at))
        quarters = tally.results(SUMMARY).quarters
        assert {at: calls.answered for at, calls in quarters.items()} == {
            BEGUN.replace(minute=0): 2,
            BEGUN.replace(minute=15): 1,
        }

    @pytest.mark.slow
    @given(
        st.lists(
            st.builds(
                call,
                st.sampled_from(State),
                st.text(max_size=2),
                st.integers(0, 10**9).map(lambda seconds: BEGUN + timedelta(seconds=seconds)),
                report_state=st.sampled_from(["", "SUCCESS", "FAIL_CALL", "2", "new"]),
                key_pressed=st.sampled_from([None, "", "1"]),
            )
        )
    )
    def test_sums(self, calls: list[Line]) -> None:
        """Every call is in one state, and every accepted one in one quarter of an hour."""
        tally = CampaignTally()
        for one in calls:
            tally.add(one)
        results = tally.results(SUMMARY)
        assert results.total == len(calls)
        counted = [(one.answered, one.failed, one.unreported) for one in results.quarters.values()]
        expected = (results.answered, results.failed, results.unreported)
        assert tuple(map(sum, zip(*counted, strict=True))) or expected == (0, 0, 0)
        assert sum(results.failures.values()) == results.failed
        assert all(at.minute % 15 == at.second == 0 for at in results.quarters)
