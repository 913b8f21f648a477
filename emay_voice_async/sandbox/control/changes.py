"""The changes of the control API: checked JSON in, a change of the service, JSON out."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import httpx
from attrs import define
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from emay_voice_async.model.endpoints import Call, Product
from emay_voice_async.sandbox.accounts import Account, ServiceType
from emay_voice_async.sandbox.app import App
from emay_voice_async.sandbox.control import schemas
from emay_voice_async.sandbox.control.bodies import json_body
from emay_voice_async.sandbox.control.errors import ControlError
from emay_voice_async.sandbox.control.faults import decoded, fault_of
from emay_voice_async.sandbox.control.readings import found_call, settings_json
from emay_voice_async.sandbox.control.views import (
    account_json,
    call_json,
    counts_json,
    faults_json,
)
from emay_voice_async.sandbox.initial import InitialState
from emay_voice_async.sandbox.outcomes import Callees, listed_outcome
from emay_voice_async.sandbox.pushing import push_all
from emay_voice_async.sandbox.service import ReportReadyError
from emay_voice_async.sandbox.speed import Limit, Limits, limit_of

__all__ = ["Changes"]


@define(eq=False)
class Changes:
    """The handlers of POST, PATCH and DELETE; each takes a request and returns a response, or raises an error.

    An error is a :class:`ControlError`, and nothing was changed.
    """

    app: App
    initial: InitialState

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
        call = found_call(self.app, http)
        report_in = _optional(float, fields.get("report_in"))
        try:
            self.app.service.decide(call, outcome, self.app.clock(), report_in=report_in)
        except ReportReadyError as error:
            raise ControlError(HTTPStatus.CONFLICT, str(error), "message_id") from None
        place = self.app.service.place(call)
        return JSONResponse(call_json(place, call, self.app.clock()))

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
        return JSONResponse(settings_json(self.app))

    async def reset(self, http: Request) -> Response:
        """Go back to the state at the start, or clear the records only."""
        fields = await json_body(http, schemas.RESET)
        if fields.get("records_only", False):
            self.app.forget()
        else:
            self.initial.restore(self.app)
        return JSONResponse({"counts": counts_json(self.app)})

    def _account(self, app_id: str | None) -> Account:
        accounts = self.app.service.accounts
        if app_id is None:
            return next(iter(accounts.values()))
        if app_id not in accounts:
            raise ControlError(HTTPStatus.NOT_FOUND, "no account has this app_id", "app_id")
        return accounts[app_id]


def _constant(seconds: float) -> Callable[[], float] | None:
    return (lambda: seconds) if seconds else None


def _can_be_requested(url: str) -> bool:
    try:
        return bool(httpx.URL(url).host and urlsplit(url).hostname)
    except (httpx.InvalidURL, ValueError):
        return False


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
