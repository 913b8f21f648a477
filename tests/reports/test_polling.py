"""The pauses between requests."""

import pytest

from emay_voice_async.errors import (
    AccountError,
    AnswerError,
    EmayVoiceError,
    NotSentError,
    OutcomeUnknownError,
    OverSpeedError,
    RefusedError,
    UsageError,
)
from emay_voice_async.exchange.transport import CLOSED_CLIENT
from emay_voice_async.reports.polling import backoff, jittered, may_pass


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
    ("error", "at_first", "later"),
    [
        (NotSentError("refused the connection"), True, True),
        (NotSentError("too many requests", "", False, 429), True, True),
        (NotSentError("not found", "", True, 404), False, True),
        (NotSentError("unknown host", "", True), False, True),
        (NotSentError(CLOSED_CLIENT, "", True), False, False),
        (OverSpeedError("ERROR_OVER_SPEED", "", ""), True, True),
        (OutcomeUnknownError("reset"), True, True),
        (AnswerError("not JSON", "", 502, b""), True, True),
        (AccountError("ERROR_SIGN", "", ""), False, False),
        (RefusedError("ERROR_NEW", "", ""), False, False),
        (UsageError("client", "is closed"), False, False),
    ],
)
def test_errors_that_may_pass(error: EmayVoiceError, *, at_first: bool, later: bool) -> None:
    """A wrong setting or address is permanent until the service has answered once; a refusal is always permanent."""
    assert may_pass(error, proved=False) is at_first
    assert may_pass(error, proved=True) is later
