"""A campaign as tasks of Celery, with prefork workers: one limit and one journal for all processes.

Start workers with ``celery -A celery_tasks worker``, and a campaign with ``python celery_tasks.py numbers.txt``.
When a process dies, its task is delivered again, and no number is called twice.
"""

import os
import sys
from contextlib import ExitStack, aclosing
from itertools import islice
from typing import TypeVar

from anyio.from_thread import start_blocking_portal
from celery import Celery
from celery.signals import worker_process_init, worker_process_shutdown

from emay_voice_async import AsyncEmayVoice, Notice, NotSent, NotSentError, RateLimit, RateLimits
from emay_voice_async.lists import read_recipients, recipients_of
from emay_voice_async.redis import RedisPacer
from emay_voice_async.sql import SqlJournal

MESSAGE = Notice("您的快递已到，请尽快领取。")
CAMPAIGN = os.environ.get("CAMPAIGN", "parcels")  # its queue and its journal
LIMITS = RateLimits(send=RateLimit(10, 1.0))  # of the account, in all

app = Celery("celery_tasks", broker=os.environ["AMQP_URL"])
app.conf.update(task_default_queue=CAMPAIGN, task_ignore_result=True, worker_prefetch_multiplier=1)


Resource = TypeVar("Resource", RedisPacer, SqlJournal, AsyncEmayVoice)


class Service:
    """The event loop of a worker process, in a thread of its own, with client, pacer and journal."""

    def __init__(self) -> None:
        self.stack = ExitStack()
        self.portal = self.stack.enter_context(start_blocking_portal())
        pacer = RedisPacer(
            os.environ["REDIS_URL"], app_id=os.environ["EMAY_VOICE_APP_ID"], rate_limits=LIMITS
        )
        self.opened(pacer)
        self.journal = self.opened(SqlJournal(os.environ["DATABASE_URL"], CAMPAIGN, create=True))
        self.voice = self.opened(AsyncEmayVoice.from_env(pacer=pacer))

    def opened(self, resource: Resource) -> Resource:
        """Close a resource at the end, the last one first."""
        return self.stack.enter_context(self.portal.wrap_async_context_manager(aclosing(resource)))

    async def call(self, numbers: list[str]) -> None:
        """Call people; raise the error of numbers that were not called."""
        async for outcome in self.voice.send_batches(MESSAGE, numbers, journal=self.journal):
            if isinstance(outcome, NotSent) and isinstance(outcome.error, NotSentError):
                raise outcome.error


services: list[Service] = []


@worker_process_init.connect
def start(**_: object) -> None:
    """Make the service of this process, after the fork: no thread and no connection survives one."""
    services.append(Service())


@worker_process_shutdown.connect
def stop(**_: object) -> None:
    """Finish the requests under way, and close all resources."""
    services.pop().stack.close()


@app.task(acks_late=True, reject_on_worker_lost=True, autoretry_for=[NotSentError], retry_backoff=True)
def call(numbers: list[str]) -> None:
    """Call up to 500 people, each once, however often the task is delivered."""
    service = services[0]
    service.portal.call(service.call, numbers)


def produce(path: str) -> None:
    """Cut a file into tasks of 500 numbers."""
    mobiles = (one.mobile for one in recipients_of(read_recipients(path)))
    while numbers := list(islice(mobiles, 500)):
        call.delay(numbers)


if __name__ == "__main__":
    produce(sys.argv[1])
