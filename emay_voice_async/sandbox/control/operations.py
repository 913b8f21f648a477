"""The operations of the control API: values out of checked JSON, changes of the service, JSON out."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from decimal import Decimal
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
from attrs import define, field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from emay_voice_async.model.endpoints import Call, Product
from emay_voice_async.sandbox.accounts import Account, ServiceType
from emay_voice_async.sandbox.app import App
from emay_voice_async.sandbox.control import schemas
from emay_voice_async.sandbox.control.bodies import json_body
from emay_voice_async.sandbox.control.errors import ControlError
from emay_voice_async.sandbox.control.events import MAX_STREAMS, Position, events
from emay_voice_async.sandbox.control.faults import decoded, fault_of
from emay_voice_async.sandbox.control.views import (
    account_json,
    call_json,
    counts_json,
    faults_json,
    meanings_json,
    page_of,
    request_json,
    speed_json,
    written,
)
from emay_voice_async.sandbox.initial import InitialState
from emay_voice_async.sandbox.outcomes import Callees, listed_outcome
from emay_voice_async.sandbox.pushing import push_all
from emay_voice_async.sandbox.record import MadeCall
from emay_voice_async.sandbox.service import ReportReadyError
from emay_voice_async.sandbox.speed import Limit, Limits, limit_of

__all__ = ["DEFAULT_PAGE", "MAX_PAGE", "Operations"]

DEFAULT_PAGE: Final = 50
MAX_PAGE: Final = 500
"""Calls, and requests, in a page."""
_EVENTS: Final = "text/event-stream; charset=utf-8"
_LINES_AT_ONCE: Final = 200
_MAX_SERVED_DIGITS: Final = 15


@define(eq=False)
class Operations:
    """The handlers; each takes a request and returns a response, or raises :class:`ControlError`."""

    app: App
    initial: InitialState
    show_numbers: bool
    _streams: int = field(default=0, init=False)

    async def state(self, http: Request) -> Response:
        """Return the state: accounts, counts, and a page of calls and requests."""
        most = _whole_number(http, "limit", DEFAULT_PAGE, least=1, most=MAX_PAGE)
        app, service, now = self.app, self.app.service, self.app.clock()
        calls, more_calls = page_of(
            service.calls, service.made, before=_optional_place(http, "calls_before"), most=most
        )
        requests, more_requests = page_of(
            app.received, app.arrived, before=_optional_place(http, "requests_before"), most=most
        )
        return JSONResponse(
            {
                "now": written(now),
                "show_numbers": self.show_numbers,
                "settings": self._settings(),
                "accounts": [account_json(account) for account in service.accounts.values()],
                "counts": counts_json(app),
                "speed": speed_json(service, now),
                "faults": faults_json(app.faults),
                "calls": [call_json(place, call, now, whole=False) for place, call in calls],
                "calls_before": more_calls,
                "requests": [request_json(place, one, whole=False) for place, one in requests],
                "requests_before": more_requests,
            }
        )

    async def events(self, http: Request) -> Response:
        """Stream what changes, as server-sent events."""
        if http.method == "HEAD":
            return Response(media_type=_EVENTS)
        if self._streams >= MAX_STREAMS:
            raise ControlError(HTTPStatus.SERVICE_UNAVAILABLE, f"{MAX_STREAMS} streams are open")
        known = Position.read(http.headers.get("last-event-id", ""), self.app)
        counts_only = _whole_number(http, "counts_only", 0, least=0, most=1) == 1
        stream = events(self.app, known, counts_only=counts_only)
        return StreamingResponse(self._counted(stream), media_type=_EVENTS)

    async def _counted(self, stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        self._streams += 1
        try:
            async for part in stream:
                yield part
        finally:
            self._streams -= 1

    async def meanings(self, _: Request) -> Response:
        """Return the meanings of the result codes and the call states, in Chinese and English."""
        return JSONResponse(meanings_json())

    async def read_call(self, http: Request) -> Response:
        """Return a recorded call whole, with its recording."""
        return self._one_call(self._found(http))

    async def read_request(self, http: Request) -> Response:
        """Return a recorded request whole, with all form fields."""
        place, first = http.path_params["place"], self.app.arrived - len(self.app.received) + 1
        number = int(place) if _is_place(place) else 0
        if not first <= number <= self.app.arrived:
            raise ControlError(HTTPStatus.NOT_FOUND, "no recorded request has this place", "place")
        return JSONResponse(request_json(number, self.app.received[number - first]))

    async def change_call(self, http: Request) -> Response:
        """Decide what the called person does, before the report is ready."""
        fields = await json_body(http, schemas.CALL)
        recording = fields.get("recording")
        outcome = listed_outcome(
            fields.get("state", "SUCCESS"),
            duration=_optional(float, fields.get("duration")),
            key=fields.get("key"),
            recording=None if recording is None else decoded(recording, "recording"),
        )
        call = self._found(http)
        report_in = _optional(float, fields.get("report_in"))
        try:
            self.app.service.decide(call, outcome, self.app.clock(), report_in=report_in)
        except ReportReadyError as error:
            raise ControlError(HTTPStatus.CONFLICT, str(error), "message_id") from None
        return self._one_call(call)

    async def plan_fault(self, http: Request) -> Response:
        """Plan a fault for later requests, after the faults planned before."""
        fields = await json_body(http, schemas.FAULT)
        times = fields.get("times", 1)
        self.app.faults.plan(
            fault_of(fields["fault"]),
            on=fields.get("on"),
            skip=int(fields.get("skip", 0)),
            times=_optional(int, times),
        )
        return JSONResponse({"faults": faults_json(self.app.faults)}, HTTPStatus.CREATED)

    async def clear_faults(self, _: Request) -> Response:
        """Drop all planned faults."""
        self.app.faults.clear()
        return JSONResponse({"faults": []})

    async def push(self, http: Request) -> Response:
        """Push the reports that are ready, and return the delivery of each push."""
        fields = await json_body(http, schemas.PUSH)
        if not _can_be_requested(fields["url"]):
            raise ControlError(HTTPStatus.UNPROCESSABLE_ENTITY, "url must be an http or https URL", "url")
        deliveries = await push_all(
            fields["url"],
            self.app.service,
            self.app.clock(),
            product=Product(fields.get("product", "voice")),
            mode=fields.get("mode", "encrypted"),
            bare=fields.get("bare", False),
        )
        return JSONResponse(
            {
                "deliveries": [
                    {
                        "app_id": one.app_id,
                        "reports": one.reports,
                        "status": one.status,
                        "body": one.body[:1000],
                        "delivered": one.delivered,
                    }
                    for one in deliveries
                ]
            }
        )

    async def change_account(self, http: Request) -> Response:
        """Change an account; a field that is absent stays as it is."""
        fields = await json_body(http, schemas.ACCOUNT)
        account = self._account(fields.get("app_id"))
        changes = {name: _money(fields[name], name) for name in ("balance", "price") if name in fields}
        for name, value in changes.items():
            setattr(account, name, value)
        if "services" in fields:
            account.services = frozenset(ServiceType[name.upper()] for name in fields["services"])
        if "allowed_ips" in fields:
            ips = fields["allowed_ips"]
            account.allowed_ips = None if ips is None else frozenset(ips)
        if "rate_limits" in fields:
            self.app.service.limit(account, _limits(account, fields["rate_limits"]))
        return JSONResponse(account_json(account))

    async def change_settings(self, http: Request) -> Response:
        """Change the settings of the service; a setting that is absent stays as it is."""
        fields = await json_body(http, schemas.SETTINGS)
        service = self.app.service
        callees = service.callees or Callees()
        try:
            callees = Callees(
                answer_rate=fields.get("answer_rate", callees.answer_rate),
                keys=fields.get("keys", callees.keys),
            )
        except ValueError as error:
            raise ControlError(HTTPStatus.UNPROCESSABLE_ENTITY, str(error), "keys") from None
        service.callees = callees
        service.report_delay = float(fields.get("report_delay", service.report_delay))
        service.clock_offset = float(fields.get("clock_offset", service.clock_offset))
        if "latency" in fields:
            self.app.latency = _constant(float(fields["latency"]))
        return JSONResponse(self._settings())

    async def reset(self, http: Request) -> Response:
        """Go back to the state at the start, or clear the records only."""
        fields = await json_body(http, schemas.RESET)
        if fields.get("records_only", False):
            self.app.forget()
        else:
            self.initial.restore(self.app)
        return JSONResponse({"counts": counts_json(self.app)})

    async def record(self, _: Request) -> Response:
        """Return everything that is recorded, as JSON lines: accounts, requests and calls."""
        return StreamingResponse(self._lines(), media_type="application/x-ndjson; charset=utf-8")

    async def _lines(self) -> AsyncIterator[bytes]:
        app, now = self.app, self.app.clock()
        accounts = list(app.service.accounts.values())
        yield b"".join(_line("account", account_json(account)) for account in accounts)
        requests, calls = list(app.received), list(app.service.calls)
        first_request, first_call = app.arrived - len(requests) + 1, app.service.made - len(calls) + 1
        for start in range(0, len(requests), _LINES_AT_ONCE):
            part = enumerate(requests[start : start + _LINES_AT_ONCE], first_request + start)
            yield b"".join(_line("request", request_json(place, one)) for place, one in part)
            await asyncio.sleep(0)
        for start in range(0, len(calls), _LINES_AT_ONCE):
            rows = enumerate(calls[start : start + _LINES_AT_ONCE], first_call + start)
            yield b"".join(_line("call", call_json(place, call, now)) for place, call in rows)
            await asyncio.sleep(0)

    def _settings(self) -> dict[str, Any]:
        service, latency = self.app.service, self.app.latency
        callees = service.callees or Callees()
        return {
            "report_delay": service.report_delay,
            "clock_offset": service.clock_offset,
            "latency": 0.0 if latency is None else latency(),
            "answer_rate": callees.answer_rate,
            "keys": dict(callees.keys),
        }

    def _found(self, http: Request) -> MadeCall:
        try:
            return self.app.service.call(http.path_params["message_id"])
        except LookupError as error:
            raise ControlError(HTTPStatus.NOT_FOUND, str(error), "message_id") from None

    def _one_call(self, call: MadeCall) -> Response:
        place = self.app.service.place(call)
        return JSONResponse(call_json(place, call, self.app.clock()))

    def _account(self, app_id: str | None) -> Account:
        accounts = self.app.service.accounts
        if app_id is None:
            return next(iter(accounts.values()))
        if app_id not in accounts:
            raise ControlError(HTTPStatus.NOT_FOUND, "no account has this app_id", "app_id")
        return accounts[app_id]


def _line(kind: str, value: Mapping[str, Any]) -> bytes:
    return json.dumps({"type": kind, **value}, ensure_ascii=False).encode() + b"\n"


def _can_be_requested(url: str) -> bool:
    try:
        return bool(httpx.URL(url).host and urlsplit(url).hostname)
    except (httpx.InvalidURL, ValueError):
        return False


def _constant(seconds: float) -> Callable[[], float] | None:
    return (lambda: seconds) if seconds else None


def _optional(kind: Callable[[Any], Any], value: object) -> Any:
    return None if value is None else kind(value)


def _money(value: str | float, name: str) -> Decimal:
    amount = Decimal(str(value))
    exponent = amount.as_tuple().exponent
    if isinstance(exponent, int) and exponent >= -6:
        return amount
    raise ControlError(HTTPStatus.UNPROCESSABLE_ENTITY, f"{name} may have 6 decimal places", name)


def _limits(account: Account, fields: Mapping[str, Any]) -> Limits:
    limits = {kind.value: limit_of(account.rate_limits, kind) for kind in Call}
    for name, limit in fields.items():
        limits[name] = (
            None if limit is None else Limit(int(limit["requests"]), float(limit.get("period", 1.0)))
        )
    return Limits(**limits)


def _is_place(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= _MAX_SERVED_DIGITS


def _optional_place(http: Request, name: str) -> int | None:
    return _whole_number(http, name, 0, least=1, most=10**_MAX_SERVED_DIGITS) or None


def _whole_number(http: Request, name: str, default: int, *, least: int, most: int) -> int:
    text = http.query_params.get(name)
    if text is None:
        return default
    if not _is_place(text) or not least <= int(text) <= most:
        message = f"{name} must be a whole number from {least} to {most}"
        raise ControlError(HTTPStatus.UNPROCESSABLE_ENTITY, message, name)
    return int(text)
