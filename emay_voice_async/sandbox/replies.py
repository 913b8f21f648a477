"""The service's replies: their JSON in the shapes of the document, and the HTTP response around it."""

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum
from http import HTTPStatus
from types import MappingProxyType
from typing import Final, Literal

from attrs import field, frozen

from emay_voice_async.model.codes import ResultCode
from emay_voice_async.model.endpoints import VOICE_BALANCE, Endpoint, Product
from emay_voice_async.sandbox.outcomes import Outcome
from emay_voice_async.sandbox.record import MadeCall

__all__ = [
    "HTML_TYPE",
    "JSON_TYPE",
    "TEXT_TYPE",
    "HttpReply",
    "Recordings",
    "Reply",
    "Transmission",
    "balance",
    "encode",
    "page",
    "refusal",
    "report",
    "reports",
    "tickets",
]

JSON_TYPE: Final = "application/json;charset=utf-8"
HTML_TYPE: Final = "text/html;charset=utf-8"
TEXT_TYPE: Final = "text/plain;charset=utf-8"

Recordings = Literal["base64", "signed"]
"""How a recording (byte[] in Java) is written: base64 text, or a list of numbers from -128 to 127."""

_BEIJING_OFFSET: Final = timedelta(hours=8)


@frozen
class Reply:
    """The service's reply to a request: the result code, and the JSON document."""

    code: str
    document: Mapping[str, object]


class Transmission(Enum):
    """How a response is sent over the connection."""

    WHOLE = "whole"
    CUT = "cut"
    """Half of the body is sent, then the connection is closed."""
    RESET = "reset"
    """No byte is sent; the connection is reset."""


@frozen
class HttpReply:
    """An HTTP response; ``code`` is the result code that a client can read in the body."""

    status: int
    body: bytes = field(repr=False)
    content_type: str = JSON_TYPE
    code: str | None = None
    headers: Mapping[str, str] = MappingProxyType({})
    transmission: Transmission = Transmission.WHOLE


def encode(reply: Reply) -> HttpReply:
    """Write a reply as the service does, always with status 200."""
    body = json.dumps(reply.document, ensure_ascii=False, separators=(",", ":")).encode()
    return HttpReply(HTTPStatus.OK, body, code=reply.code)


def page(status: int, headers: Mapping[str, str] = MappingProxyType({})) -> HttpReply:
    """Write a status as a small HTML page, as proxies and containers do."""
    title = f"{status} {HTTPStatus(status).phrase}"
    html = f"<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>"
    return HttpReply(status, html.encode(), HTML_TYPE, headers=headers)


def refusal(endpoint: Endpoint, code: str) -> Reply:
    """Refuse a request. The balance query of the voice services has another name for the code."""
    return Reply(code, {"responseCode" if endpoint == VOICE_BALANCE else "code": code})


def tickets(endpoint: Endpoint, calls: Sequence[MadeCall]) -> Reply:
    """List the accepted calls, in the order of the numbers."""
    data = [
        {"mobile": call.mobile, endpoint.message_id: call.message_id, endpoint.custom_id: _custom_id(call)}
        for call in calls
    ]
    return _success(data)


def balance(endpoint: Endpoint, amount: Decimal) -> Reply:
    """Write the balance, as text in plain notation."""
    text = f"{amount:f}"
    if endpoint == VOICE_BALANCE:
        return Reply(ResultCode.SUCCESS, {"balance": text, "responseCode": ResultCode.SUCCESS})
    return _success(text)


def reports(entries: Sequence[Mapping[str, object]]) -> Reply:
    """Hand out status reports, maybe none."""
    return _success(entries)


def report(call: MadeCall, outcome: Outcome, called_at: float, recordings: Recordings) -> dict[str, object]:
    """Write a status report; ``called_at`` is the time of the call by the service's clock.

    Reports of voice SMS have fewer fields, and text in place of numbers (section 2.4.2).
    """
    names = call.endpoint
    written: dict[str, object] = {
        "appId": call.app_id,
        names.custom_id: _custom_id(call),
        names.message_id: call.message_id,
        "mobile": call.mobile,
    }
    if call.product is Product.JOIN:
        return written | {
            names.description: outcome.join_message,
            "state": outcome.join_state,
            "keyContent": outcome.key or "",
            "voiceSign": _recording(outcome.recording, recordings) or "",
        }
    return written | {
        "callingTime": None if outcome.duration is None else _beijing(called_at),
        "callingDuration": outcome.duration or 0.0,
        names.description: outcome.message,
        "state": outcome.state,
        "keyContent": None if outcome.key is None else int(outcome.key),
        "voiceSign": _recording(outcome.recording, recordings),
    }


def _success(data: object) -> Reply:
    return Reply(ResultCode.SUCCESS, {"code": ResultCode.SUCCESS, "data": data})


def _custom_id(call: MadeCall) -> str:
    return call.message_id if call.custom_id is None else call.custom_id


def _beijing(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC) + _BEIJING_OFFSET:%Y-%m-%d %H:%M:%S}"


def _recording(data: bytes | None, recordings: Recordings) -> str | list[int] | None:
    if data is None:
        return None
    if recordings == "base64":
        return b64encode(data).decode()
    return [byte - 256 if byte > 127 else byte for byte in data]
