"""Calling hours as arithmetic, and the text of a plan."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from emay_voice_async.errors import InvalidRequestError
from emay_voice_async.model.beijing import BEIJING
from emay_voice_async.model.limits import RateLimit
from emay_voice_async.pacing.window import tolerance
from emay_voice_async.sending.hours import CallingHours
from emay_voice_async.sending.plan import Plan, seconds_under

DAY = 86_400
MIDNIGHT = datetime(2024, 2, 29, tzinfo=BEIJING).timestamp()
SPAN = st.tuples(st.integers(0, 1439), st.integers(0, 1440)).filter(lambda span: span[0] != span[1])
SPANS = st.lists(SPAN, min_size=1, max_size=4)
INSTANTS = st.floats(0, 4e9, allow_nan=False)


def written(spans: list[tuple[int, int]]) -> CallingHours:
    """Write spans of minutes as hours."""
    return CallingHours(", ".join(f"{a // 60}:{a % 60:02} - {b // 60:02}:{b % 60:02}" for a, b in spans))


def is_open(spans: list[tuple[int, int]], at: float) -> bool:
    """Tell by another way than the package's whether people may be called."""
    local = datetime.fromtimestamp(at, UTC) + timedelta(hours=8)
    minute = local.hour * 60 + local.minute
    return any(a <= minute < b if a < b else minute >= a or minute < b for a, b in spans)


def at(clock: str, day: int = 0) -> float:
    """Return the instant of a time of day in Beijing."""
    hour, minute, second = map(int, clock.split(":"))
    return MIDNIGHT + day * DAY + hour * 3600 + minute * 60 + second


class TestCallingHours:
    """When people may be called."""

    @pytest.mark.parametrize(
        ("hours", "clock", "wait"),
        [
            ("08:00-20:00", "08:00:00", 0),
            ("08:00-20:00", "19:59:59", 0),
            ("08:00-20:00", "20:00:00", 12 * 3600),
            ("08:00-20:00", "07:59:59", 1),
            ("8:00 – 20:00", "00:00:00", 8 * 3600),
            ("09:00-12:00,14:00-21:00", "12:00:00", 2 * 3600),
            ("14:00-21:00, 09:00-12:00", "21:30:00", 11.5 * 3600),
            ("20:00-08:00", "23:59:59", 0),
            ("20:00-08:00", "00:00:00", 0),
            ("20:00-08:00", "08:00:00", 12 * 3600),
            ("10:00-00:00", "23:59:59", 0),
            ("10:00-00:00", "00:00:00", 10 * 3600),
            ("00:00-24:00", "12:00:00", 0),
        ],
    )
    def test_known_times(self, hours: str, clock: str, wait: float) -> None:
        """The first second of a span is inside, the second after the last is outside."""
        assert CallingHours(hours).wait(at(clock)) == wait

    @pytest.mark.parametrize(
        ("hours", "clock", "left"),
        [
            ("08:00-20:00", "08:00:00", 12 * 3600),
            ("08:00-20:00", "19:59:59", 1),
            ("08:00-20:00", "20:00:00", 0),
            ("08:00-12:00,12:00-20:00", "08:00:00", 12 * 3600),
            ("08:00-13:00,12:00-20:00,09:00-10:00", "08:00:00", 12 * 3600),
            ("20:00-08:00", "20:00:00", 12 * 3600),
            ("20:00-08:00", "07:00:00", 3600),
            ("00:00-24:00", "12:34:56", DAY),
            ("12:00-00:00,00:00-12:00", "11:59:59", DAY),
            ("10:00-00:00", "22:00:00", 2 * 3600),
        ],
    )
    def test_how_long_a_span_goes_on(self, hours: str, clock: str, left: float) -> None:
        """Spans that touch, at midnight or elsewhere, are joined; a whole day is the longest span."""
        assert CallingHours(hours).left(at(clock)) == left

    @given(SPANS, INSTANTS)
    def test_waiting_ends_when_it_opens(self, spans: list[tuple[int, int]], instant: float) -> None:
        """Zero within the hours; else the hours are closed for the whole wait, and open at the end."""
        hours = written(spans)
        wait = hours.wait(instant)
        assert (wait == 0) is is_open(spans, instant)
        assert 0 <= wait < DAY
        if wait > 0.01:
            assert not is_open(spans, instant + wait / 2)
            assert not is_open(spans, instant + wait - 0.01)
            assert is_open(spans, instant + wait + 0.01)

    @given(SPANS, INSTANTS)
    @example([(0, 1440)], 0.1)
    def test_a_span_is_open_to_its_end(self, spans: list[tuple[int, int]], instant: float) -> None:
        """The hours are open for as long as is left, and closed right after, unless they never close."""
        hours = written(spans)
        left = hours.left(instant)
        assert (left > 0) is is_open(spans, instant)
        if left > 0.02:
            assert is_open(spans, instant + left / 2)
            assert is_open(spans, instant + left - 0.01)
        if 0.02 < left < DAY:
            assert not is_open(spans, instant + left + 0.01)

    @given(SPANS, INSTANTS, st.floats(0, 1e6))
    @example([(0, 1)], 0.0, 1e6)
    def test_work_is_done_within_the_hours(
        self, spans: list[tuple[int, int]], instant: float, seconds: float
    ) -> None:
        """So many seconds of open hours lie between now and the end of the work, which is open, too."""
        hours = written(spans)
        took = hours.stretched(instant, seconds)
        assert took >= seconds
        open_minutes = {minute for minute in range(1440) if is_open(spans, MIDNIGHT + minute * 60)}
        # Whole days spend the same each; the rest is spent by walking from closing to opening.
        days, rest = divmod(took, DAY)
        spent = days * len(open_minutes) * 60
        here = instant + days * DAY
        while rest > 1e-6:
            wait, left = hours.wait(here), hours.left(here)
            step = min(rest, wait or left)
            spent += 0 if wait else step
            here, rest = here + step, rest - step
        assert spent == pytest.approx(seconds, abs=1e-3)

    def test_known_stretches(self) -> None:
        """Work that fills the hours exactly ends with the hours; one second more waits for the next day."""
        hours = CallingHours("08:00-20:00")
        assert hours.stretched(at("08:00:00"), 12 * 3600) == 12 * 3600
        assert hours.stretched(at("08:00:00"), 12 * 3600 + 1) == DAY + 1
        assert hours.stretched(at("06:00:00"), 0) == 2 * 3600
        assert hours.stretched(at("19:00:00"), 2 * 3600) == 3600 + 12 * 3600 + 3600
        assert hours.stretched(at("09:00:00"), 36 * 3600) == 3 * DAY
        assert CallingHours("00:00-24:00").stretched(at("12:00:00"), 1e6) == 1e6

    def test_years_of_work(self) -> None:
        """A plan of a thousand years is made at once, and is no overflow."""
        assert CallingHours("08:00-08:01").stretched(0.0, 60 * 365_250) == pytest.approx(
            365_250 * DAY, abs=DAY
        )
        assert CallingHours("08:00-08:01").stretched(0.0, 1e14) > 1e14

    @pytest.mark.parametrize(
        ("hours", "position"),
        [
            ("", None),
            (" ", None),
            (None, None),
            (8, None),
            ("08:00", 0),
            ("8-20", 0),
            ("08:00-20:00,", 1),
            ("08:00-20:00;21:00-22:00", 0),
            ("08:00-08:00", 0),
            ("24:00-08:00", 0),
            ("08:00-24:01", 0),
            ("08:60-20:00", 0),
            ("08:00-20:60", 0),
            ("09:00-10:00,25:00-26:00", 1),
            ("٠٨:٠٠-20:00", 0),
        ],
    )
    def test_invalid_hours(self, hours: Any, position: int | None) -> None:
        """Anything else is refused with the rule and the place of the span."""
        with pytest.raises(InvalidRequestError) as caught:
            CallingHours(hours)
        assert (caught.value.field, caught.value.position) == ("hours", position)

    def test_how_they_are_shown(self) -> None:
        """As they were given, with the zone; equal hours are equal."""
        assert str(CallingHours("08:00-20:00")) == "08:00-20:00 (Beijing time)"
        assert repr(CallingHours("08:00-20:00")) == "CallingHours(hours='08:00-20:00')"
        assert CallingHours("08:00-20:00") == CallingHours("08:00-20:00") != CallingHours("08:00-20:01")


@pytest.mark.parametrize(
    ("limit", "requests", "periods"),
    [
        (None, 10**6, 0),
        (RateLimit(10, 1.0), 0, 0),
        (RateLimit(10, 1.0), 10, 0),
        (RateLimit(10, 1.0), 11, 1),
        (RateLimit(1, 60.0), 4, 3),
        (RateLimit(10, 1.0), 20, 1),
        (RateLimit(10, 1.0), 21, 2),
    ],
)
def test_the_least_time(limit: RateLimit | None, requests: int, periods: int) -> None:
    """As many requests as the limit has leave at once, and each further lot a period later."""
    period = 0.0 if limit is None else limit.period + tolerance(limit.period)
    assert seconds_under(limit, requests) == periods * period


class TestPlan:
    """Whether the money suffices."""

    @pytest.mark.parametrize(
        ("numbers", "balance", "cost", "enough"),
        [
            (5, None, None, None),
            (5, None, "5", None),
            (5, "10", None, None),
            (5, "5", "5", True),
            (5, "4.99", "5", False),
            (5, "0", None, False),
            (5, "-1", None, False),
            (0, "0", None, None),
            (0, "0", "0", True),
        ],
    )
    def test_enough(self, numbers: int, balance: str | None, cost: str | None, enough: bool | None) -> None:
        """Known with balance and price, and without a price if no money is left."""
        money = [None if one is None else Decimal(one) for one in (balance, cost)]
        assert Plan(numbers, 1, 0.0, balance=money[0], cost=money[1]).enough is enough

    def test_a_plan_is_short(self) -> None:
        """The repr of a plan shows the number of errors, not each error."""
        plan = Plan(1, 1, 0.0, invalid=(InvalidRequestError("mobile", "must be right"),) * 1000)
        assert "invalid=<1000>" in repr(plan)
