"""The page of a campaign over HTTP: files for all, data for holders of the token."""

import hmac
from collections.abc import Collection
from http import HTTPStatus
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import Message, Receive, Scope, Send

from emay_voice_async.cli.watch.view import Watched, view
from emay_voice_async.cli.watch.watcher import Watcher
from emay_voice_async.sandbox.access import is_allowed
from emay_voice_async.sandbox.control.app import PAGE, SAFE_HEADERS
from emay_voice_async.sandbox.control.files import page_files

__all__ = ["WatchApp"]

_OWN_PAGE: Final = "emay_voice_async.cli.watch.page"
_SHARED: Final = ("dom.js", "language.js", "page.css", "icon.svg")


class WatchApp:
    """Serves the page. It has no request that changes anything.

    ``token``: the data is given to requests with ``Authorization: Bearer TOKEN`` only; None: to all.
    """

    def __init__(
        self, watcher: Watcher, watched: Watched, *, allowed_hosts: Collection[str], token: str | None
    ) -> None:
        self._watcher = watcher
        self._watched = watched
        self._allowed_hosts = frozenset(map(str.lower, allowed_hosts))
        self._token = token
        shared = page_files(PAGE)
        self._files = {**{name: shared[name] for name in _SHARED}, **page_files(_OWN_PAGE)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""

        async def safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(SAFE_HEADERS)
            await send(message)

        await self._respond(Request(scope))(scope, receive, safely)

    def _respond(self, http: Request) -> Response:
        if not is_allowed(http.headers, self._allowed_hosts):
            return PlainTextResponse("another host or web page", HTTPStatus.FORBIDDEN)
        if http.method not in ("GET", "HEAD"):
            return PlainTextResponse("read only", HTTPStatus.METHOD_NOT_ALLOWED, {"allow": "GET, HEAD"})
        path = http.url.path
        if path == "/data":
            return self._data(http)
        file = self._files.get("index.html" if path == "/" else path.removeprefix("/page/"))
        if file is None:
            return PlainTextResponse("not found", HTTPStatus.NOT_FOUND)
        return Response(file.body, headers={"content-type": file.content_type})

    def _data(self, http: Request) -> Response:
        if self._token is not None:
            given = http.headers.get("authorization", "").removeprefix("Bearer ")
            if not hmac.compare_digest(given.encode("latin-1", "replace"), self._token.encode()):
                return JSONResponse({"error": "token"}, HTTPStatus.UNAUTHORIZED)
        return JSONResponse(view(self._watcher, self._watched))
