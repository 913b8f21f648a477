"""The loop that a good engineer writes without the SDK: forms, dicts, a published limiter."""

import re
import time
from base64 import b64decode
from dataclasses import dataclass
from datetime import datetime
from hashlib import md5
from secrets import token_hex
from typing import Any

import httpx

from benchmarks.samples import APP_ID, CONTENT, SECRET_KEY
from emay_voice_async.model.beijing import BEIJING
from emay_voice_async.model.codes import CallState, call_state

__all__ = ["TypedReport", "ask_reports", "send", "send_code", "typed"]


_MOBILE = re.compile("1[0-9]{10}")


def _signed(fields: dict[str, str]) -> dict[str, str]:
    timestamp = time.strftime("%Y%m%d%H%M%S", time.gmtime(time.time() + 8 * 3600))
    signature = md5(f"{APP_ID}{SECRET_KEY}{timestamp}".encode(), usedforsecurity=False).hexdigest()
    return {"appId": APP_ID, "timestamp": timestamp, "sign": signature, **fields}


async def _post(client: httpx.AsyncClient, url: str, fields: dict[str, str]) -> list[dict[str, Any]]:
    response = await client.post(url, data=_signed(fields))
    response.raise_for_status()
    answer = response.json()
    if answer["code"] != "SUCCESS":
        raise RuntimeError(answer["code"])
    data: list[dict[str, Any]] = answer["data"]
    return data


async def send(client: httpx.AsyncClient, url: str, mobiles: list[str]) -> dict[str, str]:
    """Send a notice to up to 500 numbers; return the message id of each number.

    The numbers are checked, each has an id of its own, and the response must name each of them.
    """
    if not all(_MOBILE.fullmatch(mobile) for mobile in mobiles) or len(set(mobiles)) != len(mobiles):
        raise ValueError("a number is invalid or a duplicate")
    token = token_hex(10)
    custom_ids = [f"{token}-{place}" for place in range(len(mobiles))]
    fields = {
        "content": CONTENT,
        "isInteractive": "0",
        "mobiles": ",".join(mobiles),
        "customVoiceIds": ",".join(custom_ids),
    }
    tickets = await _post(client, f"{url}/voice/send", fields)
    found = {ticket["customVoiceId"]: (ticket["mobile"], ticket["voiceId"]) for ticket in tickets}
    calls = [(mobile, *found[custom_id]) for mobile, custom_id in zip(mobiles, custom_ids, strict=True)]
    if any(mobile != named for mobile, named, _ in calls):
        raise RuntimeError("the response names other numbers")
    return {mobile: message_id for mobile, _, message_id in calls}


async def send_code(client: httpx.AsyncClient, url: str, mobile: str) -> str:
    """Send one verification code to a checked number, with an id of its own; return the message id."""
    if not _MOBILE.fullmatch(mobile):
        raise ValueError("the number is invalid")
    custom_id = token_hex(10)
    fields = {"content": "4711", "mobile": mobile, "customVoiceId": custom_id}
    [ticket] = await _post(client, f"{url}/voice/sendVFCode", fields)
    if (ticket["mobile"], ticket["customVoiceId"]) != (mobile, custom_id):
        raise RuntimeError("the response names another number")
    message_id: str = ticket["voiceId"]
    return message_id


async def ask_reports(client: httpx.AsyncClient, url: str, product: str = "voice") -> list[dict[str, Any]]:
    """Ask for up to 1,000 reports of a product."""
    return await _post(client, f"{url}/{product}/getReport", {"number": "1000"})


@dataclass(frozen=True, slots=True)
class TypedReport:
    """A report with the values that a user needs: a listed state, and a time with its zone."""

    message_id: str
    custom_id: str
    mobile: str
    state: CallState
    description: str
    called_at: datetime | None
    duration: float | None
    key_pressed: str | None
    recording: bytes | None


def typed(report: dict[str, Any]) -> TypedReport:
    """Make a typed report of a dict with every field."""
    called_at, key, recording = report["callingTime"], report["keyContent"], report["voiceSign"]
    return TypedReport(
        report["voiceId"],
        report["customVoiceId"],
        report["mobile"],
        call_state(report["state"].strip()),
        report["message"],
        called_at and datetime.fromisoformat(called_at).replace(tzinfo=BEIJING),
        report["callingDuration"],
        key and str(key),
        recording and b64decode(recording),
    )
