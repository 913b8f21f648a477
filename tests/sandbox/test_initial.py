"""The state at the start."""

from decimal import Decimal

from emay_voice_async.sandbox.initial import InitialState
from sandbox.control.asking import call, still


def test_restoring() -> None:
    """Accounts and settings come back, records, reports and faults are cleared; the note shows no secretKey."""
    local = still(report_delay=3.0, latency=lambda: 0.0)
    initial = InitialState.of(local.app)
    latency = local.app.latency
    call(local)
    local.balance, local.report_delay, local.clock_offset, local.app.latency = Decimal(1), 9.0, 9.0, None
    initial.restore(local.app)
    assert (local.balance, local.report_delay, local.clock_offset) == (Decimal(10000), 3.0, 0.0)
    assert (local.app.latency, local.calls, local.received, local.reports_waiting) == (latency, [], [], 0)
    assert local.secret_key not in repr(initial)
