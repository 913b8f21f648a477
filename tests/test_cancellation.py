"""Cancelling a call and closing the client, in both orders, at every await of every method."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import pytest
from support.campaigns import MESSAGE, clock, mobiles
from support.http_transport import Script, accepts
from support.virtual_time import VirtualLoop

from emay_voice_async import AsyncEmayVoice, CallingHours, RateLimit, RateLimits, VerificationCode
from emay_voice_async.journal import SqliteJournal

LIMIT = RateLimit(1, 1.0)
Scenario = Callable[[AsyncEmayVoice, Path], Awaitable[Any]]


class _TurnLoop(VirtualLoop):
    """Sets a future at the n-th turn after :meth:`arm`."""

    def __init__(self) -> None:
        super().__init__()
        self.turns_left = -1
        self.reached: asyncio.Future[None] | None = None

    def arm(self, turn: int) -> asyncio.Future[None]:
        """Return a future that is done at that turn from now on."""
        self.turns_left, self.reached = turn, self.create_future()
        return self.reached

    def _run_once(self) -> None:
        if self.reached is not None and not self.reached.done():
            if self.turns_left <= 0:
                self.reached.set_result(None)
            self.turns_left -= 1
        super()._run_once()  # type: ignore[misc]


async def _step(request: httpx.Request) -> httpx.Response:
    await asyncio.sleep(0.3)
    path = request.url.path
    if path.endswith("getReport"):
        return httpx.Response(200, json={"code": "SUCCESS", "data": []})
    if path.endswith("getBalance"):
        return httpx.Response(200, json={"code": "SUCCESS", "data": "1.0"})
    return await accepts()(request)


async def _stream(to: list[str]) -> AsyncIterator[str]:
    for mobile in to:
        await asyncio.sleep(0.1)
        yield mobile


async def _batches(voice: AsyncEmayVoice, to: Any, **options: Any) -> None:
    async with aclosing(voice.send_batches(VerificationCode("4711"), to, **options)) as outcomes:
        async for _ in outcomes:
            await asyncio.sleep(0)


async def _reports(voice: AsyncEmayVoice, **options: Any) -> None:
    async with aclosing(voice.reports(**options)) as found:
        async for _ in found:
            pass


async def _poller(voice: AsyncEmayVoice) -> None:
    for _ in range(4):
        await voice.get_balance()


SCENARIOS: dict[str, Scenario] = {
    "get_balance": lambda voice, _: _poller(voice),
    "take_reports": lambda voice, _: voice.take_reports(),
    "reports": lambda voice, _: _reports(voice, follow=True, poll_interval=0.5, deadline=4),
    "wait_for_report": lambda voice, _: voice.wait_for_report("id", timeout=5),
    "send": lambda voice, _: voice.send(VerificationCode("4711"), mobiles(3)),
    "send one batch": lambda voice, _: voice.send(MESSAGE, mobiles(3)),
    "send with hours": lambda voice, _: voice.send(MESSAGE, mobiles(3), hours=CallingHours("08:01-20:00")),
    "send with a journal": lambda voice, path: voice.send(
        VerificationCode("4711"), mobiles(2), journal=SqliteJournal(path / "run.db")
    ),
    "send_batches": lambda voice, _: _batches(voice, _stream(mobiles(3))),
    "plan": lambda voice, _: voice.plan(MESSAGE, mobiles(3)),
    "plan with a journal": lambda voice, path: voice.plan(
        MESSAGE, mobiles(3), journal=SqliteJournal(path / "run.db")
    ),
}


async def _play(loop: _TurnLoop, scenario: Scenario, turn: int, path: Path, *, close_first: bool) -> bool:
    """Cancel and close at that turn; return whether the call was still going on."""
    script = Script(_step)
    async with script.client() as http_client:
        voice = AsyncEmayVoice(
            "http://service",
            app_id="app",
            secret_key="secret",
            http_client=http_client,
            rate_limits=RateLimits(LIMIT, LIMIT, LIMIT),
            clock=clock,
        )
        # Another request holds the first slot, so that the call has to wait for its own.
        first = asyncio.ensure_future(voice.get_balance())
        victim = asyncio.ensure_future(scenario(voice, path))
        await asyncio.wait([loop.arm(turn), victim], return_when=asyncio.FIRST_COMPLETED)
        going = not victim.done()
        if close_first:
            closing = voice.aclose().__await__()
            # The closing begins, and the cancellation comes before it goes on.
            waiting = next(closing, None)
            victim.cancel()
            if waiting is not None:
                await asyncio.wait([waiting])
        else:
            victim.cancel()
        await voice.aclose()
        await asyncio.wait([first, victim], timeout=120)
        assert victim.done()
        assert victim.cancelled() or not going, victim
        for task in (first, victim):
            if not task.cancelled():
                task.exception()
    await asyncio.sleep(60)
    assert asyncio.all_tasks() == {asyncio.current_task()}
    return going


@pytest.mark.slow
@pytest.mark.parametrize("close_first", [False, True], ids=["cancel-close", "close-cancel"])
@pytest.mark.parametrize("name", SCENARIOS)
def test_a_cancellation_is_never_swallowed(name: str, close_first: bool) -> None:
    """A call that is cancelled beside the closing of the client ends as cancelled, at every turn of the loop."""
    turn = 0
    going = True
    while going:
        with TemporaryDirectory() as folder, asyncio.Runner(loop_factory=_TurnLoop) as runner:
            loop = runner.get_loop()
            assert isinstance(loop, _TurnLoop)
            going = runner.run(_play(loop, SCENARIOS[name], turn, Path(folder), close_first=close_first))
        turn += 1
    assert turn > 5
