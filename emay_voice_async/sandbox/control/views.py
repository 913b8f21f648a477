"""The state of the service as JSON: pages of calls and requests, newest first, and the counts."""

from base64 import b64encode
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Final, TypeVar

from emay_voice_async.model.codes import CallState, ResultCode
from emay_voice_async.model.endpoints import (
    JOIN_SEND,
    VOICE_SEND,
    VOICE_SEND_CODE,
    VOICE_SEND_MARKETING,
    Call,
)
from emay_voice_async.sandbox.accounts import Account
from emay_voice_async.sandbox.app import App
from emay_voice_async.sandbox.faults import Faults
from emay_voice_async.sandbox.outcomes import Outcome
from emay_voice_async.sandbox.record import MadeCall, Received
from emay_voice_async.sandbox.service import Service
from emay_voice_async.sandbox.speed import AnyLimit, limit_of

__all__ = [
    "account_json",
    "call_json",
    "counts_json",
    "faults_json",
    "meanings_json",
    "page_of",
    "request_json",
    "speed_json",
    "written",
]

Json = dict[str, Any]

KINDS: Final = {
    VOICE_SEND: "notice",
    VOICE_SEND_CODE: "code",
    VOICE_SEND_MARKETING: "marketing",
    JOIN_SEND: "voice_sms",
}
SHORT: Final = 300
"""Characters of a value in a list; a single record has whole values."""
_Record = TypeVar("_Record", MadeCall, Received)


class Phase(Enum):
    """The phases of a call."""

    RINGING = "ringing"
    """The report is not ready; what the person does can change."""
    READY = "ready"
    TAKEN = "taken"


def counts_json(app: App) -> Json:
    """Return the counts since the start, or since the records were cleared."""
    service = app.service
    return {
        "calls": service.made,
        "calls_recorded": len(service.calls),
        "requests": app.arrived,
        "requests_recorded": len(app.received),
        "over_speed": app.over_speed,
        "reports_waiting": service.reports_waiting,
        "outcomes": {state: count for state, count in service.outcomes.items() if count},
    }


def speed_json(service: Service, now: float) -> list[Json]:
    """Return the speed windows in use: requests counted at ``now``, the limit, and refusals so far."""
    return [
        {
            "app_id": account.app_id,
            "kind": kind.value,
            "requests": window.limit.requests,
            "period": window.limit.period,
            "used": window.used(now),
            "refused": window.refused,
        }
        for account in service.accounts.values()
        for kind in Call
        if (window := service.window(account, kind)) is not None
    ]


def account_json(account: Account) -> Json:
    """Write an account, without its secretKey."""
    ips = account.allowed_ips
    return {
        "app_id": account.app_id,
        "balance": f"{account.balance:f}",
        "price": f"{account.price:f}",
        "services": sorted(service.name.lower() for service in account.services),
        "rate_limits": {kind.value: _limit(limit_of(account.rate_limits, kind)) for kind in Call},
        "allowed_ips": None if ips is None else sorted(ips),
    }


def _limit(limit: AnyLimit | None) -> Json | None:
    return None if limit is None else {"requests": limit.requests, "period": limit.period}


def faults_json(faults: Faults) -> list[Json]:
    """Write the planned faults in their order."""
    return [
        {
            "name": plan.fault.name,
            "acts": plan.fault.acts,
            "before": plan.fault.before,
            "after": plan.fault.after,
            "on": plan.on.value if isinstance(plan.on, Call) else plan.on,
            "skip": plan.skip,
            "times": plan.times,
            "seen": plan.seen,
        }
        for plan in faults
    ]


def page_of(
    records: Sequence[_Record], total: int, *, before: int | None, most: int
) -> tuple[list[tuple[int, _Record]], int | None]:
    """Return up to ``most`` records with their places, newest first, and the place where the next page begins.

    ``total`` records were ever made, and ``records`` are the last of them; the first has place 1. A page has places
    below ``before``; None is the newest page.
    """
    first = total - len(records) + 1
    end = total + 1 if before is None else min(before, total + 1)
    start = max(first, end - most)
    page = [(place, records[place - first]) for place in range(end - 1, start - 1, -1)]
    return page, start if page and start > first else None


def call_json(place: int, call: MadeCall, now: float, *, whole: bool = True) -> Json:
    """Write a call; ``whole``: with the recording, and without shortened values."""
    result = call.result
    return {
        "place": place,
        "message_id": call.message_id,
        "custom_id": None if call.custom_id is None else _short(call.custom_id, whole),
        "app_id": call.app_id,
        "mobile": _short(call.mobile, whole),
        "kind": KINDS[call.endpoint],
        "product": call.product.value,
        "path": call.path,
        "at": written(call.at),
        "content": _short(call.content, whole),
        "texts": {name: _short(text, whole) for name, text in call.texts.items()},
        "phase": _phase(call, now).value,
        "report_at": None if result.ready_at is None else written(result.ready_at),
        "outcome": None if result.outcome is None else _outcome(result.outcome, whole),
    }


def _phase(call: MadeCall, now: float) -> Phase:
    result = call.result
    if result.taken:
        return Phase.TAKEN
    return Phase.RINGING if result.ready_at is None or result.ready_at > now else Phase.READY


def _outcome(outcome: Outcome, whole: bool) -> Json:
    json: Json = {
        "state": outcome.state,
        "message": outcome.message,
        "duration": outcome.duration,
        "key": outcome.key,
        "has_recording": outcome.recording is not None,
    }
    if whole and outcome.recording is not None:
        json["recording"] = b64encode(outcome.recording).decode()
    return json


def request_json(place: int, request: Received, *, whole: bool = True) -> Json:
    """Write a request; ``whole``: without shortened values."""
    return {
        "place": place,
        "at": written(request.at),
        "method": request.method,
        "path": _short(request.path, whole),
        "client": request.client,
        "fields": {_short(name, whole): _short(value, whole) for name, value in _fields(request, whole)},
        "fault": request.fault,
        "acted": request.acted,
        "code": request.code,
        "status": request.status,
    }


def _fields(request: Received, whole: bool) -> Iterator[tuple[str, str]]:
    most = len(request.fields) if whole else 30
    yield from (pair for _, pair in zip(range(most), request.fields.items(), strict=False))


def meanings_json() -> Json:
    """Return the meanings of result codes and call states, in Chinese and English."""
    return {
        "codes": {code.value: {"zh": code.meaning, "en": code.english} for code in ResultCode},
        "states": {state.value: {"zh": state.meaning, "en": state.english} for state in CallState},
    }


def written(at: float) -> str:
    """Write an instant as ISO 8601 in UTC."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")


def _short(text: str, whole: bool) -> str:
    # Bytes that are no UTF-8 were read as surrogates, which JSON in UTF-8 cannot have.
    text = text if whole or len(text) <= SHORT else f"{text[: SHORT - 1]}…"
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
