"""Growing pauses between attempts."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from emay_voice_async.redis.backoff import LONGEST_PAUSE, Backoff


def test_the_first_failure_is_told_from_the_rest() -> None:
    """``failed`` is True once until the next success, and ``succeeded`` returns when the failures began."""
    backoff = Backoff()
    assert backoff.succeeded() is None
    assert [backoff.failed(5.0), backoff.failed(6.0), backoff.failed(7.0)] == [True, False, False]
    assert backoff.succeeded() == 5.0
    assert backoff.succeeded() is None
    assert backoff.failed(8.0)


@given(st.integers(1, 40), st.floats(0.01, LONGEST_PAUSE))
def test_pauses_grow_up_to_the_longest(failures: int, longest: float) -> None:
    """Each pause is at least 1.5 times the previous pause, at most twice, and never above ``longest``."""
    backoff = Backoff()
    pauses = []
    for _ in range(failures):
        backoff.failed(100.0)
        pauses.append(backoff.retry_at(longest=float("inf")) - 100.0)
        assert backoff.retry_at(longest=longest) <= 100.0 + longest
    assert 0.03 < pauses[0] <= 0.05
    assert all(1.4 < later / earlier < 2.1 for earlier, later in pairwise(pauses))


def test_a_success_ends_the_pause() -> None:
    """After a success, the next attempt is due at once."""
    backoff = Backoff()
    backoff.failed(100.0)
    backoff.succeeded()
    assert backoff.retry_at(longest=LONGEST_PAUSE) < 100.0
