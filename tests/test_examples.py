"""The examples in ``docs/examples`` run, and the README shows each word for word."""

import asyncio
import importlib
import importlib.util
import secrets
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest
from support import servers
from taskiq import TaskiqMessage, TaskiqMiddleware, TaskiqResult
from taskiq.api import run_receiver_task

from emay_voice_async import CallState
from emay_voice_async.journal.protocol import State, Summary
from emay_voice_async.sandbox import Fault, Sandbox

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "docs" / "examples"


def load(name: str) -> ModuleType:
    """Import an example by file name."""
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_the_readme_shows_it(path: Path) -> None:
    """The README contains the code of each example."""
    code = path.read_text("utf-8").split('"""\n', 1)[1].strip()
    shown = "\n".join(f"    {line}" if line else "" for line in code.splitlines())
    assert shown in (ROOT / "README.rst").read_text("utf-8")


def test_confirm(service: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    """The example prints the pressed key, or that the call failed."""
    confirm = load("confirm")
    for mobile in ("13800000010", "13800000001"):
        asyncio.run(confirm.main(mobile))
    assert capsys.readouterr().out == "pressed 1 after 68.02 seconds\nnot reached: call failed\n"
    assert len(service.calls) == 2


def test_the_worker(service: Sandbox, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Two runs call each number once, and a lost response is printed as unknown."""
    path = tmp_path / "numbers.txt"
    numbers = [f"139{place:08}" for place in range(1000, 2200)]
    path.write_text("\n".join([*numbers, "12345"]), "utf-8")
    service.fail_next(Fault.reset(acts=True), on="send", skip=1)
    worker = load("worker")
    for _ in range(2):
        asyncio.run(worker.main(str(path)))
    lines = capsys.readouterr().out.splitlines()
    assert sorted(call.mobile for call in service.calls) == numbers
    assert lines[0].startswith("1200 to call in 0 s, 0 were called before")
    assert "perhaps called, their reports will tell: 500" in lines
    assert lines[-2].startswith("not called: 1")
    # The reports have settled the unknown numbers.
    assert lines[-1] == "accepted in all: 1200 unknown: 0"


def test_the_web_app(service: Sandbox) -> None:
    """A request makes one call; a refusal and a lost response differ; a push reaches the waiting handler."""

    async def main() -> None:
        module = load("web_app")
        transport = httpx.ASGITransport(module.app)
        async with (
            module.app.router.lifespan_context(module.app),
            httpx.AsyncClient(transport=transport, base_url="http://app") as client,
        ):
            answer = await client.post("/orders/7/reminder", params={"mobile": "13900001000"})
            assert answer.status_code == 202
            assert answer.json()["status"] == "accepted"
            waiting = asyncio.ensure_future(module.app.state.voice.wait_for_report("order-7", poll=False))
            [delivery] = await service.push("http://app/emay/", client=client)
            assert delivery.delivered
            assert (await waiting).state is CallState.SUCCESS

            assert (await client.post("/orders/8/reminder", params={"mobile": "12345"})).status_code == 422
            service.fail_next(Fault.reset(acts=True), on="send")
            answer = await client.post("/orders/9/reminder", params={"mobile": "13900001001"})
            assert answer.json() == {"status": "unknown", "custom_id": "order-9"}
            service.balance -= service.balance
            answer = await client.post("/orders/10/reminder", params={"mobile": "13900001002"})
            assert answer.status_code == 502
            assert "ERROR_NEEDMORE_BALANCE" in answer.json()["detail"]

    asyncio.run(main())
    assert [call.custom_id for call in service.calls] == ["order-7", "order-9"]


class _Done(TaskiqMiddleware):
    """Sets an event after a number of executed tasks."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.left = count
        self.failed: list[BaseException] = []
        self.all = asyncio.Event()

    def post_execute(self, message: TaskiqMessage, result: TaskiqResult[Any]) -> None:
        """Count an executed task."""
        self.left -= 1
        self.failed += [result.error] if result.error else []
        if not self.left:
            self.all.set()


def test_the_tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over a real queue, a campaign that is delivered twice calls each number once."""
    name = f"test-{secrets.token_hex(8)}"
    path = tmp_path / "numbers.txt"
    numbers = [f"139{place:08}" for place in range(1000, 2200)]
    path.write_text("\n".join(numbers), "utf-8")
    sandbox = Sandbox(app_id=name)
    for variable, value in {
        "AMQP_URL": servers.url(servers.RABBITMQ),
        "REDIS_URL": servers.url(servers.REDIS),
        "DATABASE_URL": f"sqlite+aiosqlite:///{tmp_path / 'journal.db'}",
        "CAMPAIGN": name,
        "EMAY_VOICE_APP_ID": sandbox.app_id,
        "EMAY_VOICE_SECRET_KEY": sandbox.secret_key,
    }.items():
        monkeypatch.setenv(variable, value)

    async def main() -> Summary:
        done = _Done(2 * 3)
        async with sandbox.serve() as url:
            monkeypatch.setenv("EMAY_VOICE_BASE_URL", url)
            # taskiq imports the module by name.
            monkeypatch.syspath_prepend(EXAMPLES)
            module = importlib.import_module("tasks")
            monkeypatch.delitem(sys.modules, "tasks")
            module.broker.add_middlewares(done)
            for _ in range(2):
                await module.produce(str(path))
            receiver = asyncio.ensure_future(run_receiver_task(module.broker, run_startup=True))
            async with asyncio.timeout(60):
                await done.all.wait()
            summary: Summary = await module.broker.state.journal.summary()
            await module.broker.read_channel.queue_delete(name)
            receiver.cancel()
            await asyncio.wait({receiver})
            await module.broker.shutdown()
        assert done.failed == []
        return summary

    states = asyncio.run(main()).states
    assert sorted(call.mobile for call in sandbox.calls) == numbers
    assert states[State.ACCEPTED] == len(numbers)
    assert sandbox.over_speed == 0
