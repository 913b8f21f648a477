"""The service's clock: the offset that a Date header shows."""

from datetime import timedelta
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emay_voice_async.exchange.clock import (
    LARGEST_CORRECTION,
    SMALLEST_CORRECTION,
    ServiceClock,
    advice_on,
    correction,
)

NOW = 1_600_000_000.0


class TestCorrection:
    """``correction``: pure arithmetic."""

    @given(st.integers(-(10**9), 10**9))
    def test_the_offset(self, seconds: int) -> None:
        """The offset is the header's time less this host's; a difference below two seconds is none."""
        found = correction(formatdate(NOW + seconds, usegmt=True), NOW, NOW)
        expected = timedelta(seconds=seconds)
        assert found == (None if abs(expected) < SMALLEST_CORRECTION else expected)

    def test_a_stamp_that_is_corrected_already(self) -> None:
        """A timestamp that agrees with the header is no reason to correct, whatever this host's clock says."""
        assert correction(formatdate(NOW + 7200, usegmt=True), NOW, NOW + 7200) is None

    def test_a_date_with_a_zone(self) -> None:
        """A header that names another zone than GMT means that zone; one without a zone means GMT."""
        assert correction("Sun, 13 Sep 2020 22:26:40 +0800", NOW, NOW) == timedelta(hours=2)
        assert correction("Sun, 13 Sep 2020 14:26:40 -0000", NOW, NOW) == timedelta(hours=2)

    @pytest.mark.parametrize(
        "date",
        [None, "", "yesterday", "Mon, 01 Jan 99999999999 00:00:00 GMT", "Mon, 32 Jan 2024 00:00:00 GMT"],
    )
    def test_an_unreadable_date(self, date: str | None) -> None:
        """A header that is missing or unreadable corrects nothing."""
        assert correction(date, NOW, NOW) is None


class TestAdviceOn:
    """Offsets that are too large."""

    @given(st.timedeltas(-LARGEST_CORRECTION, LARGEST_CORRECTION))
    def test_up_to_a_day(self, offset: timedelta) -> None:
        """An offset of up to a day is corrected."""
        assert advice_on(offset) == ""

    @pytest.mark.parametrize(
        ("offset", "text"),
        [
            (timedelta(days=1, seconds=1), "1 day ahead of"),
            (timedelta(days=-1, seconds=-1), "1 day behind"),
            (timedelta(days=36_525), "36525 days ahead of"),
            (timedelta(days=-20_000), "20000 days behind"),
        ],
    )
    def test_beyond_a_day(self, offset: timedelta, text: str) -> None:
        """A larger offset is not believed; the sentence has the difference and the next step."""
        assert (
            advice_on(offset) == f"the Date of the response is {text} the clock of this host: set the clock"
        )


class TestServiceClock:
    """``ServiceClock``: this host's clock and the offset."""

    def test_it_keeps_the_offset(self, caplog: pytest.LogCaptureFixture) -> None:
        """A correction holds from then on, and is logged."""
        clock = ServiceClock(lambda: NOW)
        assert clock.now() == NOW
        offset = clock.shown_offset(formatdate(NOW - 90, usegmt=True), NOW)
        assert clock.now() == NOW
        assert offset is not None
        clock.correct(offset)
        assert (clock.now(), clock.offset) == (NOW - 90, timedelta(seconds=-90))
        assert clock.shown_offset(None, NOW) is None
        assert len(caplog.messages) == 1
