"""How long the event loop is kept: the longest stretch of thread CPU between two turns."""

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Final

import httpx

from benchmarks.findings import Finding, Reach
from benchmarks.samples import APP_ID, CONTENT, SECRET_KEY, mobiles
from emay_voice_async import AsyncEmayVoice, Call, Notice, RateLimit, RateLimits, Recipient
from emay_voice_async.pacing.local import LocalPacer

__all__ = ["measure"]

LONGEST: Final = 0.025
"""Seconds of CPU that one turn of the loop may take."""


async def _watched(main: Awaitable[object]) -> tuple[float, float]:
    """Await ``main``; return its longest turn and its whole CPU time, in seconds of this thread."""
    longest, last = 0.0, time.thread_time()
    ended = False

    async def watch() -> None:
        nonlocal longest, last
        while not ended:
            await asyncio.sleep(0)
            now = time.thread_time()
            longest, last = max(longest, now - last), now

    # The lists of this benchmark are not to be walked by the garbage collector in between.
    gc.collect()
    gc.freeze()
    watching = asyncio.ensure_future(watch())
    await asyncio.sleep(0)
    began = last = time.thread_time()
    await main
    now = time.thread_time()
    longest, ended = max(longest, now - last), True
    await watching
    return longest, now - began


def _never(_: httpx.Request) -> httpx.Response:
    return httpx.Response(200, json={"code": "ERROR_SIGN"})


def _client(http: httpx.AsyncClient, limits: RateLimits, max_concurrency: int = 16) -> AsyncEmayVoice:
    return AsyncEmayVoice(
        "http://localhost",
        app_id=APP_ID,
        secret_key=SECRET_KEY,
        http_client=http,
        rate_limits=limits,
        max_concurrency=max_concurrency,
    )


async def _ignoring(awaitable: Awaitable[object]) -> None:
    await asyncio.gather(awaitable, return_exceptions=True)


def _accepting(delay: float) -> Callable[[httpx.Request], Coroutine[None, None, httpx.Response]]:
    async def answer(request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(delay)
        fields = dict(pair.split("=", 1) for pair in request.content.decode().split("&"))
        numbers, ids = fields["mobiles"].split("%2C"), fields["customVoiceIds"].split("%2C")
        tickets = ",".join(
            f'{{"mobile":"{mobile}","voiceId":"1","customVoiceId":"{custom_id}"}}'
            for mobile, custom_id in zip(numbers, ids, strict=True)
        )
        return httpx.Response(200, content=f'{{"code":"SUCCESS","data":[{tickets}]}}'.encode())

    return answer


async def _cases(*, quick: bool) -> AsyncIterator[tuple[str, float, float]]:
    number = 5_000 if quick else 500_000
    numbers = mobiles(number)
    recipients = [Recipient(mobile, f"id-{mobile}") for mobile in numbers]
    unlimited = RateLimits(None, None, None)
    async with (
        httpx.AsyncClient(transport=httpx.MockTransport(_never)) as http,
        _client(http, unlimited) as voice,
    ):
        # The first batch is refused for good, so that no more than checking and reading is measured.
        for name, to in (("numbers", numbers), ("recipients", recipients)):
            yield (
                f"a list of {number:,} {name}, checked",
                *await _watched(_ignoring(voice.send(Notice(CONTENT), [*to, "bad"]))),
            )
        yield (
            f"a plan of {number:,}",
            *await _watched(voice.plan(Notice(CONTENT), numbers[: number // 5], ask_balance=False)),
        )
    slots = 100
    stream = numbers[: number // 5]
    limits = RateLimits(send=RateLimit(slots, 0.1))
    transport = httpx.MockTransport(_accepting(0.05))
    async with httpx.AsyncClient(transport=transport) as http, _client(http, limits, slots) as voice:
        yield (
            f"a stream of {len(stream):,}, {slots} slots at once",
            *await _watched(voice.send(Notice(CONTENT), iter(stream))),
        )
    waiters = 100 if quick else 10_000
    pacer = LocalPacer(RateLimits(send=RateLimit(waiters, 0.05)))

    async def wait() -> None:
        lease = await pacer.acquire(Call.SEND)
        lease.end()

    async def everybody() -> None:
        await asyncio.gather(*(wait() for _ in range(2 * waiters)))

    yield f"{waiters:,} waiters served at once", *await _watched(everybody())


async def _measure(*, quick: bool) -> Finding:
    found = [case async for case in _cases(quick=quick)]
    return Finding(
        name="loop",
        title="How long the event loop is kept",
        text=(
            "The longest stretch of CPU of the event loop's thread between two turns of the loop, beside a task that"
            " takes every turn. The answers of the service are made in the same thread, and count with the stream."
        ),
        header=("operation", "longest turn", "CPU in all"),
        rows=[(name, f"{1e3 * longest:.1f} ms", f"{1e3 * whole:.0f} ms") for name, longest, whole in found],
        reaches=[Reach(f"{name}, seconds", LONGEST, longest) for name, longest, _ in found],
        plots=[],
    )


def measure(*, quick: bool = False) -> Finding:
    """Measure, and return the findings."""
    return asyncio.run(_measure(quick=quick))
