"""RedisPacer and RedisReports keep the promises of their protocols: the conformance suites, over a real server."""

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
import redis
from support import servers

from emay_voice_async import RateLimits
from emay_voice_async.pacing import Pacer
from emay_voice_async.receiver import ReportStore
from emay_voice_async.redis import RedisPacer, RedisReports
from emay_voice_async.testing import PacerSuite, ReportStoreSuite


@asynccontextmanager
async def _keys() -> AsyncIterator[tuple[str, str]]:
    """Provide the URL of a server, and the beginning of keys that are deleted at the end."""
    url, prefix = servers.url(servers.REDIS), f"emay_voice_test_{secrets.token_hex(8)}"
    try:
        yield url, prefix
    finally:
        with redis.Redis.from_url(url) as client:
            for key in client.scan_iter(f"{prefix}:*", count=10_000):
                client.delete(key)


@pytest.mark.slow
class TestPacer(PacerSuite):
    """The suite of a pacer."""

    @asynccontextmanager
    async def pacers(self, limits: RateLimits) -> AsyncIterator[Callable[[], Pacer]]:
        """Make pacers on the same keys."""
        async with _keys() as (url, prefix), AsyncExitStack() as made:

            def make() -> Pacer:
                pacer = RedisPacer(url, app_id="a", rate_limits=limits, prefix=prefix, timeout=0.3)
                made.push_async_callback(pacer.aclose)
                return pacer

            yield make


@pytest.mark.slow
class TestReports(ReportStoreSuite):
    """The suite of a report store."""

    claims_expire = True

    @asynccontextmanager
    async def stores(self) -> AsyncIterator[Callable[[], ReportStore]]:
        """Make stores on the same keys."""
        async with _keys() as (url, prefix), AsyncExitStack() as made:

            def make() -> ReportStore:
                store = RedisReports(url, claimed_for=1.0, prefix=prefix)
                made.push_async_callback(store.aclose)
                return store

            yield make
