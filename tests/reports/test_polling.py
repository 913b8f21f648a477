"""The pauses between requests, and the errors that a follower survives."""

import pytest

from emay_voice_async.errors import (
    AccountError,
    AnswerError,
    EmayVoiceError,
    NotSentError,
    OutcomeUnknownError,
    OverSpeedError,
    UsageError,
)
from emay_voice_async.reports.polling import backoff, is_transient, jittered


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


@pytest.mark.parametrize(
    ("error", "transient"),
    [
        (NotSentError("ConnectError", "/p"), True),
        (NotSentError("ALL_PROXY: not a usable proxy", "/p", True), False),
        (NotSentError("the server does not know this path", "/p", True, 404), False),
        (NotSentError("the server limits the rate", "/p", False, 429), True),
        (OutcomeUnknownError("ReadTimeout", "/p"), True),
        (AnswerError("the HTTP status is not 200", "/p", 502, b""), True),
        (OverSpeedError("ERROR_OVER_SPEED", "", "/p"), True),
        (AccountError("ERROR_SIGN", "", "/p"), False),
        (UsageError("client", "is closed"), False),
    ],
)
def test_transient_errors(error: EmayVoiceError, transient: bool) -> None:
    """A follower asks again after errors that may pass, and not after a refusal or with a wrong setting."""
    assert is_transient(error) is transient
