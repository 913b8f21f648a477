"""Rate limits: accepted values, refused values, defaults."""

import math

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from emay_voice_async.errors import InvalidRequestError
from emay_voice_async.model.endpoints import Call
from emay_voice_async.model.limits import RateLimit, RateLimits

limits = st.builds(RateLimit, st.integers(1, 100), st.floats(0.001, 86_400))


class TestRateLimit:
    """A single limit."""

    @given(st.integers(1), st.floats(0, 86_400, exclude_min=True) | st.integers(1, 86_400))
    def test_accepted_values(self, requests: int, period: float) -> None:
        """Any count from 1 and any period above 0, up to a day, is accepted."""
        limit = RateLimit(requests, period)
        assert (limit.requests, limit.period) == (requests, period)

    @pytest.mark.parametrize("requests", [0, -1, True, 1.0, "10", None, math.inf], ids=repr)
    def test_requests(self, requests: object) -> None:
        """The count of requests must be a whole number of at least 1."""
        with pytest.raises(InvalidRequestError) as caught:
            RateLimit(requests, 1.0)  # type: ignore[arg-type]
        assert (caught.value.field, caught.value.limit) == ("rate limit requests", 1)

    @pytest.mark.parametrize(
        "period", [0, 0.0, -1.0, True, 86_401, 10**400, math.inf, -math.inf, math.nan, "1", None], ids=repr
    )
    def test_period(self, period: object) -> None:
        """The period must be a finite number above 0."""
        with pytest.raises(InvalidRequestError) as caught:
            RateLimit(10, period)  # type: ignore[arg-type]
        assert (caught.value.field, caught.value.limit) == ("rate limit period", 0)

    def test_limits_are_values(self) -> None:
        """A changed copy is checked, too."""
        with pytest.raises(InvalidRequestError):
            evolve(RateLimit(1, 1), requests=0)


class TestRateLimits:
    """The limits of an account."""

    def test_defaults(self) -> None:
        """The default of each kind of request is 10 requests a second."""
        assert [RateLimits().of(call) for call in Call] == [RateLimit(10, 1.0)] * 3

    @given(*[st.none() | limits] * 3)
    def test_each_kind_has_its_own(
        self, send: RateLimit | None, reports: RateLimit | None, balance: RateLimit | None
    ) -> None:
        """A kind of call has the limit that was given for it, or none."""
        given_limits = RateLimits(send, reports, balance)
        assert [given_limits.of(call) for call in (Call.SEND, Call.REPORTS, Call.BALANCE)] == [
            send,
            reports,
            balance,
        ]
