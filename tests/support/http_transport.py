"""A transport for httpx that responds from a script."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from urllib.parse import parse_qsl

import httpx

from support.virtual_time import now

Step = Callable[[httpx.Request], Awaitable[httpx.Response]]


def fields_of(request: httpx.Request) -> dict[str, str]:
    """Read the form of a request."""
    return dict(parse_qsl(request.content.decode(), keep_blank_values=True, strict_parsing=True))


class Script(httpx.AsyncBaseTransport):
    """Responds to each request with the next step, and repeats the last step; records the requests and their times.

    ``traced``: call the trace extension as httpcore does: connect for ``connecting`` seconds, then send the headers.
    """

    def __init__(self, *steps: Step, traced: bool = False, connecting: float = 0.0) -> None:
        self.steps = list(steps)
        self.requests: list[httpx.Request] = []
        self.at: list[float] = []
        self.ended = 0
        self._traced = traced
        self._connecting = connecting

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Take the next step."""
        if self._traced:
            await request.extensions["trace"]("connection.connect_tcp.started", {})
            await asyncio.sleep(self._connecting)
            await request.extensions["trace"]("http11.send_request_headers.started", {})
        self.requests.append(request)
        self.at.append(asyncio.get_running_loop().time())
        step = self.steps.pop(0) if len(self.steps) > 1 else self.steps[0]
        try:
            return await step(request)
        finally:
            self.ended += 1

    def client(self) -> httpx.AsyncClient:
        """Make an httpx client with this transport."""
        return httpx.AsyncClient(transport=self)


def answers(
    document: object = None, *, status: int = 200, after: float = 0.0, headers: dict[str, str] | None = None
) -> Step:
    """Respond with a JSON document, or with bytes as the body, ``after`` seconds."""
    body = document if isinstance(document, bytes) else json.dumps(document).encode()

    async def step(_: httpx.Request) -> httpx.Response:
        await asyncio.sleep(after)
        return httpx.Response(status, headers=headers, content=body)

    return step


def code(name: str, **options: float) -> Step:
    """Respond with a result code and no data."""
    return answers({"code": name}, **options)  # type: ignore[arg-type]


def accepts(after: float = 0.0) -> Step:
    """Accept a send as the service does: a ticket for each number."""

    async def step(request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(after)
        fields = fields_of(request)
        product = "join" if request.url.path.endswith("/join/send") else "voice"
        one = request.url.path.endswith("/sendVFCode")
        mobiles = fields["mobile" if one else "mobiles"].split(",")
        ids = fields[f"custom{product.title()}Id{'' if one else 's'}"].split(",")
        data = [
            {"mobile": mobile, f"{product}Id": f"id-{custom}", f"custom{product.title()}Id": custom}
            for mobile, custom in zip(mobiles, ids, strict=True)
        ]
        return httpx.Response(200, json={"code": "SUCCESS", "data": data})

    return step


def raises(error: Exception, after: float = 0.0) -> Step:
    """Raise an error ``after`` seconds."""

    async def step(_: httpx.Request) -> httpx.Response:
        await asyncio.sleep(after)
        raise error

    return step


async def hangs(_: httpx.Request) -> httpx.Response:
    """Never respond."""
    await asyncio.Event().wait()
    raise AssertionError("unreachable")


__all__ = ["Script", "accepts", "answers", "code", "fields_of", "hangs", "now", "raises"]
