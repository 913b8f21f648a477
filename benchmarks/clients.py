"""The clients of the benchmarks, made as an application makes them: this client, httpx, httpx2, httpx-aiohttp."""

from collections.abc import Callable
from typing import Any, Final

import httpx
import httpx2
from httpx_aiohttp import HttpxAiohttpClient

from benchmarks.samples import APP_ID, SECRET_KEY
from emay_voice_async import AsyncEmayVoice, RateLimit, RateLimits

__all__ = ["HTTP_CLIENTS", "PATIENCE", "PLENTY", "aiohttp_client", "client", "httpx_client"]

PLENTY: Final = RateLimit(1_000_000, 1.0)
"""A limit so high that no request waits; every request still acquires and releases a slot."""
PATIENCE: Final = 300.0
"""Timeout of a request in seconds, the same for all clients."""


def client(url: str, http_client: Any = None, max_concurrency: int = 16) -> AsyncEmayVoice:
    """Make a client of the SDK with default settings, except for a very high limit."""
    limits = RateLimits(PLENTY, PLENTY, PLENTY)
    return AsyncEmayVoice(
        url,
        app_id=APP_ID,
        secret_key=SECRET_KEY,
        http_client=http_client,
        rate_limits=limits,
        timeout=PATIENCE,
        max_concurrency=max_concurrency,
    )


def _options(library: Any) -> dict[str, Any]:
    # httpx keeps 20 idle connections by default; a larger pool is much slower.
    limits = library.Limits(max_connections=None, max_keepalive_connections=20)
    return {"limits": limits, "timeout": PATIENCE}


def httpx_client() -> httpx.AsyncClient:
    """Make the httpx client of the loop by hand, with a connection for each request in flight."""
    return httpx.AsyncClient(**_options(httpx))


def aiohttp_client() -> httpx.AsyncClient:
    """Make an httpx client with the transport of aiohttp."""
    made: httpx.AsyncClient = HttpxAiohttpClient(**_options(httpx))
    return made


HTTP_CLIENTS: Final[dict[str, Callable[[], Any]]] = {
    "httpx": httpx_client,
    "httpx2": lambda: httpx2.AsyncClient(**_options(httpx2)),
    "httpx-aiohttp": aiohttp_client,
}
"""The makers of the HTTP clients that can be passed in."""
