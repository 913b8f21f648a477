"""Metrics of a receiver."""

from typing import Any

from support.pushes import APP_ID, KEYS, OTHER_ID, PUSH, entry, seal, text_of
from support.telemetry import Telemetry
from support.virtual_time import run

from emay_voice_async import Report
from emay_voice_async.receiver import PushReceiver, RecentReports


def pushed(*pushes: tuple[str, bytes], fails: bool = False) -> Telemetry:
    """Push to an instrumented receiver."""
    telemetry = Telemetry()

    async def handler(reports: list[Report]) -> None:
        if fails:
            raise OSError

    async def main() -> None:
        receiver = PushReceiver(KEYS, handler, deduplicate=RecentReports())
        telemetry.instrument(receiver)
        for app_id, body in pushes:
            await receiver.handle("POST", "/", {"appId": app_id}, body, None)

    run(main())
    return telemetry


def test_reports_and_pushes() -> None:
    """Reports by state and account, duplicates apart; pushes by status."""
    body = seal(text_of(entry("1"), entry("2", "FAIL_CALL"), 7))
    telemetry = pushed((APP_ID, body), (APP_ID, PUSH), (APP_ID, PUSH), (OTHER_ID, PUSH), ("stranger", PUSH))
    keys = "emay_voice.app_id", "emay_voice.state", "emay_voice.source"
    found = telemetry.values("emay_voice.reports", *keys)
    assert found == {
        (APP_ID, "SUCCESS", "push"): 2,
        (APP_ID, "FAIL_CALL", "push"): 1,
        (APP_ID, "UNREADABLE", "push"): 1,
    }
    assert telemetry.values("emay_voice.reports.duplicates", "emay_voice.app_id") == {(APP_ID,): 1}
    found = telemetry.values("emay_voice.pushes", "emay_voice.app_id", "http.response.status_code")
    assert found == {(APP_ID, 200): 3, (OTHER_ID, 400): 1, (None, 403): 1}


def test_a_handler_that_fails() -> None:
    """A failure is counted with the class of its error, and no report is."""
    telemetry = pushed((APP_ID, PUSH), fails=True)
    found: dict[Any, Any] = telemetry.values("emay_voice.pushes", "http.response.status_code", "error.type")
    assert found == {(500, "OSError"): 1}
    assert not telemetry.points("emay_voice.reports")
