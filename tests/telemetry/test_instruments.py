"""The instruments of a meter provider."""

import gc
import logging

import pytest
from support.telemetry import Telemetry

from emay_voice_async import AsyncEmayVoice
from emay_voice_async.telemetry.instruments import instruments_of


def client(app_id: str) -> AsyncEmayVoice:
    """Make a client."""
    return AsyncEmayVoice("http://service", app_id=app_id, secret_key="secret")


def test_once_for_each_provider(caplog: pytest.LogCaptureFixture) -> None:
    """Clients of a provider share the instruments, so that an SDK logs no warning."""
    caplog.set_level(logging.DEBUG)
    one, other = Telemetry(), Telemetry()
    assert instruments_of(one.meter_provider) is instruments_of(one.meter_provider)
    assert instruments_of(one.meter_provider) is not instruments_of(other.meter_provider)
    clients = [client("a"), client("b")]
    for voice in clients:
        one.instrument(voice)
    keys = "emay_voice.app_id", "emay_voice.call"
    assert one.values("emay_voice.rate_limit", *keys) == {
        (app_id, call): 10 for app_id in ("a", "b") for call in ("send", "reports", "balance")
    }
    assert not caplog.records


def test_the_gauges_keep_no_client_alive() -> None:
    """A client that is gone is not asked for its gauges any more."""
    telemetry = Telemetry()
    kept, gone = client("kept"), client("gone")
    telemetry.instrument(kept)
    telemetry.instrument(gone)
    assert len(telemetry.points("emay_voice.rate_limit")) == 6
    del gone
    gc.collect()
    assert set(telemetry.values("emay_voice.rate_limit", "emay_voice.app_id")) == {("kept",)}
    telemetry.instrument(client("another"))
    gc.collect()
    assert set(telemetry.values("emay_voice.rate_limit", "emay_voice.app_id")) == {("kept",)}
    assert len(instruments_of(telemetry.meter_provider)._sources) == 2
