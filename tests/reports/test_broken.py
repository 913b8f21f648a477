"""Reports and answers that could not be read."""

import pytest

from emay_voice_async.reports import broken
from emay_voice_async.reports.broken import BrokenReports


def test_taking() -> None:
    """All pairs are taken once, in order."""
    kept = BrokenReports()
    kept.add([(7, "a"), (b"x", "b")])
    assert kept.pairs == ((7, "a"), (b"x", "b"))
    assert kept.take() == [(7, "a"), (b"x", "b")]
    assert kept.take() == []


def test_bounds(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Beyond the number of pairs or of bytes, the oldest pairs are dropped, and the log counts them."""
    monkeypatch.setattr(broken, "MAX_ENTRIES", 3)
    monkeypatch.setattr(broken, "MAX_BYTES", 10)
    kept = BrokenReports()
    kept.add((number, "") for number in range(5))
    assert [raw for raw, _ in kept.pairs] == [2, 3, 4]
    assert caplog.messages == ["2 unreadable reports or answers were dropped: take_broken_reports() in time"]
    kept.add([(b"12345678", ""), (b"123", "")])
    assert [raw for raw, _ in kept.pairs] == [b"123"]
    kept.add([(bytes(50), "")])
    assert [len(raw) for raw, _ in kept.pairs] == [50]
    kept.take()
    kept.add([(bytes(5), ""), (bytes(5), "")])
    assert len(kept.pairs) == 2
