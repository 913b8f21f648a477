"""The local service with 100,000 calls, and with its page open: ``python -m benchmarks.sandbox_page``.

Measured: the time of the page's data, the memory while more calls are made than are kept, and the CPU time that the
service needs for its requests with and without a page that follows it.
"""

import asyncio
import resource
import statistics
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path

import httpx

from emay_voice_async import Accepted, AsyncEmayVoice, Notice, RateLimits
from emay_voice_async.sandbox import Limits, Sandbox

CALLS = 100_000
ROUNDS = 9
SENDS = 40
"""Requests of 500 numbers in a round."""
PAUSE = 0.5
"""Seconds between two reads of the page."""


async def main() -> None:
    """Print the figures."""
    await memory()
    await page_data()
    await page_open()


async def page_data() -> None:
    """Time the state, the record and a decision with many calls."""
    local = Sandbox(rate_limits=Limits(None, None, None), balance=Decimal(10**9), report_delay=3600)
    async with local.serve() as url, _client(local.app_id, local.secret_key, url) as voice:
        await _calls(voice, CALLS)
        async with httpx.AsyncClient(base_url=f"{url}/_sandbox/", trust_env=False, timeout=60) as http:
            paths = {"state": "state", "500 calls": "state?limit=500", "old calls": "state?calls_before=500"}
            for name, path in paths.items():
                times = [await _timed(http, path) for _ in range(20)]
                print(f"{name}: {statistics.median(times) * 1000:.1f} ms, at most {max(times) * 1000:.1f} ms")
            started = time.perf_counter()
            for call in local.calls[:200]:
                await http.post(f"calls/{call.message_id}", json={"key": "1", "report_in": 0})
            print(f"decision: {(time.perf_counter() - started) / 200 * 1000:.1f} ms")
            print(f"record of all: {await _timed(http, 'record'):.1f} s")


async def memory() -> None:
    """Make ten times as many calls as are kept, and watch the memory."""
    local = Sandbox(rate_limits=Limits(None, None, None), balance=Decimal(10**9), keep=10_000)
    async with local.serve() as url, _client(local.app_id, local.secret_key, url) as voice:
        for _ in range(5):
            await _calls(voice, CALLS // 5)
            while await voice.take_reports(1000):
                pass
            print(f"{local.app.service.made:,} calls made, 10,000 kept: {_memory():.0f} MiB")


async def page_open() -> None:
    """Compare the CPU time of the service for the same requests, without and with a page."""
    options = ("--port", "0", "--limit", "off", "--balance", "999999999")
    command = [sys.executable, "-m", "emay_voice_async", "sandbox", *options]
    service = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    without, with_page = list[float](), list[float]()
    try:
        exports = await _exports(service.stdout)
        url = exports["EMAY_VOICE_BASE_URL"]
        async with _client(exports["EMAY_VOICE_APP_ID"], exports["EMAY_VOICE_SECRET_KEY"], url) as voice:
            await _round(voice, service.pid)
            for _ in range(ROUNDS):
                without.append(await _round(voice, service.pid))
                async with _viewer(url):
                    with_page.append(await _round(voice, service.pid))
    finally:
        service.terminate()
        await service.wait()
    ratio = statistics.median(with_page) / statistics.median(without)
    print(
        f"CPU of {SENDS} sends of 500: {_list(without)} s without, {_list(with_page)} s with a page: {ratio:.3f}"
    )


async def _exports(output: asyncio.StreamReader | None) -> dict[str, str]:
    """Read what the command prints for a shell."""
    exports: dict[str, str] = {}
    while output is not None and "EMAY_VOICE_SECRET_KEY" not in exports:
        name, _, value = (await output.readline()).decode().strip().removeprefix("export ").partition("=")
        exports[name] = value
    return exports


async def _round(voice: AsyncEmayVoice, pid: int) -> float:
    before = _cpu(pid)
    await _calls(voice, SENDS * 500)
    while await voice.take_reports(1000):
        pass
    return _cpu(pid) - before


async def _calls(voice: AsyncEmayVoice, count: int) -> None:
    numbers = (f"138{number:08}" for number in range(10_000_000, 10_000_000 + count))
    async for outcome in voice.send_batches(Notice("您的快递已到小区门口，请及时领取。"), numbers):
        if not isinstance(outcome, Accepted):
            raise TypeError(outcome)


@asynccontextmanager
async def _viewer(url: str) -> AsyncIterator[None]:
    """Follow the service as the page does: events, and the state at most every half second."""

    async def follow() -> None:
        async with (
            httpx.AsyncClient(base_url=f"{url}/_sandbox/", trust_env=False, timeout=600) as http,
            http.stream("GET", "events?counts_only=1") as stream,
        ):
            async for line in stream.aiter_lines():
                if line.startswith("data: "):
                    await asyncio.sleep(PAUSE)
                    await http.get("state?limit=50")

    task = asyncio.ensure_future(follow())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


def _client(app_id: str, secret_key: str, url: str) -> AsyncEmayVoice:
    return AsyncEmayVoice(url, app_id=app_id, secret_key=secret_key, rate_limits=RateLimits(None, None, None))


async def _timed(http: httpx.AsyncClient, path: str) -> float:
    started = time.perf_counter()
    (await http.get(path)).raise_for_status()
    return time.perf_counter() - started


def _cpu(pid: int) -> float:
    """Return the CPU seconds of a process (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def _memory() -> float:
    """Return the resident memory of this process in MiB (Linux)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20


def _list(values: Sequence[float]) -> str:
    return "/".join(f"{value:.2f}" for value in values)


if __name__ == "__main__":
    asyncio.run(main())
