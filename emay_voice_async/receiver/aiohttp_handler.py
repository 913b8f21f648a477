"""Requests of aiohttp: its router accepts any callable, so a receiver that is given as the handler serves them."""

import sys
from typing import Any

from emay_voice_async.receiver.responses import PushResponse

__all__ = ["is_request", "made_response", "parts"]


def is_request(value: object) -> bool:
    """Tell whether a value is a request of aiohttp, without importing aiohttp."""
    return any(
        kind.__name__ == "BaseRequest" and kind.__module__ == "aiohttp.web_request"
        for kind in type(value).__mro__
    )


def parts(request: Any) -> tuple[Any, ...]:
    """Return the arguments of ``PushReceiver.handle`` for a request; the body is read in pieces."""
    return request.method, request.path, request.headers, request.content.iter_any(), request.remote


def made_response(response: PushResponse) -> Any:
    """Make the response of aiohttp."""
    web = sys.modules["aiohttp.web"]
    made = web.Response(status=response.status, body=response.body, headers=response.headers)
    if response.close:
        made.force_close()
    return made
