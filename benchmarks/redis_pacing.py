"""RedisPacer with several processes on one account: speed, fairness, cost, and the effect of failures.

``python benchmarks/redis_pacing.py`` starts a Redis server and a local service, lets four processes
send 500 requests each, and prints a table; ``--help`` lists the options. For comparison, a run without
Redis gives each process a fixed share (LocalPacer). A run takes about a minute.
"""

import argparse
import asyncio
import json
import random
import secrets
import statistics
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import redis.asyncio

from emay_voice_async import AsyncEmayVoice, Notice, RateLimit, RateLimits, Recipient
from emay_voice_async.model.endpoints import Call
from emay_voice_async.pacing.local import LocalPacer
from emay_voice_async.pacing.protocol import Lease, Pacer
from emay_voice_async.redis import RedisPacer
from emay_voice_async.sandbox import Sandbox

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from support import servers

PROCESSES = 4
DELAY = 0.04
"""The longest latency of requests and of responses, in seconds; uniformly distributed."""


class Timed:
    """A pacer that records how long each lease was held."""

    def __init__(self, pacer: Pacer) -> None:
        self._pacer = pacer
        self.trips: list[float] = []

    async def acquire(self, call: Call, *, again: bool = False) -> Lease:
        """Wait for a slot, and record the time of the grant."""
        return _TimedLease(await self._pacer.acquire(call, again=again), self.trips)

    def limit(self, call: Call) -> RateLimit | None:
        """Return the limit in force."""
        return self._pacer.limit(call)


class _TimedLease:
    def __init__(self, lease: Lease, trips: list[float]) -> None:
        self._lease, self._trips, self._began = lease, trips, time.perf_counter()

    def end(self, *, after: float = 0.0, over_speed: bool = False) -> None:
        self._trips.append(time.perf_counter() - self._began)
        self._lease.end(after=after, over_speed=over_speed)

    def give_back(self) -> None:
        self._lease.give_back()


async def work(job: dict[str, str]) -> dict[str, float]:
    """Send all requests of a process; return the cost."""
    first, count = int(job["first"]), int(job["count"])
    requests, period = int(job["requests"]), float(job["period"])
    if job["redis"]:
        limits = RateLimits(send=RateLimit(requests, period))
        shared = RedisPacer(job["redis"], app_id=job["app_id"], rate_limits=limits)
        pacer = Timed(shared)
    else:
        shared = None
        pacer = Timed(LocalPacer(RateLimits(send=RateLimit(requests // PROCESSES, period))))
    app_id, secret_key = job["app_id"], job["secret_key"]
    async with AsyncEmayVoice(job["url"], app_id=app_id, secret_key=secret_key, pacer=pacer) as voice:

        async def one(number: int) -> None:
            to = Recipient(f"138{number:08}", custom_id=f"{job['name']}-{number}")
            await voice.send(Notice("..."), to)

        # The first request sets up connections: not part of the cost of a request.
        await one(first)
        pacer.trips.clear()
        began = time.process_time()
        await asyncio.gather(*(one(number) for number in range(first + 1, first + count)))
        cpu = time.process_time() - began
    if shared is not None:
        await shared.aclose()
    return {"cpu": cpu / (count - 1), "trip": statistics.mean(pacer.trips)}


class Run:
    """A run: the local service, the processes and the Redis server."""

    def __init__(self, server: servers.Temporary, count: int, limit: RateLimit, *, shared: bool) -> None:
        chance = random.Random(7)  # noqa: S311 - no secret
        self.server = server
        self.count = count
        self.limit = limit
        self.redis = server.url if shared else ""
        self.sandbox = Sandbox(
            app_id=f"EUCP-{secrets.token_hex(8)}",
            rate_limits=RateLimits(send=limit),
            latency=lambda: chance.uniform(0, DELAY),
            answer_latency=lambda: chance.uniform(0, DELAY),
        )
        self.url = ""
        self.processes: dict[str, asyncio.subprocess.Process] = {}

    async def start(self, name: str, first: int, count: int) -> None:
        """Start a process that sends to ``count`` numbers."""
        job = {
            "name": name,
            "first": first,
            "count": count,
            "redis": self.redis,
            "url": self.url,
            "requests": self.limit.requests,
            "period": self.limit.period,
            "app_id": self.sandbox.app_id,
            "secret_key": self.sandbox.secret_key,
        }
        pipe = asyncio.subprocess.PIPE
        arguments = [sys.executable, __file__, "--work", json.dumps(job)]
        self.processes[name] = await asyncio.create_subprocess_exec(*arguments, stdin=pipe, stdout=pipe)

    async def begin(self, *names: str) -> None:
        """Let processes begin at the same time."""
        for name in names:
            if (stdout := self.processes[name].stdout) is not None:
                await stdout.readline()
        for name in names:
            if (stdin := self.processes[name].stdin) is not None:
                stdin.write(b"go\n")

    async def reach(self, share: float) -> None:
        """Wait until the service has accepted this share of all requests."""
        while len(self.sandbox.calls) < share * self.count * PROCESSES:
            await asyncio.sleep(0.01)

    async def play(self, disturb: "Disturbance") -> list[dict[str, float]]:
        """Let all processes send; return the figures of each process that was not killed."""
        async with self.sandbox.serve() as self.url:
            names = [str(one) for one in range(PROCESSES)]
            for one, name in enumerate(names):
                await self.start(name, one * self.count, self.count)
            await self.begin(*names)
            await disturb(self)
            told = [(await one.communicate())[0] for one in self.processes.values()]
        return [json.loads(one) for one in told if one]


Disturbance = Callable[[Run], Awaitable[None]]


async def undisturbed(_: Run) -> None:
    """Disturb no process and no server."""


async def killed(run: Run) -> None:
    """Kill a process after a third of the requests, and start another for the rest."""
    await run.reach(1 / 3)
    run.processes["3"].kill()
    await run.processes["3"].wait()
    done = sum(str(call.custom_id).startswith("3-") for call in run.sandbox.calls)
    await run.start("again", 3 * run.count + done, run.count - done)
    await run.begin("again")


async def stopped(run: Run) -> None:
    """Pause the server for three seconds: the system accepts connections, no command is executed."""
    await run.reach(1 / 3)
    run.server.pause()
    await asyncio.sleep(3)
    run.server.resume()


async def down(run: Run) -> None:
    """Kill the server, and restart it empty three seconds later."""
    await run.reach(1 / 3)
    run.server.kill()
    await asyncio.sleep(3)
    await asyncio.to_thread(run.server.start)


async def emptied(run: Run) -> None:
    """Kill the server, and restart it empty at once."""
    await run.reach(1 / 3)
    run.server.kill()
    await asyncio.to_thread(run.server.start)


async def commands(url: str) -> int:
    """Count the commands that the server has executed."""
    async with redis.asyncio.Redis.from_url(url) as client:
        stats = await client.info("commandstats")
    return int(stats.get("cmdstat_evalsha", {}).get("calls", 0))


async def measure(name: str, disturb: Disturbance, count: int, limit: RateLimit, *, shared: bool) -> None:
    """Play a run, and print a line of the table."""
    with servers.own(servers.REDIS) as (server, url):
        run = Run(server, count, limit, shared=shared)
        figures = await run.play(disturb)
        executed = await commands(url)
    calls = run.sandbox.calls
    took = calls[-1].at - calls[0].at
    trip = statistics.mean(each["trip"] for each in figures)
    safe = limit.requests / (limit.period + trip)
    half = Counter(str(call.custom_id).split("-")[0] for call in calls[: len(calls) // 3])
    shares = [number * PROCESSES / (len(calls) // 3) for number in half.values()]
    per_request = (
        f"{executed / len(calls):.2f}" if shared and disturb in (undisturbed, killed, stopped) else ""
    )
    cpu = statistics.mean(each["cpu"] for each in figures)
    speed = (len(calls) - limit.requests) / took
    print(
        f"{name:<26}{run.sandbox.over_speed:>10}{len(calls):>10}{speed:>10.2f}{speed / safe:>9.1%}"
        f"{min(shares):>9.2f}{max(shares):>6.2f}{per_request:>10}{1e3 * cpu:>9.2f}",
        flush=True,
    )


async def bare(count: int) -> None:
    """Print the CPU cost of the pacers alone, without requests and without waiting."""
    limits = RateLimits(send=RateLimit(10**6, 1.0))
    with servers.own(servers.REDIS) as (_, url):
        async with RedisPacer(
            url, app_id="bare", rate_limits=RateLimits(send=RateLimit(1000, 0.05))
        ) as pacer:
            for name, one in (("LocalPacer", LocalPacer(limits)), ("RedisPacer", pacer)):
                (await one.acquire(Call.SEND)).end()
                for width in (1, 50):
                    print(
                        f"{name}, {width} at a time: {1e3 * await price(one, count, width):.3f} ms of CPU a request"
                    )


async def price(pacer: Pacer, count: int, width: int) -> float:
    """Return the CPU seconds of a slot, when ``width`` slots are taken at a time."""
    began = time.process_time()
    for _ in range(count // width):
        for lease in await asyncio.gather(*(pacer.acquire(Call.SEND) for _ in range(width))):
            lease.end()
    return (time.process_time() - began) / count


async def main(count: int, limit: RateLimit, only: str) -> None:
    """Play all runs, one after the other."""
    print(
        f"{PROCESSES} processes, {count} requests each, {limit.requests} in {limit.period:g} s, "
        f"0 to {1e3 * DELAY:g} ms each way"
    )
    print(
        f"{'run':<26}{'refused':>10}{'accepted':>10}{'a second':>10}{'of safe':>9}{'shares':>15}"
        f"{'commands':>10}{'CPU ms':>9}"
    )
    runs: list[tuple[str, Disturbance, bool]] = [
        ("fixed shares, LocalPacer", undisturbed, False),
        ("over Redis", undisturbed, True),
        ("a process killed", killed, True),
        ("Redis stopped for 3 s", stopped, True),
        ("Redis down for 3 s, empty", down, True),
        ("Redis restarted empty", emptied, True),
    ]
    for name, disturb, shared in runs:
        if only in name:
            await measure(name, disturb, count, limit, shared=shared)
    if only in "bare":
        await bare(2000)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=500, help="requests of each process (500)")
    parser.add_argument("--requests", type=int, default=40, help="of the rate limit (40)")
    parser.add_argument("--period", type=float, default=1.0, help="of the rate limit, in seconds (1)")
    parser.add_argument("--only", default="", help="runs whose name has this in it; or: bare")
    parser.add_argument("--work", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work is None:
        asyncio.run(main(options.count, RateLimit(options.requests, options.period), options.only))
    else:
        print("ready", flush=True)
        sys.stdin.readline()
        print(json.dumps(asyncio.run(work(json.loads(options.work)))))
