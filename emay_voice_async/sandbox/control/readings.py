"""The readings of the control API: the state, single records, events, and everything as JSON lines."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from http import HTTPStatus
from typing import Any, Final

from attrs import define, field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from emay_voice_async.sandbox.app import App
from emay_voice_async.sandbox.control.errors import ControlError
from emay_voice_async.sandbox.control.events import MAX_STREAMS, Position, events
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
from emay_voice_async.sandbox.outcomes import Callees
from emay_voice_async.sandbox.record import MadeCall

__all__ = ["DEFAULT_PAGE", "MAX_PAGE", "Readings", "found_call", "settings_json"]

DEFAULT_PAGE: Final = 50
MAX_PAGE: Final = 500
"""Calls, and requests, in a page."""
_EVENTS: Final = "text/event-stream; charset=utf-8"
_LINES_AT_ONCE: Final = 200
_MAX_SERVED_DIGITS: Final = 15


@define(eq=False)
class Readings:
    """The handlers of GET; each takes a request and returns a response, or raises :class:`ControlError`."""

    app: App
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
                "settings": settings_json(self.app),
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
        app = self.app
        call = found_call(app, http)
        return JSONResponse(call_json(app.service.place(call), call, app.clock()))

    async def read_request(self, http: Request) -> Response:
        """Return a recorded request whole, with all form fields."""
        place, first = http.path_params["place"], self.app.arrived - len(self.app.received) + 1
        number = int(place) if _is_place(place) else 0
        if not first <= number <= self.app.arrived:
            raise ControlError(HTTPStatus.NOT_FOUND, "no recorded request has this place", "place")
        return JSONResponse(request_json(number, self.app.received[number - first]))

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


def settings_json(app: App) -> dict[str, Any]:
    """Return the settings of the service."""
    service, latency = app.service, app.latency
    callees = service.callees or Callees()
    return {
        "report_delay": service.report_delay,
        "clock_offset": service.clock_offset,
        "latency": 0.0 if latency is None else latency(),
        "answer_rate": callees.answer_rate,
        "keys": dict(callees.keys),
    }


def found_call(app: App, http: Request) -> MadeCall:
    """Return the call that a path names. Raises :class:`ControlError`."""
    try:
        return app.service.call(http.path_params["message_id"])
    except LookupError as error:
        raise ControlError(HTTPStatus.NOT_FOUND, str(error), "message_id") from None


def _line(kind: str, value: Mapping[str, Any]) -> bytes:
    return json.dumps({"type": kind, **value}, ensure_ascii=False).encode() + b"\n"


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
