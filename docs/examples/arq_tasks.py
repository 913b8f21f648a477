"""A campaign as jobs of arq: one limit and one journal for all workers.

Start workers with ``arq arq_tasks.WorkerSettings``, and give them a campaign with ``python arq_tasks.py numbers.txt``.
When a worker dies, its job runs again after ``job_timeout``, and no number is called twice.
"""

import asyncio
import os
import sys
from itertools import islice
from typing import Any

from arq import Retry, create_pool
from arq.connections import RedisSettings

from emay_voice_async import AsyncEmayVoice, Notice, NotSent, NotSentError, RateLimit, RateLimits
from emay_voice_async.lists import read_recipients, recipients_of
from emay_voice_async.redis import RedisPacer
from emay_voice_async.sql import SqlJournal

MESSAGE = Notice("您的快递已到，请尽快领取。")
CAMPAIGN = os.environ.get("CAMPAIGN", "parcels")  # its queue and its journal
LIMITS = RateLimits(send=RateLimit(10, 1.0))  # of the account, in all
REDIS = RedisSettings.from_dsn(os.environ["REDIS_URL"])


async def start(ctx: dict[str, Any]) -> None:
    """Share the account's limit and the campaign's journal with all other workers."""
    app_id = os.environ["EMAY_VOICE_APP_ID"]
    ctx["pacer"] = RedisPacer(os.environ["REDIS_URL"], app_id=app_id, rate_limits=LIMITS)
    ctx["voice"] = AsyncEmayVoice.from_env(pacer=ctx["pacer"])
    ctx["journal"] = SqlJournal(os.environ["DATABASE_URL"], CAMPAIGN, create=True)


async def stop(ctx: dict[str, Any]) -> None:
    """Finish the requests under way, and close all resources."""
    await ctx["voice"].aclose()
    await ctx["pacer"].aclose()
    await ctx["journal"].aclose()


async def call(ctx: dict[str, Any], numbers: list[str]) -> None:
    """Call up to 500 people, each once, however often the job runs."""
    voice: AsyncEmayVoice = ctx["voice"]
    async for outcome in voice.send_batches(MESSAGE, numbers, journal=ctx["journal"]):
        if isinstance(outcome, NotSent) and isinstance(outcome.error, NotSentError):
            # These numbers were not called, so the job may run again; the journal skips the others.
            raise Retry(defer=10) from outcome.error


class WorkerSettings:
    """The settings of a worker."""

    functions = (call,)
    on_startup = start
    on_shutdown = stop
    redis_settings = REDIS
    queue_name = f"arq:{CAMPAIGN}"
    max_jobs = 2  # that a worker has in hand
    max_tries = 10
    job_timeout = 600


async def produce(path: str) -> None:
    """Cut a file into jobs of 500 numbers."""
    pool = await create_pool(REDIS, default_queue_name=WorkerSettings.queue_name)
    mobiles = (one.mobile for one in recipients_of(read_recipients(path)))
    while numbers := list(islice(mobiles, 500)):
        await pool.enqueue_job("call", numbers)
    await pool.aclose(close_connection_pool=True)


if __name__ == "__main__":
    asyncio.run(produce(sys.argv[1]))
