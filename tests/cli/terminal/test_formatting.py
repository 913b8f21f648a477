"""Formatting for people."""

import pytest

from emay_voice_async.cli.terminal.formatting import duration


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "a moment"),
        (0.44, "0.4 s"),
        (12.4, "12 s"),
        (59.6, "1:00 min"),
        (185, "3:05 min"),
        (93785, "26:03:05 h"),
    ],
)
def test_durations(seconds: float, words: str) -> None:
    """The unit fits the duration."""
    assert duration(seconds) == words
