"""The receiver and the local service under damaged requests over raw sockets."""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final

import httpx
import pytest
import uvicorn
from support.http_fuzz import Good, fuzz
from support.pushes import APP_ID, KEYS, PUSH

from emay_voice_async import AsyncEmayVoice, Report
from emay_voice_async.receiver import PushReceiver, Rejected
from emay_voice_async.sandbox import Sandbox

pytestmark = pytest.mark.slow

CONNECTIONS: Final = 300
ROUNDS: Final = 3


@asynccontextmanager
async def under_uvicorn(app: Any) -> AsyncIterator[str]:
    """Serve an application by uvicorn, with its parser in Python; give the base URL."""
    config = uvicorn.Config(app, port=0, http="h11", ws="none", lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    # Not serve(): no signal handlers in a test.
    serving = asyncio.get_running_loop().create_task(server._serve())
    while not server.started:
        await asyncio.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving


Check = Callable[[str], Any]


async def fuzzed(serving: AbstractAsyncContextManager[str], good: Good, seed: str, check: Check) -> None:
    """Fuzz a server in rounds; after each round a good request must be answered well, and nothing else happened."""
    loop = asyncio.get_running_loop()
    unhandled: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: unhandled.append(context))
    async with serving as url:
        await check(url)
        seen: Counter[str] = Counter()
        for round_ in range(ROUNDS):
            port = int(url.rpartition(":")[2])
            seen += await fuzz(port, good, seed=f"{seed}/{round_}", connections=CONNECTIONS // ROUNDS)
            await check(url)
    assert not unhandled
    assert {"400", "no response"} <= seen.keys()


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    """List the logged errors."""
    return [
        record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR or record.exc_info
    ]


class TestFuzz:
    """300 connections with damaged requests: the server lives on and logs no unhandled exception."""

    @pytest.mark.parametrize("seed", ["a"])
    def test_receiver(self, caplog: pytest.LogCaptureFixture, seed: str) -> None:
        """The receiver still confirms a push, and every other push is refused without an exception."""
        got: list[Report] = []
        rejected: list[Rejected] = []

        async def on_reports(reports: list[Report]) -> None:
            got.extend(reports)

        async def on_rejected(one: Rejected) -> None:
            rejected.append(one)

        receiver = PushReceiver(
            KEYS,
            on_reports,
            on_rejected=on_rejected,
            max_body=1_000_000,
            max_held=10_000_000,
            body_timeout=1.0,
        )

        async def check(url: str) -> None:
            before = len(got)
            async with httpx.AsyncClient(trust_env=False) as client:
                response = await client.post(f"{url}/push", content=PUSH, headers={"appId": APP_ID})
            assert (response.status_code, response.content) == (200, b"success")
            assert len(got) > before

        good = Good(b"/push", (b"appId: " + APP_ID.encode(),), PUSH)
        asyncio.run(fuzzed(under_uvicorn(receiver), good, seed, check))
        assert not errors(caplog)
        assert rejected
        assert {report.message_id for report in got} == {"m1"}

    @pytest.mark.parametrize("seed", ["a"])
    @pytest.mark.parametrize("own", [True, False], ids=["its own server", "uvicorn"])
    def test_sandbox(self, caplog: pytest.LogCaptureFixture, own: bool, seed: str) -> None:
        """The local service still answers the client, and no damaged request makes a call."""
        sandbox = Sandbox()

        async def check(url: str) -> None:
            async with AsyncEmayVoice(url, app_id=sandbox.app_id, secret_key=sandbox.secret_key) as voice:
                assert await voice.get_balance() == sandbox.balance

        good = Good(
            b"/voice/send",
            (b"Content-Type: application/x-www-form-urlencoded",),
            f"appId={sandbox.app_id}&mobiles=13800000000&content=%E6%82%A8&sign=0&timestamp=1".encode(),
        )
        asyncio.run(fuzzed(sandbox.serve() if own else under_uvicorn(sandbox.app), good, seed, check))
        assert not errors(caplog)
        assert not sandbox.calls
