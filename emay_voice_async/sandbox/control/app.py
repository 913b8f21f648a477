"""The ASGI application of the control API: access, routing, errors, and the headers of every response."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from http import HTTPStatus
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Match, Route, Router
from starlette.types import Message, Receive, Scope, Send

from emay_voice_async.sandbox.access import is_allowed
from emay_voice_async.sandbox.app import CONTROL, App
from emay_voice_async.sandbox.control import schemas
from emay_voice_async.sandbox.control.changes import Changes
from emay_voice_async.sandbox.control.description import Described, Description, described_fault
from emay_voice_async.sandbox.control.errors import ControlError
from emay_voice_async.sandbox.control.files import page_files
from emay_voice_async.sandbox.control.readings import DEFAULT_PAGE, MAX_PAGE, Readings
from emay_voice_async.sandbox.initial import InitialState

__all__ = ["PAGE", "SAFE_HEADERS", "ControlApp"]

SAFE_HEADERS: Final[Mapping[str, str]] = {
    "cache-control": "no-store",
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
"""Headers of every response: nothing from outside, no inline script, no frame."""

PAGE: Final = "emay_voice_async.sandbox.control.page"
_LOCAL: Final = frozenset({"localhost"})
_FROM_HERE: Final = frozenset({"", "same-origin", "none"})
_ID: Final = {"message_id": {"type": "string", "pattern": "^[0-9]{20}$"}}
_PLACE: Final = {"type": "integer", "minimum": 1, "maximum": 10**15}
_BODY: Final = (400, 413, 415, 422)

DESCRIBED: Final[Mapping[str, Described]] = {
    "state": Described(
        query={
            "limit": {"type": "integer", "minimum": 1, "maximum": MAX_PAGE, "default": DEFAULT_PAGE},
            "calls_before": _PLACE,
            "requests_before": _PLACE,
        },
        errors=(422,),
    ),
    "events": Described(
        query={"counts_only": {"type": "integer", "minimum": 0, "maximum": 1, "default": 0}},
        content_type="text/event-stream",
        errors=(422, 503),
    ),
    "meanings": Described(),
    "read_call": Described(path=_ID, errors=(404,)),
    "change_call": Described(path=_ID, body=schemas.CALL, errors=(404, 409, *_BODY)),
    "read_request": Described(path={"place": _PLACE}, errors=(404,)),
    "plan_fault": Described(body=described_fault(), status=201, errors=_BODY),
    "clear_faults": Described(),
    "push": Described(body=schemas.PUSH, errors=_BODY),
    "change_account": Described(body=schemas.ACCOUNT, errors=(404, *_BODY)),
    "change_settings": Described(body=schemas.SETTINGS, errors=_BODY),
    "reset": Described(body=schemas.RESET, errors=_BODY),
    "record": Described(content_type="application/x-ndjson"),
}

_Handler = Callable[[Request], Awaitable[Response]]


class ControlApp:
    """The control API and the page of a service.

    ``allowed_hosts``: host names by which clients may call; IP addresses and localhost are always allowed.
    ``show_numbers``: the page shows whole phone numbers; the API always has whole numbers.
    """

    def __init__(
        self, app: App, initial: InitialState, *, allowed_hosts: Collection[str], show_numbers: bool
    ) -> None:
        self._allowed_hosts = _LOCAL | frozenset(allowed_hosts)
        readings, changes = Readings(app, show_numbers), Changes(app, initial)
        routes: tuple[tuple[str, str, _Handler], ...] = (
            ("GET", "/state", readings.state),
            ("GET", "/events", readings.events),
            ("GET", "/meanings", readings.meanings),
            ("GET", "/calls/{message_id}", readings.read_call),
            ("POST", "/calls/{message_id}", changes.change_call),
            ("GET", "/requests/{place}", readings.read_request),
            ("POST", "/faults", changes.plan_fault),
            ("DELETE", "/faults", changes.clear_faults),
            ("POST", "/push", changes.push),
            ("PATCH", "/account", changes.change_account),
            ("PATCH", "/settings", changes.change_settings),
            ("POST", "/reset", changes.reset),
            ("GET", "/record", readings.record),
            ("GET", "/openapi.json", self._describe),
            ("GET", "/", _page_file),
            ("GET", "/page/{name}", _page_file),
            ("GET", "", _to_page),
        )
        self._routes = [Route(CONTROL + path, handler, methods=[method]) for method, path, handler in routes]
        self._router = Router(self._routes, redirect_slashes=False, default=_unknown)
        self._description = Description(DESCRIBED)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; a request that fails gets an error as JSON."""

        async def safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(SAFE_HEADERS)
            await send(message)

        try:
            self._check_access(Request(scope))
            # With an "app" in its scope the router raises an error for a wrong method.
            await self._router({**scope, "app": self}, receive, safely)
        except ControlError as error:
            await error.response()(scope, receive, safely)
        except HTTPException as error:
            # The router knows one route of a path only.
            headers = {"allow": ", ".join(sorted(self._methods(scope)))}
            wrong = ControlError(HTTPStatus(error.status_code), error.detail, "method", headers)
            await wrong.response()(scope, receive, safely)
        except ClientDisconnect:
            return

    def _methods(self, scope: Scope) -> set[str]:
        matching = (route for route in self._routes if route.matches(scope)[0] is not Match.NONE)
        return set().union(*(route.methods or () for route in matching))

    def _check_access(self, http: Request) -> None:
        if not is_allowed(http.headers, self._allowed_hosts):
            message = "the Host header must be an IP address or an allowed host; no other web page may ask"
            raise ControlError(HTTPStatus.FORBIDDEN, message, "Host")
        if http.headers.get("sec-fetch-site", "") not in _FROM_HERE and http.method != "GET":
            raise ControlError(HTTPStatus.FORBIDDEN, "no other web page may ask", "Sec-Fetch-Site")

    async def _describe(self, _: Request) -> Response:
        return JSONResponse(self._description.get_schema([*self._routes]))


async def _page_file(http: Request) -> Response:
    found = page_files(PAGE).get(http.path_params.get("name", "index.html"))
    if found is None:
        raise ControlError(HTTPStatus.NOT_FOUND, "no such file", "name")
    return Response(found.body, headers={"content-type": found.content_type})


async def _to_page(http: Request) -> Response:
    return RedirectResponse(f"{http.scope.get('root_path', '')}{CONTROL}/", HTTPStatus.TEMPORARY_REDIRECT)


async def _unknown(scope: Scope, receive: Receive, send: Send) -> None:
    raise ControlError(HTTPStatus.NOT_FOUND, "no such path; /_sandbox/openapi.json lists the paths", "path")
