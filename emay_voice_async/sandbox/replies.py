"""The JSON of the answers, in the shapes of the document."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final, Literal

from attrs import frozen

from emay_voice_async.model.codes import ResultCode
from emay_voice_async.model.endpoints import VOICE_BALANCE, Endpoint, Product
from emay_voice_async.sandbox.outcomes import Outcome
from emay_voice_async.sandbox.record import MadeCall

__all__ = ["Recordings", "Reply", "balance", "refusal", "report", "reports", "tickets"]

Recordings = Literal["base64", "signed"]
"""How a recording (byte[] in Java) is written: base64 text, or a list of numbers from -128 to 127."""

_BEIJING_OFFSET: Final = timedelta(hours=8)


@frozen
class Reply:
    """The service's word on a request: the result code, and the JSON document to write."""

    code: str
    document: Mapping[str, object]


def refusal(endpoint: Endpoint, code: str) -> Reply:
    """Say no. Only the balance of the voice services has another name for the code."""
    return Reply(code, {"responseCode" if endpoint == VOICE_BALANCE else "code": code})


def tickets(endpoint: Endpoint, calls: Sequence[MadeCall]) -> Reply:
    """Say which calls were accepted, in the order of the numbers."""
    data = [
        {"mobile": call.mobile, endpoint.message_id: call.message_id, endpoint.custom_id: _custom_id(call)}
        for call in calls
    ]
    return _success(data)


def balance(endpoint: Endpoint, amount: Decimal) -> Reply:
    """Tell the balance, as text in plain notation."""
    text = f"{amount:f}"
    if endpoint == VOICE_BALANCE:
        return Reply(ResultCode.SUCCESS, {"balance": text, "responseCode": ResultCode.SUCCESS})
    return _success(text)


def reports(entries: Sequence[Mapping[str, object]]) -> Reply:
    """Hand out status reports, maybe none."""
    return _success(entries)


def report(call: MadeCall, ending: Outcome, called_at: float, recordings: Recordings) -> dict[str, object]:
    """Write one status report; ``called_at`` is the time of the call by the service's clock.

    Those of voice SMS have fewer fields, and text where the others have numbers (section 2.4.2).
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
            names.description: ending.join_message,
            "state": ending.join_state,
            "keyContent": ending.key or "",
            "voiceSign": _recording(ending.recording, recordings) or "",
        }
    return written | {
        "callingTime": None if ending.duration is None else _beijing(called_at),
        "callingDuration": ending.duration or 0.0,
        names.description: ending.message,
        "state": ending.state,
        "keyContent": None if ending.key is None else int(ending.key),
        "voiceSign": _recording(ending.recording, recordings),
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
