"""Requests to the control API in process, and a service with some calls."""

import asyncio
from typing import Any

import httpx
from starlette.types import ASGIApp

from emay_voice_async.sandbox import Sandbox
from sandbox.by_hand import NOW, form_of

JSON = {"content-type": "application/json"}


def ask(
    app: ASGIApp, method: str, path: str, *, base: str = "http://127.0.0.1", **arguments: Any
) -> httpx.Response:
    """Send a request to the control API of a service; ``path`` is the part below ``/_sandbox/``."""

    async def main() -> httpx.Response:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url=base) as client:
            return await client.request(method, f"/_sandbox/{path}", **arguments)

    return asyncio.run(main())


def post(app: ASGIApp, path: str, fields: object, method: str = "POST") -> httpx.Response:
    """Send JSON to the control API."""
    return ask(app, method, path, json=fields)


def error(response: httpx.Response) -> tuple[int, str | None, str]:
    """Return status, field and message of an error."""
    found = response.json()["error"]
    assert found["status"] == response.status_code
    return response.status_code, found["field"], found["message"]


def call(local: Sandbox, mobiles: str = "13800001234", path: str = "/voice/send", **fields: str) -> list[str]:
    """Send to some numbers by hand; return the message ids."""

    async def main() -> list[str]:
        transport = httpx.ASGITransport(app=local.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            name = "mobile" if path == "/voice/sendVFCode" else "mobiles"
            form = form_of(local.account, path, NOW, **{name: mobiles}, **fields)
            document = (await client.post(path, data=form)).json()
        return [str(entry.get("voiceId", entry.get("joinId"))) for entry in document["data"]]

    return asyncio.run(main())


def still(**settings: Any) -> Sandbox:
    """Make a service with a clock that stands still."""
    return Sandbox(**{"clock": lambda: NOW, **settings})
