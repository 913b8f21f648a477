"""The loop that a good engineer writes without the SDK: forms, dicts, a published limiter."""

import time
from hashlib import md5
from typing import Any

import httpx

from benchmarks.samples import APP_ID, CONTENT, SECRET_KEY

__all__ = ["ask_reports", "send", "send_code"]


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


async def send(
    client: httpx.AsyncClient, url: str, mobiles: list[str], custom_ids: list[str]
) -> list[dict[str, Any]]:
    """Send a notice to up to 500 numbers."""
    fields = {
        "content": CONTENT,
        "isInteractive": "0",
        "mobiles": ",".join(mobiles),
        "customVoiceIds": ",".join(custom_ids),
    }
    return await _post(client, f"{url}/voice/send", fields)


async def send_code(client: httpx.AsyncClient, url: str, mobile: str, custom_id: str) -> list[dict[str, Any]]:
    """Send one verification code."""
    fields = {"content": "4711", "mobile": mobile, "customVoiceId": custom_id}
    return await _post(client, f"{url}/voice/sendVFCode", fields)


async def ask_reports(client: httpx.AsyncClient, url: str) -> list[dict[str, Any]]:
    """Ask for up to 1,000 reports."""
    return await _post(client, f"{url}/voice/getReport", {"number": "1000"})
