"""The counters of a client."""

import pytest
from attrs import fields
from attrs.exceptions import FrozenInstanceError

from emay_voice_async.model.limits import RateLimits
from emay_voice_async.model.stats import Stats


class TestStats:
    """A snapshot."""

    def test_all_counters_start_at_zero(self) -> None:
        """Every counter of a new client is 0, and the limits are the default limits."""
        counters = [getattr(Stats(), field.name) for field in fields(Stats) if field.name != "limits"]
        assert set(counters) == {0}
        assert Stats().limits == RateLimits()

    def test_each_field_is_documented(self) -> None:
        """The docstring names every field."""
        assert all(f"``{field.name}``" in (Stats.__doc__ or "") for field in fields(Stats))

    def test_a_snapshot_is_frozen(self) -> None:
        """A snapshot cannot be changed."""
        with pytest.raises(FrozenInstanceError):
            Stats().requests = 1  # type: ignore[misc]
