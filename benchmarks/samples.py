"""What is sent and what comes back, as the service's document shows it."""

import json
from datetime import datetime, timedelta
from typing import Any, Final

__all__ = ["APP_ID", "CONTENT", "SECRET_KEY", "mobiles", "report_page", "reports"]

APP_ID: Final = "EUCP-EMY-VOC1-00000"
SECRET_KEY: Final = "0123456789ABCDEF"
CONTENT: Final = "尊敬的客户，您的快递已到，请凭取件码在今天下午六点以前到东门驿站领取。"

_BEGIN: Final = datetime(2026, 3, 2, 8, 0, 0)  # noqa: DTZ001 - the wire has no zone
_ENDS: Final = (
    ("SUCCESS", "成功"),
    ("SUCCESS", "成功"),
    ("SUCCESS", "成功"),
    ("FAIL_CALL", "呼叫失败"),
    ("SUCCESS", "成功"),
    ("TIMEOUT", "状态报告超时"),
)


def mobiles(number: int) -> list[str]:
    """Make different mobile numbers."""
    return [f"1{3_800_000_000 + place}" for place in range(number)]


def reports(number: int) -> list[dict[str, Any]]:
    """Make status reports with every field of the document; most calls were answered."""
    return [_report(place) for place in range(number)]


def report_page(number: int) -> bytes:
    """Make the answer to a getReport, written as Java writers do: no blanks, UTF-8 as it is."""
    page = {"code": "SUCCESS", "data": reports(number)}
    return json.dumps(page, ensure_ascii=False, separators=(",", ":")).encode()


def _report(place: int) -> dict[str, Any]:
    state, message = _ENDS[place % len(_ENDS)]
    answered = state == "SUCCESS"
    return {
        "appId": APP_ID,
        "voiceId": f"2026030283383{place:07}",
        "customVoiceId": f"8f0c2d9ab41e77d05c13-{place}",
        "mobile": f"1{3_800_000_000 + place}",
        "callingTime": f"{_BEGIN + timedelta(seconds=place)}",
        "callingDuration": round(place * 7.13 % 90, 2) if answered else 0.0,
        "message": message,
        "state": state,
        "keyContent": 1 + place % 3 if answered and place % 5 == 0 else None,
        "voiceSign": None,
    }
