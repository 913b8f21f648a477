"""The time zone of the service."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emay_voice_async.model.beijing import BEIJING, beijing_time


class TestBeijing:
    """UTC+8."""

    @given(st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
    def test_eight_hours_all_year(self, instant: datetime) -> None:
        """Beijing time is 8 hours ahead of UTC at any instant, without daylight saving."""
        assert instant.astimezone(BEIJING).utcoffset() == timedelta(hours=8)
        assert instant.astimezone(BEIJING).dst() is None


@pytest.mark.parametrize(
    "seconds", [-62_135_625_600.0, 253_402_300_800.0, 1e300, -1e18, float("inf"), float("nan")]
)
def test_an_instant_out_of_range(seconds: float) -> None:
    """An instant outside of the years 1 to 9999 is None."""
    assert beijing_time(seconds) is None


def test_an_instant() -> None:
    """A POSIX time is an aware instant in Beijing time."""
    assert beijing_time(0) == datetime(1970, 1, 1, 8, tzinfo=BEIJING)
