"""The columns of a picture over time."""

from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from emay_voice_async.cli.report.results import QUARTER, Quarter
from emay_voice_async.cli.report.time_spans import MAX_SPANS, spans_of, time_labels
from emay_voice_async.model.beijing import BEIJING

NINE = datetime(2026, 3, 2, 9, tzinfo=BEIJING)


def quarters(count: int, begun: datetime = NINE) -> dict[datetime, Quarter]:
    """Make quarters of an hour with one answered call each."""
    return {begun + QUARTER * number: Quarter(1) for number in range(count)}


class TestSpans:
    """Quarters of an hour, and longer spans."""

    def test_quarters(self) -> None:
        """A short pause is shown as it is, a long one as one gap."""
        at = {NINE: Quarter(1), NINE + 2 * QUARTER: Quarter(0, 2), NINE + 20 * QUARTER: Quarter(0, 0, 3)}
        length, spans = spans_of(at)
        assert length == QUARTER
        assert [span.at for span in spans] == [
            NINE,
            NINE + QUARTER,
            NINE + 2 * QUARTER,
            None,
            NINE + 20 * QUARTER,
        ]
        assert spans[1].calls == Quarter()

    def test_longer_spans(self) -> None:
        """Too many quarters become hours, and hours days, that begin at midnight in Beijing."""
        assert spans_of(quarters(MAX_SPANS))[0] == QUARTER
        length, spans = spans_of(quarters(MAX_SPANS + 1))
        assert (length, len(spans), spans[0].calls) == (timedelta(hours=1), 25, Quarter(4))
        length, spans = spans_of({NINE + timedelta(days=number): Quarter(1) for number in range(90)})
        assert length == timedelta(days=1)
        assert all(span.at is not None and span.at.hour == 0 for span in spans)

    @given(
        st.lists(st.integers(0, 10**11).map(lambda seconds: NINE + timedelta(seconds=seconds)), max_size=300)
    )
    def test_bound(self, times: list[datetime]) -> None:
        """There are never more spans than the limit, and none is lost before it."""
        at = dict.fromkeys(times, Quarter(1, 2, 3))
        length, spans = spans_of(at)
        assert len(spans) <= MAX_SPANS
        if length < timedelta(days=365):
            assert sum(span.calls.unreported for span in spans) == 3 * len(at)
        known = [span.at for span in spans if span.at is not None]
        assert known == sorted(known)

    def test_centuries(self) -> None:
        """With too many spans even of the longest length, the last ones are kept."""
        at = {NINE + timedelta(days=365 * number): Quarter(number) for number in range(200)}
        length, spans = spans_of(at)
        assert (length, len(spans), spans[-1].calls) == (timedelta(days=365), MAX_SPANS, Quarter(199))

    def test_nothing(self) -> None:
        """Without calls there are no spans."""
        assert spans_of({})[1] == []


class TestLabels:
    """A few labels at round times."""

    def test_hours(self) -> None:
        """On one day, the labels are full hours."""
        length, spans = spans_of(quarters(40))
        labels = time_labels(length, spans, 12)
        assert [label for label in labels if label] == [f"{hour:02}:00" for hour in range(9, 19)]
        assert labels.index("10:00") == 4

    def test_days(self) -> None:
        """With more than one day, the first span of a day has the date; a pause has a sign."""
        length, spans = spans_of(quarters(8) | quarters(8, NINE + timedelta(days=1)))
        assert [label for label in time_labels(length, spans, 20) if label][:2] == ["03-02", "09:15"]
        assert "…" in time_labels(length, spans, 20)
        length, spans = spans_of({NINE + timedelta(days=number): Quarter(1) for number in range(90)})
        labels = [label for label in time_labels(length, spans, 12) if label]
        assert labels[0] == "03-02"
        assert len(labels) <= 12
