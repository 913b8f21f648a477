"""Rejected pushes without ``on_rejected``."""

import pytest
from support.pushes import KEYS, Handler, status
from support.virtual_time import run

from emay_voice_async.errors import PushError
from emay_voice_async.receiver import PushReceiver, Rejected, rejections
from emay_voice_async.receiver.rejections import KeptRejections

ERROR = PushError("decrypt", "...")


def test_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest pushes are dropped beyond a number and beyond a size; the last one always stays."""
    monkeypatch.setattr(rejections, "MAX_KEPT", 3)
    monkeypatch.setattr(rejections, "MAX_BYTES", 10)
    kept = KeptRejections()
    assert [kept.add(Rejected("a", bytes(size), ERROR)) for size in (1, 2, 3, 3)] == [0, 0, 0, 1]
    assert [len(one.body) for one in kept.rejected] == [2, 3, 3]
    assert kept.add(Rejected("a", bytes(7), ERROR)) == 1 + 0 + 1
    assert [len(one.body) for one in kept.rejected] == [3, 7]
    assert kept.add(Rejected("a", bytes(99), ERROR)) == 2
    assert [len(one.body) for one in kept.take()] == [99]
    assert kept.rejected == ()
    assert kept.add(Rejected("a", bytes(10), ERROR)) == 0


def test_dropped_pushes_are_logged(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """The log counts dropped pushes, and shows no body."""
    monkeypatch.setattr(rejections, "MAX_KEPT", 1)
    app = PushReceiver(KEYS, Handler())
    for _ in range(2):
        assert run(status(app, b"garbage")) == 400
    assert "1 older rejected pushes were dropped" in caplog.text
    assert "garbage" not in caplog.text


def test_a_rejected_push_shows_no_body() -> None:
    """The repr counts the bytes of the body."""
    assert "<7 bytes>" in repr(Rejected("a", b"garbage", ERROR))
