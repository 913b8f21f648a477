"""The exact sliding window."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emay_voice_async import RateLimits
from emay_voice_async.model.endpoints import Call
from emay_voice_async.sandbox.speed import DEFAULT_LIMITS, Limit, Limits, SpeedWindow, limit_of
from sandbox.by_hand import NOW


class TestWindow:
    """Accepted and refused requests."""

    def test_the_limit_is_reached(self) -> None:
        """At a single instant, exactly as many requests as allowed are accepted."""
        window = SpeedWindow(Limit(3, 1.0))
        assert [window.admit(NOW) for _ in range(5)] == [True, True, True, False, False]

    @pytest.mark.parametrize(("milliseconds", "admitted"), [(999, False), (1000, False), (1001, True)])
    def test_a_request_counts_for_the_whole_period(self, milliseconds: int, admitted: bool) -> None:
        """A request counts until exactly a period later, and not a millisecond longer."""
        window = SpeedWindow(Limit(1, 1.0))
        window.admit(NOW)
        assert window.admit(NOW + milliseconds / 1000) is admitted

    def test_what_is_refused_does_not_count(self) -> None:
        """Refused requests do not count."""
        window = SpeedWindow(Limit(1, 1.0))
        assert [window.admit(NOW + tenth / 10) for tenth in range(12)] == [True, *[False] * 10, True]

    def test_the_clock_ticks_in_milliseconds(self) -> None:
        """Instants are compared in whole milliseconds."""
        window = SpeedWindow(Limit(1, 1.0))
        window.admit(NOW + 0.0009)
        assert window.admit(NOW + 1.001)

    def test_milliseconds_are_not_lost(self) -> None:
        """An instant that a float cannot represent exactly is rounded to the right millisecond."""
        window = SpeedWindow(Limit(1, 1.0))
        window.admit(0.0)
        assert 1.001 * 1000 < 1001
        assert window.admit(1.001)

    @given(
        requests=st.integers(1, 5),
        period=st.integers(1, 40),
        gaps=st.lists(st.integers(0, 30), max_size=60),
        start=st.integers(0, 2_000_000_000_000),
    )
    def test_it_is_exact(self, requests: int, period: int, gaps: list[int], start: int) -> None:
        """The window decides as the plain definition does, at any instant."""
        window = SpeedWindow(Limit(requests, period / 1000))
        counted: list[int] = []
        now = start
        for gap in gaps:
            now += gap
            right = sum(now - one <= period for one in counted) < requests
            if right:
                counted.append(now)
            assert window.admit(now / 1000) is right


class TestLimits:
    """The settings."""

    def test_ten_a_second_is_the_default(self) -> None:
        """Each kind of call has its own limit of ten a second."""
        assert [limit_of(DEFAULT_LIMITS, call) for call in Call] == [Limit(10, 1.0)] * 3

    def test_each_kind_has_its_own(self) -> None:
        """Each kind of call has a limit of its own."""
        limits = Limits(send=Limit(1), reports=None, balance=Limit(3))
        assert [limit_of(limits, call) for call in (Call.SEND, Call.REPORTS, Call.BALANCE)] == [
            Limit(1),
            None,
            Limit(3),
        ]

    def test_limits_of_the_client(self) -> None:
        """The client's RateLimits can be the limits of the service."""
        limit = limit_of(RateLimits(), Call.SEND)
        assert limit is not None
        assert (limit.requests, limit.period) == (10, 1.0)

    @pytest.mark.parametrize(("requests", "period"), [(0, 1.0), (1, 0.0), (1, -1.0)])
    def test_bad_limits_are_refused(self, requests: int, period: float) -> None:
        """A limit has at least one request and a positive period."""
        with pytest.raises(ValueError, match="must be >="):
            Limit(requests, period)


class TestChanges:
    """A window that is looked at, and a limit that changes."""

    def test_used(self) -> None:
        """The used places are those that count at the moment; refusals are counted."""
        window = SpeedWindow(Limit(2, 1.0))
        assert [window.admit(NOW + at) for at in (0, 0.5, 0.6)] == [True, True, False]
        assert [window.used(NOW + at) for at in (0.6, 1.0, 1.001, 1.501)] == [2, 2, 1, 0]
        assert window.refused == 1

    def test_another_limit(self) -> None:
        """Counted requests count under the new limit."""
        window = SpeedWindow(Limit(1, 1.0))
        window.admit(NOW)
        window.change(Limit(2, 5.0))
        assert [window.admit(NOW + at) for at in (2, 2, 5.001)] == [True, False, True]
        assert window.limit == Limit(2, 5.0)
