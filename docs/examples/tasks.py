"""A campaign as tasks of a queue: any number of workers on any number of machines, one limit, one journal.

Start workers with ``taskiq worker tasks:broker``, and give them a campaign with ``python tasks.py people.csv``.
When a worker dies, the broker delivers its task again, and no number is called twice.
"""

import asyncio
import os
import sys
from itertools import islice
from typing import Any

from taskiq import SimpleRetryMiddleware, TaskiqEvents, TaskiqState
from taskiq_aio_pika import AioPikaBroker, Queue

from emay_voice_async import (
    AsyncEmayVoice,
    Notice,
    NotSent,
    NotSentError,
    RateLimit,
    RateLimits,
    Recipient,
    Template,
)
from emay_voice_async.lists import read_recipients, recipients_of
from emay_voice_async.redis import RedisPacer
from emay_voice_async.sql import SqlJournal

MESSAGE = Template(Notice, "尊敬的{name}，您的快递已到，请尽快领取。")
CAMPAIGN = os.environ.get("CAMPAIGN", "parcels")  # its queue and its journal
LIMITS = RateLimits(
    send=RateLimit(int(os.environ.get("SENDS_PER_SECOND", "10")), 1.0)
)  # of the account, in all

broker = AioPikaBroker(
    os.environ["AMQP_URL"],
    qos=2,  # tasks that a worker has in hand
    task_queues=[Queue(name=CAMPAIGN, durable=True)],
).with_middlewares(SimpleRetryMiddleware())


@broker.on_event(TaskiqEvents.WORKER_STARTUP)
async def start(state: TaskiqState) -> None:
    """Share the account's limit and the campaign's journal with all other workers."""
    app_id = os.environ["EMAY_VOICE_APP_ID"]
    state.pacer = RedisPacer(os.environ["REDIS_URL"], app_id=app_id, rate_limits=LIMITS)
    state.voice = AsyncEmayVoice.from_env(pacer=state.pacer)
    state.journal = SqlJournal(os.environ["DATABASE_URL"], CAMPAIGN, create=True)


@broker.on_event(TaskiqEvents.WORKER_SHUTDOWN)
async def stop(state: TaskiqState) -> None:
    """Finish the requests under way, and close all resources."""
    await state.voice.aclose()
    await state.pacer.aclose()
    await state.journal.aclose()


@broker.task(retry_on_error=True, max_retries=10)
async def call(people: list[dict[str, Any]]) -> None:
    """Call up to 500 people, each once, however often the task is delivered."""
    state = broker.state
    # A stream: an entry that cannot be sent to does not end the task.
    to = (Recipient(one["mobile"], fields=one["fields"]) for one in people)
    async for outcome in state.voice.send_batches(MESSAGE, to, journal=state.journal):
        if isinstance(outcome, NotSent) and isinstance(outcome.error, NotSentError):
            # These people were not called, so the task may be tried again; the journal skips the others.
            raise outcome.error


async def produce(path: str) -> None:
    """Cut a file into tasks of 500 people."""
    await broker.startup()
    recipients = recipients_of(read_recipients(path, fields=MESSAGE.fields))
    rows = ({"mobile": one.mobile, "fields": dict(one.fields)} for one in recipients)
    while people := list(islice(rows, 500)):
        await call.kiq(people)
    await broker.shutdown()


if __name__ == "__main__":
    asyncio.run(produce(sys.argv[1]))
