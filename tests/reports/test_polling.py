"""The pauses between requests."""

import pytest

from emay_voice_async.reports.polling import backoff, jittered


def test_jitter() -> None:
    """Jittered pauses differ by up to a fifth."""
    seconds = [jittered(10) for _ in range(100)]
    assert 8 <= min(seconds) < max(seconds) <= 12


@pytest.mark.parametrize(
    ("interval", "failures", "expected"),
    [
        (5, 1, 5),
        (5, 2, 10),
        (5, 4, 40),
        (5, 5, 60),
        (5, 10_000, 60),
        (300, 1, 300),
        (300, 9, 300),
        (0.01, 3, 0.04),
    ],
)
def test_backoff(interval: float, failures: int, expected: float) -> None:
    """The pause doubles with each failure, up to a minute or the interval."""
    assert 0.8 * expected <= backoff(interval, failures) <= 1.2 * expected
