"""A receiver as a handler of aiohttp, over a socket."""

import asyncio

import httpx
import pytest
from aiohttp import web
from support.pushes import Handler

from emay_voice_async import AsyncEmayVoice, Notice
from emay_voice_async.errors import UsageError
from emay_voice_async.receiver import PushReceiver
from emay_voice_async.sandbox import Sandbox


def test_the_receiver_in_the_router() -> None:
    """A receiver that is given to the router of aiohttp serves pushes, and closes after a body that is too large."""

    async def main() -> None:
        sandbox, handler = Sandbox(), Handler()
        receiver = PushReceiver({sandbox.app_id: sandbox.secret_key}, handler, max_body=1000)
        app = web.Application()
        with pytest.warns(DeprecationWarning, match="Bare functions"):
            app.router.add_post("/emay/", receiver)  # type: ignore[arg-type] # checkers refuse it
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/emay/"
        async with (
            httpx.AsyncClient(transport=httpx.ASGITransport(sandbox.app)) as service,
            AsyncEmayVoice(
                "http://service", app_id=sandbox.app_id, secret_key=sandbox.secret_key, http_client=service
            ) as voice,
        ):
            await voice.send(Notice("您好"), "13800000000")
        [delivery] = await sandbox.push(url)
        assert delivery.delivered
        assert [report.mobile for report in handler.reports] == ["13800000000"]
        async with httpx.AsyncClient(trust_env=False) as http:
            response = await http.post(url, content=bytes(1001), headers={"appId": sandbox.app_id})
        assert (response.status_code, response.headers["Connection"]) == (413, "close")
        await runner.cleanup()

    asyncio.run(main())


@pytest.mark.parametrize("request_", [object(), {"type": "http"}])
def test_a_request_of_another_framework(request_: object) -> None:
    """A receiver that gets the request of another framework says how to serve it."""
    receiver = PushReceiver({"a": "0123456789ABCDEF"}, Handler())
    with pytest.raises(UsageError, match=r"await receiver\.handle\(method, path, headers, body, client\)"):
        asyncio.run(receiver(request_))  # type: ignore[arg-type]
