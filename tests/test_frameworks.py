"""The examples of web frameworks receive pushes over a real socket; each case is one row for all of them."""

import asyncio
import importlib.util
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import cache, partial
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import httpx
import pytest
from aiohttp import web
from attrs import frozen

import emay_voice_async.receiver
from emay_voice_async import AsyncEmayVoice, Notice, Report
from emay_voice_async.receiver import PushReceiver
from emay_voice_async.sandbox import Sandbox
from emay_voice_async.sandbox.server import serve

EXAMPLES = Path(__file__).parent.parent / "docs" / "examples"
APP_ID, SECRET_KEY = "EUCP-EMY-FRAMEWORK-001", "0123456789ABCDEF"
TOKEN = "b7d2c0c4e1f04a6e"
MAX_BODY = 50_000

Server = Callable[[ModuleType], AbstractAsyncContextManager[str]]


@asynccontextmanager
async def asgi(module: ModuleType) -> AsyncIterator[str]:
    """Serve an ASGI application, with its lifespan, in this event loop."""
    app = getattr(module, "app", None) or module.application
    async with running(app), serve(app, host="127.0.0.1", port=0) as url:
        yield url


@asynccontextmanager
async def running(app: Any) -> AsyncIterator[None]:
    """Run the lifespan of an ASGI application, if it has one."""
    incoming: asyncio.Queue[dict[str, str]] = asyncio.Queue()
    outgoing: asyncio.Queue[str] = asyncio.Queue()

    async def send(message: dict[str, str]) -> None:
        outgoing.put_nowait(message["type"])

    async def live() -> None:
        try:
            await app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, incoming.get, send)
        except ValueError:
            # Django has no lifespan.
            outgoing.put_nowait("none")

    life = asyncio.ensure_future(live())
    incoming.put_nowait({"type": "lifespan.startup"})
    assert await outgoing.get() in ("lifespan.startup.complete", "none")
    yield
    incoming.put_nowait({"type": "lifespan.shutdown"})
    await life


@asynccontextmanager
async def aiohttp(module: ModuleType) -> AsyncIterator[str]:
    """Serve an application of aiohttp in this event loop."""
    runner = web.AppRunner(module.make_app())
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


class Quiet(WSGIRequestHandler):
    """A handler without a log on stderr."""

    def log_message(self, *args: object) -> None:
        """Log nothing."""


@asynccontextmanager
async def wsgi(module: ModuleType) -> AsyncIterator[str]:
    """Serve a WSGI application in a thread."""
    with make_server("127.0.0.1", 0, module.app, handler_class=Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()
    module.STACK.close()
    module.start.cache_clear()


@frozen
class Framework:
    """An example: its module, its server, and whether a body is read in pieces with the receiver's time limit."""

    name: str
    server: Server = asgi
    limits_time: bool = True


FRAMEWORKS = (
    Framework("web_app"),  # FastAPI
    Framework("starlette_app"),
    Framework("litestar_app"),
    Framework("quart_app"),
    Framework("aiohttp_app", aiohttp),
    Framework("django_app", limits_time=False),  # Django reads the whole body before it calls a view.
    Framework("flask_app", wsgi, limits_time=False),  # The WSGI server limits the time.
)
each_framework = pytest.mark.parametrize("framework", FRAMEWORKS, ids=lambda one: one.name)


@cache
def load(name: str) -> ModuleType:
    """Import an example once, as Django wants, with a receiver of small bounds that accepts plain pushes."""
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    settings: dict[str, Any] = {
        "max_body": MAX_BODY,
        "body_timeout": 0.2,
        "allow_plain": True,
        "plain_token": TOKEN,
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(emay_voice_async.receiver, "PushReceiver", partial(PushReceiver, **settings))
        patch.setenv("EMAY_VOICE_APP_ID", APP_ID)
        patch.setenv("EMAY_VOICE_SECRET_KEY", SECRET_KEY)
        spec.loader.exec_module(module)
    return module


@frozen
class World:
    """A running example: its address, the local service, a client, and the reports that the example stored."""

    url: str
    sandbox: Sandbox
    http: httpx.AsyncClient
    stored: list[Report]
    break_store: Callable[[bool], None]

    async def call(self, *mobiles: str) -> None:
        """Make calls, so that the service has reports to push."""
        async with (
            httpx.AsyncClient(transport=httpx.ASGITransport(self.sandbox.app)) as http,
            AsyncEmayVoice("http://service", app_id=APP_ID, secret_key=SECRET_KEY, http_client=http) as voice,
        ):
            await voice.send(Notice("您好"), mobiles)


def play(
    framework: Framework, monkeypatch: pytest.MonkeyPatch, scene: Callable[[World], Awaitable[None]]
) -> None:
    """Serve an example and the local service, and run a scene with both."""
    sandbox = Sandbox(app_id=APP_ID, secret_key=SECRET_KEY)
    module = load(framework.name)
    stored: list[Report] = []
    broken = False

    def store(reports: list[Report]) -> None:
        if broken:
            raise ConnectionError("no database")
        stored.extend(reports)

    def break_store(now: bool) -> None:
        nonlocal broken
        broken = now

    if hasattr(module, "store"):
        monkeypatch.setattr(module, "store", store)
    else:
        monkeypatch.setattr(module, "REPORTS", SimpleNamespace(extend=store))

    async def main() -> None:
        async with sandbox.serve() as service:
            monkeypatch.setenv("EMAY_VOICE_BASE_URL", service)
            monkeypatch.setenv("EMAY_VOICE_APP_ID", APP_ID)
            monkeypatch.setenv("EMAY_VOICE_SECRET_KEY", SECRET_KEY)
            async with framework.server(module) as url, httpx.AsyncClient(trust_env=False) as http:
                await scene(World(f"{url}/emay/", sandbox, http, stored, break_store))

    asyncio.run(main())


@each_framework
def test_an_encrypted_push(framework: Framework, monkeypatch: pytest.MonkeyPatch) -> None:
    """An encrypted push is stored and confirmed."""

    async def scene(world: World) -> None:
        await world.call("13800000000", "13800000001")
        [delivery] = await world.sandbox.push(world.url, client=world.http)
        assert delivery.delivered
        assert [report.mobile for report in world.stored] == ["13800000000", "13800000001"]

    play(framework, monkeypatch, scene)


@each_framework
@pytest.mark.parametrize("mode", ["json", "form"])
def test_a_plain_push(framework: Framework, mode: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plain push is stored with the token, and refused without it."""

    async def scene(world: World) -> None:
        await world.call("13800000000")
        [delivery] = await world.sandbox.push(world.url, client=world.http, mode=mode)
        assert (delivery.status, world.stored) == (403, [])
        world.http.headers["X-Emay-Plain-Token"] = TOKEN
        [delivery] = await world.sandbox.push(world.url, client=world.http, mode=mode)
        assert delivery.delivered
        assert [report.mobile for report in world.stored] == ["13800000000"]

    play(framework, monkeypatch, scene)


@each_framework
def test_a_duplicate(framework: Framework, monkeypatch: pytest.MonkeyPatch) -> None:
    """A push that comes again is confirmed and not stored again."""

    async def scene(world: World) -> None:
        pushes: list[httpx.Request] = []

        async def record(request: httpx.Request) -> None:
            pushes.append(request)

        world.http.event_hooks["request"].append(record)
        await world.call("13800000000")
        await world.sandbox.push(world.url, client=world.http)
        [push] = pushes
        headers = {"appId": push.headers["appId"], "Content-Type": push.headers["Content-Type"]}
        answer = await world.http.post(world.url, content=push.content, headers=headers)
        assert (answer.status_code, answer.text) == (200, "success")
        assert len(world.stored) == 1

    play(framework, monkeypatch, scene)


@each_framework
def test_a_large_push(framework: Framework, monkeypatch: pytest.MonkeyPatch) -> None:
    """A body that is too large is answered 413."""

    async def scene(world: World) -> None:
        body = bytes(MAX_BODY + 1)
        answer = await world.http.post(world.url, content=body, headers={"appId": APP_ID})
        assert answer.status_code == 413
        assert answer.text == "the push is too large"

    play(framework, monkeypatch, scene)


@pytest.mark.parametrize(
    "framework", [one for one in FRAMEWORKS if one.limits_time], ids=lambda one: one.name
)
def test_a_slow_push(framework: Framework, monkeypatch: pytest.MonkeyPatch) -> None:
    """A body that comes too slowly is answered 408."""

    async def scene(world: World) -> None:
        url = httpx.URL(world.url)
        reader, writer = await asyncio.open_connection(url.host, url.port)
        head = f"POST /emay/ HTTP/1.1\r\nHost: {url.host}\r\nappId: {APP_ID}\r\nContent-Length: 100\r\n\r\n"
        writer.write(head.encode() + b"x")
        status = await reader.readline()
        assert b" 408 " in status
        assert (await reader.readuntil(b"slowly")).endswith(b"the body came too slowly")
        writer.close()
        await writer.wait_closed()

    play(framework, monkeypatch, scene)


@each_framework
def test_a_foreign_push(framework: Framework, monkeypatch: pytest.MonkeyPatch) -> None:
    """A push of another account is answered 403, and another method 405."""

    async def scene(world: World) -> None:
        answer = await world.http.post(world.url, content=b"x", headers={"appId": "another"})
        assert (answer.status_code, answer.text) == (403, "forbidden")
        assert (await world.http.get(world.url, headers={"appId": APP_ID})).status_code == 405

    play(framework, monkeypatch, scene)


@each_framework
def test_a_broken_store(framework: Framework, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports that cannot be stored are answered 500, and stored when the service pushes them again."""

    async def scene(world: World) -> None:
        await world.call("13800000000")
        world.break_store(True)
        [delivery] = await world.sandbox.push(world.url, client=world.http)
        assert (delivery.status, world.stored) == (500, [])
        world.break_store(False)
        [delivery] = await world.sandbox.push(world.url, client=world.http)
        assert delivery.delivered
        assert len(world.stored) == 1

    play(framework, monkeypatch, scene)


@pytest.mark.parametrize(
    "framework",
    [one for one in FRAMEWORKS if one.name in ("starlette_app", "aiohttp_app", "flask_app")],
    ids=lambda one: one.name,
)
def test_a_call_and_its_report(framework: Framework, monkeypatch: pytest.MonkeyPatch) -> None:
    """A route calls a number and returns the outcome, another one returns the reports as JSON."""

    async def scene(world: World) -> None:
        base = world.url.removesuffix("/emay/")
        answer = await world.http.post(f"{base}/calls/13800000010")
        assert answer.status_code == 200
        assert answer.json()["outcome"] == "accepted"
        assert (await world.http.post(f"{base}/calls/123")).status_code == 422
        monkeypatch.setattr(load(framework.name), "REPORTS", [])
        await world.sandbox.push(world.url, client=world.http)
        [report] = (await world.http.get(f"{base}/reports")).json()
        assert (report["mobile"], report["key_pressed"]) == ("13800000010", "1")
        world.sandbox.balance -= world.sandbox.balance
        refused = (await world.http.post(f"{base}/calls/13800000010")).json()
        assert refused["outcome"] == "refused"

    play(framework, monkeypatch, scene)
