"""The speed of a campaign."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emay_voice_async.cli.watch.rates import MOST, RateMeter


def metered(*samples: tuple[float, int]) -> RateMeter:
    """Make a meter with these samples."""
    meter = RateMeter()
    for at, settled in samples:
        meter.add(at, settled)
    return meter


def test_unknown() -> None:
    """One sample, and two at the same instant, give no rate and no end."""
    for meter in (metered(), metered((0, 5)), metered((7, 5), (7, 9))):
        assert (meter.per_minute, meter.seconds_left(10)) == (None, None)
        assert meter.history() == []


def test_rate() -> None:
    """The rate is that of the last two minutes, and the end follows from it."""
    meter = metered((0, 0), (600, 60000), (660, 60100), (720, 60200))
    assert meter.per_minute == pytest.approx(100)
    assert meter.seconds_left(50) == pytest.approx(30)
    assert meter.seconds_left(0) == 0
    assert meter.history() == [(120, 6000), (60, 100), (0, 100)]


def test_a_long_pause() -> None:
    """After a pause longer than two minutes the rate is that since the last sample before it."""
    assert metered((0, 0), (600, 100)).per_minute == pytest.approx(10)


def test_a_halt() -> None:
    """Without progress there is no end, and a journal that was replaced gives no negative rate."""
    assert metered((0, 5), (60, 5)).seconds_left(1) is None
    assert metered((0, 5), (60, 1)).per_minute == 0


@given(st.lists(st.tuples(st.floats(0.01, 50), st.integers(0, 100)), max_size=600))
def test_bounds(steps: list[tuple[float, int]]) -> None:
    """The memory is bounded, and no rate is negative."""
    meter, at, settled = RateMeter(), 0.0, 0
    for seconds, number in steps:
        at, settled = at + seconds, settled + number
        meter.add(at, settled)
    assert len(meter.history()) < MOST
    assert all(rate >= 0 for _, rate in meter.history())
    assert meter.per_minute is None or meter.per_minute >= 0
