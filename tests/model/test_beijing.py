"""The time zone of the service."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from emay_voice_async.model.beijing import BEIJING


class TestBeijing:
    """UTC+8."""

    @given(st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
    def test_eight_hours_all_year(self, instant: datetime) -> None:
        """Beijing time is 8 hours ahead of UTC at any instant, without daylight saving."""
        assert instant.astimezone(BEIJING).utcoffset() == timedelta(hours=8)
        assert instant.astimezone(BEIJING).dst() is None
