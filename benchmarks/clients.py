"""The clients of the benchmarks, made as an application makes them: this client, httpx, httpx-aiohttp."""

from typing import Final

import httpx
from httpx_aiohttp import HttpxAiohttpClient

from benchmarks.samples import APP_ID, SECRET_KEY
from emay_voice_async import AsyncEmayVoice, RateLimit, RateLimits

__all__ = ["PATIENCE", "PLENTY", "aiohttp_client", "client", "httpx_client"]

PLENTY: Final = RateLimit(1_000_000, 1.0)
"""A limit so high that no request waits; every request still acquires and releases a slot."""
PATIENCE: Final = 300.0
"""Timeout of a request in seconds, the same for all clients."""

# httpx keeps 20 idle connections by default; a larger pool is much slower.
_LIMITS: Final = httpx.Limits(max_connections=None, max_keepalive_connections=20)


def client(
    url: str, http_client: httpx.AsyncClient | None = None, max_concurrency: int = 16
) -> AsyncEmayVoice:
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


def httpx_client() -> httpx.AsyncClient:
    """Make the httpx client of the loop by hand, with a connection for each request in flight."""
    return httpx.AsyncClient(limits=_LIMITS, timeout=PATIENCE)


def aiohttp_client() -> httpx.AsyncClient:
    """Make an httpx client with the transport of aiohttp."""
    made: httpx.AsyncClient = HttpxAiohttpClient(limits=_LIMITS, timeout=PATIENCE)
    return made
