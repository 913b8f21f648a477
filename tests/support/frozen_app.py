"""A program for PyInstaller; ``nox -s frozen`` builds it and runs it.

``check``: send over the Redis pacer, if a Redis server answers, and fetch the page of the local service. Other
arguments go to the command line of the package.
"""

import asyncio
import os
import sys

import httpx
import redis.asyncio

from emay_voice_async import AsyncEmayVoice, Notice, RateLimit, RateLimits, __version__
from emay_voice_async.cli import main as command_line
from emay_voice_async.redis import RedisPacer
from emay_voice_async.sandbox import Sandbox

REDIS = os.environ.get("EMAY_VOICE_TEST_REDIS_URL", "redis://127.0.0.1:6379")


async def redis_answers() -> bool:
    """Tell whether a Redis server answers."""
    try:
        async with redis.asyncio.Redis.from_url(REDIS) as client:
            return bool(await client.ping())
    except redis.ConnectionError:
        return False


async def check() -> None:
    """Send, and fetch the page."""
    sandbox = Sandbox(app_id=f"FROZEN-{os.getpid()}")
    paced = await redis_answers()
    limits = RateLimits(send=RateLimit(10, 1.0))
    pacer = RedisPacer(REDIS, app_id=sandbox.app_id, rate_limits=limits) if paced else None
    async with (
        sandbox.serve() as url,
        AsyncEmayVoice(url, app_id=sandbox.app_id, secret_key=sandbox.secret_key, pacer=pacer) as voice,
        httpx.AsyncClient(trust_env=False) as http,
    ):
        result = await voice.send(Notice("您好"), ["13800000000", "13800000001"])
        page = await http.get(f"{url}/_sandbox/", follow_redirects=True)
    if pacer is not None:
        await pacer.aclose()
    assert len(result.tickets) == 2
    assert page.status_code == 200
    print(f"{__version__}: sent {'over the Redis pacer' if paced else 'without Redis'}; the page is there")


if __name__ == "__main__":
    if sys.argv[1:] == ["check"]:
        asyncio.run(check())
    else:
        sys.exit(command_line())
