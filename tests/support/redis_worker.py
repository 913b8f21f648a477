"""A process that sends: ``python redis_worker.py BASE_URL REDIS_URL APP_ID SECRET_KEY NAME COUNT LIMIT``.

The process prints "ready" and waits for a line; then it sends to COUNT numbers, a request for each,
with custom ids that begin with NAME, and prints the number of accepted requests.
"""

import asyncio
import sys
from contextlib import suppress

from emay_voice_async import AsyncEmayVoice, Notice, RateLimit, RateLimits, Recipient, SendError
from emay_voice_async.redis import RedisPacer

LONGEST = 6.0


async def main(
    base_url: str, redis_url: str, app_id: str, secret_key: str, name: str, count: int, limit: str
) -> int:
    """Send all requests at once; return the number of accepted requests."""
    requests, period = limit.split("/")
    limits = RateLimits(send=RateLimit(int(requests), float(period)))
    accepted = 0
    async with (
        RedisPacer(redis_url, app_id=app_id, rate_limits=limits, longest=LONGEST) as pacer,
        AsyncEmayVoice(
            base_url, app_id=app_id, secret_key=secret_key, pacer=pacer, timeout=LONGEST / 3
        ) as voice,
    ):

        async def one(number: int) -> None:
            nonlocal accepted
            to = Recipient(f"138{number:08}", custom_id=f"{name}-{number}")
            with suppress(SendError):
                await voice.send(Notice("..."), to)
                accepted += 1

        await asyncio.gather(*(one(number) for number in range(count)))
    return accepted


if __name__ == "__main__":
    base_url, redis_url, app_id, secret_key, name, count, limit = sys.argv[1:]
    print("ready", flush=True)
    sys.stdin.readline()
    print(asyncio.run(main(base_url, redis_url, app_id, secret_key, name, int(count), limit)), flush=True)
