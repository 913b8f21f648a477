"""The SDK's client and the peers' clients, made the way their users make them."""

from typing import Final

import httpx
from httpx_aiohttp import HttpxAiohttpClient

from benchmarks.samples import APP_ID, SECRET_KEY
from emay_voice_async import AsyncEmayVoice, RateLimit, RateLimits

__all__ = ["PATIENCE", "PLENTY", "aiohttp_client", "client", "httpx_client"]

PLENTY: Final = RateLimit(1_000_000, 1.0)
"""Nobody ever waits for a slot, but every request takes one and gives it back."""
PATIENCE: Final = 300.0
"""Seconds after which a request fails, whoever makes it."""

# Of idle connections as many as httpx keeps by default: with more, its pool gets very slow.
_LIMITS: Final = httpx.Limits(max_connections=None, max_keepalive_connections=20)


def client(
    url: str, http_client: httpx.AsyncClient | None = None, max_concurrency: int = 16
) -> AsyncEmayVoice:
    """Make a client of the SDK, paced, with everything at its default but the limit's height."""
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
    """Make the plain client of a loop by hand, with as many connections as there are requests."""
    return httpx.AsyncClient(limits=_LIMITS, timeout=PATIENCE)


def aiohttp_client() -> httpx.AsyncClient:
    """Make an httpx client whose transport is aiohttp's."""
    made: httpx.AsyncClient = HttpxAiohttpClient(limits=_LIMITS, timeout=PATIENCE)
    return made
