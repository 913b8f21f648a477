"""Watch a journal of a million calls while another process adds more: ``python -m benchmarks.watch_page``.

Measured: the time of the page's data, the memory of the watching process, and the seconds until keys and failures were
read for the first time.
"""

import asyncio
import os
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path

import httpx

from emay_voice_async.journal import SqliteJournal
from emay_voice_async.journal.protocol import Claim, JournalRun, Key, State
from emay_voice_async.testing.journal.values import PURPOSE

CALLS = 1_000_000
SECONDS = 90


async def main() -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.db"
        async with SqliteJournal(path) as journal:
            run = await journal.start(PURPOSE)
            for start in range(0, CALLS, 5000):
                await _add(run, start, 5000)
            command = [sys.executable, "-m", "emay_voice_async", "watch", str(path), "--port", "0"]
            environment = {**os.environ, "EMAY_VOICE_LANG": "en"}
            watch = await asyncio.create_subprocess_exec(
                *command, stdout=asyncio.subprocess.PIPE, env=environment
            )
            try:
                await _measure(watch, run)
            finally:
                watch.terminate()
                await watch.wait()
                await run.end()


async def _measure(watch: asyncio.subprocess.Process, run: JournalRun) -> None:
    began = time.monotonic()
    if watch.stdout is None:
        raise RuntimeError("no output")
    line = (await watch.stdout.readline()).decode()
    [url] = [word for word in line.split() if word.startswith("http")]
    print(f"ready after {time.monotonic() - began:.1f} s")
    times, added, details = list[float](), 0, None
    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=60) as http:
        while time.monotonic() - began < SECONDS:
            await _add(run, CALLS + added, 500)
            added += 500
            started = time.perf_counter()
            data = (await http.get("data")).json()
            times.append(time.perf_counter() - started)
            if details is None and "keys" in data:
                details = time.monotonic() - began
                print(f"keys and failures after {details:.0f} s")
            if len(times) % 100 == 0:
                print(f"{data['settled']:,} calls, {_memory(watch.pid):.0f} MiB")
            await asyncio.sleep(0.2)
    worst = sorted(times)[-max(1, len(times) // 100)]
    print(
        f"data: {statistics.median(times) * 1000:.1f} ms, 99 % within {worst * 1000:.0f} ms, {len(times)} times"
    )


async def _add(run: JournalRun, start: int, count: int) -> None:
    mobiles = [f"138{number:08}" for number in range(start, start + count)]
    keys = tuple(map(Key, mobiles))
    claim = Claim(f"token-{start}", keys, tuple(f"c{mobile}" for mobile in mobiles), 60.0)
    if not await run.begin(claim):
        raise RuntimeError("the calls are claimed")
    await run.close(claim, State.ACCEPTED, message_ids=[f"m{mobile}" for mobile in mobiles])


def _memory(pid: int) -> float:
    """Return the resident memory of a process in MiB (Linux)."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize() / 2**20


if __name__ == "__main__":
    asyncio.run(main())
