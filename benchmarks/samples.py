"""Numbers, contents and status reports in every shape that the API document allows."""

import json
from base64 import b64encode
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

__all__ = [
    "APP_ID",
    "CONTENT",
    "SECRET_KEY",
    "SHAPES",
    "mobiles",
    "products",
    "report_page",
    "reports",
    "written",
]

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
    """Make the response to a getReport with every field of the document."""
    return written(reports(number))


def written(entries: list[dict[str, Any]]) -> bytes:
    """Write reports as Java writers do: no blanks, UTF-8 as it is."""
    page = {"code": "SUCCESS", "data": entries}
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


def _voice_example(place: int) -> dict[str, Any]:
    """Return the example of section 2.1.2.2, word for word but for ids and number."""
    return {
        "appId": "EUCP - EMY - DDDD - 3EEEE",
        "voiceId": f"2017039283383{place:07}",
        "customVoiceId": f"155388500{place:07}",
        "state": " SUCCESS ",
        "message": "成功",
        "callingTime": "2017-03-15 12:00:00",
        "callingDuration": 68.02,
        "mobile": f"1{8_566_000_000 + place}",
    }


def _join_example(place: int) -> dict[str, Any]:
    """Return the example of section 2.4.2.2, word for word but for ids and number."""
    return {
        "appId": "EUCP - EMY - DDDD - 3EEEE",
        "joinId": f"2017039283383{place:07}",
        "customJoinId": f"155388500{place:07}",
        "state": " 4 " if place % 2 else " 2 ",
        "desc": "success" if place % 2 else "fail",
        "mobile": f"1{8_566_000_000 + place}",
        "keyContent": "12",
        "voiceSign": "",
    }


def _nulls(place: int) -> dict[str, Any]:
    names = ("customVoiceId", "callingTime", "callingDuration", "message", "keyContent", "voiceSign")
    return _report(place) | (dict.fromkeys(names) if place % 2 else {})


def _missing(place: int) -> dict[str, Any]:
    return {name: value for name, value in _nulls(place).items() if value is not None}


def _swapped(place: int) -> dict[str, Any]:
    """Write numbers as text, and text as numbers."""
    report = _report(place)
    numbers = {name: int(report[name]) for name in ("voiceId", "mobile")}
    key = report["keyContent"]
    return (
        report
        | numbers
        | {
            "callingDuration": f"{report['callingDuration']}",
            "keyContent": key and f"{key}",
        }
    )


def _unknown_states(place: int) -> dict[str, Any]:
    return _report(place) | {"state": f"FAIL_NEW_{place % 7}", "message": "新状态"}


def _beyond(place: int) -> dict[str, Any]:
    """Add fields beyond the document."""
    return _report(place) | {"callType": 3, "extra": {"carrier": "移动"}}


def _mixed(place: int) -> dict[str, Any]:
    return _join_example(place) if place % 3 == 0 else _report(place)


def _recordings(place: int) -> dict[str, Any]:
    recording = b64encode(place.to_bytes(4, "big") * 500).decode()
    return _report(place) | {"voiceSign": recording if place % 5 == 0 else None}


SHAPES: Final[dict[str, Callable[[int], dict[str, Any]]]] = {
    "every field": _report,
    "the example of 2.1.2.2": _voice_example,
    "the example of 2.4.2.2": _join_example,
    "nulls": _nulls,
    "missing fields": _missing,
    "numbers as text, text as numbers": _swapped,
    "unknown states": _unknown_states,
    "a field beyond the document": _beyond,
    "mixed products": _mixed,
    "recordings": _recordings,
}
"""For each shape of the reports in a page, the report at a place."""
LONG: Final = frozenset({"a field beyond the document", "recordings"})
"""Shapes much longer than the others, which a spread of costs leaves out: the JSON itself takes longer."""


def products(shape: str) -> tuple[str, ...]:
    """Name the products that a shape has reports of, as in the paths of the service."""
    names = {name for place in range(3) for name in SHAPES[shape](place)}
    return tuple(product for product in ("voice", "join") if f"{product}Id" in names)
