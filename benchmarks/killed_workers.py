"""Kill workers of a task queue at random moments, and count the calls of each number.

The campaign of ``docs/examples/tasks.py`` is cut into tasks on RabbitMQ. Its workers share one limit and one journal.
Each worker is killed with SIGKILL, together with its processes, and replaced, and the broker delivers its unfinished
tasks again. At the end the record of the service is compared with the journal. Exits with 1 if a number was called
twice or is missing::

    python benchmarks/killed_workers.py --database mysql+aiomysql://root@127.0.0.1/test --numbers 200000
"""

import argparse
import asyncio
import os
import random
import secrets
import signal
import sys
import tempfile
import time
from collections import Counter
from decimal import Decimal
from pathlib import Path

from attrs import define

from emay_voice_async.errors import JournalError
from emay_voice_async.journal.protocol import State
from emay_voice_async.sandbox import Limit, Limits, Sandbox
from emay_voice_async.sql.journal import SqlJournal

EXAMPLES = Path(__file__).parent.parent / "docs" / "examples"
PER_SECOND = 200


@define
class Workers:
    """Worker processes that are killed and replaced until the campaign is over."""

    environment: dict[str, str]
    chance: random.Random
    lives: tuple[float, float]
    kills: int = 0
    over: bool = False

    async def keep_one(self) -> None:
        """Run one worker after the other, each for a random time."""
        command = "taskiq worker tasks:broker --workers 1 --max-async-tasks 2 --log-level ERROR"
        while not self.over:
            worker = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", *command.split()),
                cwd=EXAMPLES,
                env=self.environment,
                start_new_session=True,
            )
            end = time.monotonic() + self.chance.uniform(*self.lives)
            while time.monotonic() < end and not self.over:
                await asyncio.sleep(0.1)
            self.kills += not self.over
            os.killpg(worker.pid, signal.SIGKILL)
            await worker.wait()


async def campaign(options: argparse.Namespace) -> bool:
    """Run a campaign to its end in spite of the kills, print the result, and return whether it is good."""
    chance = random.Random(options.seed)  # noqa: S311 - no secret
    sandbox = Sandbox(
        balance=Decimal(options.numbers),
        rate_limits=Limits(send=Limit(PER_SECOND, 1.0)),
        latency=lambda: chance.expovariate(40),
        answer_latency=lambda: chance.expovariate(40),
    )
    name = f"chaos-{secrets.token_hex(4)}"
    journal = SqlJournal(options.database, name, create=True)
    numbers = [f"139{place // 9000:04}{1000 + place % 9000}" for place in range(options.numbers)]
    began = time.monotonic()
    async with sandbox.serve() as url, journal:
        environment = os.environ | {
            "EMAY_VOICE_BASE_URL": url,
            "EMAY_VOICE_APP_ID": sandbox.app_id,
            "EMAY_VOICE_SECRET_KEY": sandbox.secret_key,
            "DATABASE_URL": options.database,
            "REDIS_URL": options.redis,
            "AMQP_URL": options.amqp,
            "CAMPAIGN": name,
            "SENDS_PER_SECOND": str(PER_SECOND),
        }
        with tempfile.NamedTemporaryFile("w", suffix=".csv") as file:
            file.write("\n".join(["mobile,name", *(f"{mobile},客户{mobile[-2:]}" for mobile in numbers)]))
            file.flush()
            producer = await asyncio.create_subprocess_exec(
                *(sys.executable, "tasks.py", file.name), cwd=EXAMPLES, env=environment
            )
            if await producer.wait():
                return False
        workers = Workers(environment, chance, tuple(options.lives))
        tasks = [asyncio.ensure_future(workers.keep_one()) for _ in range(options.workers)]
        await _until_over(journal, options.numbers)
        workers.over = True
        await asyncio.gather(*tasks)
        sending = time.monotonic() - began
        await _until_closed(journal)
        return await _judge(sandbox, journal, numbers, workers.kills, sending)


async def _until_over(journal: SqlJournal, count: int) -> None:
    """Wait until every number was claimed, and no number is being sent."""
    while sum((await _states(journal)).values()) < count:
        await asyncio.sleep(0.5)
    await asyncio.sleep(5)


async def _until_closed(journal: SqlJournal) -> None:
    """Wait until the open claims of killed workers are unknown."""
    while (await _states(journal))[State.UNDER_WAY]:
        await asyncio.sleep(0.5)


async def _states(journal: SqlJournal) -> dict[State, int]:
    try:
        return (await journal.summary()).states
    except JournalError:
        return dict.fromkeys(State, 0)


async def _judge(
    sandbox: Sandbox, journal: SqlJournal, numbers: list[str], kills: int, seconds: float
) -> bool:
    called = Counter(call.mobile for call in sandbox.calls)
    known = {line.mobile: line.state async for line in journal.lines()}
    states = Counter(known.values())
    accounted = {mobile for mobile, state in known.items() if state in (State.ACCEPTED, State.UNKNOWN)}
    twice = sum(times > 1 for times in called.values())
    unaccounted = len((set(numbers) | set(called)) - accounted)
    silent = sum(known[mobile] is State.ACCEPTED and mobile not in called for mobile in numbers)
    print(f"{len(numbers):,} numbers, {kills} workers killed, {seconds:.0f} s")
    print(f"  called {len(called):,}, called twice {twice}, unaccounted {unaccounted}")
    print(
        f"  accepted {states[State.ACCEPTED]:,} (without a call {silent}), unknown {states[State.UNKNOWN]:,}"
    )
    print(f"  unknown and called {sum(known[mobile] is State.UNKNOWN for mobile in called):,}")
    print(f"  over-speed answers {sandbox.over_speed}, requests {len(sandbox.received):,}")
    good = not (twice or unaccounted or silent)
    print("good" if good else "BAD")
    return good


def main() -> int:
    """Run the campaign of the arguments."""
    parser = argparse.ArgumentParser(description="Kill the workers of a task queue at random.")
    parser.add_argument("--database", required=True, help="SQLAlchemy URL with an asyncio driver")
    parser.add_argument("--redis", default="redis://127.0.0.1:6379")
    parser.add_argument("--amqp", default="amqp://guest:guest@127.0.0.1:5672/")
    parser.add_argument("--numbers", type=int, default=200_000)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--lives", type=float, nargs=2, default=(6.0, 20.0), metavar="SECONDS")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))  # noqa: S311
    return 0 if asyncio.run(campaign(parser.parse_args())) else 1


if __name__ == "__main__":
    sys.exit(main())
