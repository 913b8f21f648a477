"""The examples in ``docs/examples`` run, and a page shows each word for word."""

import asyncio
import importlib
import importlib.util
import os
import secrets
import signal
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest
from support import servers
from taskiq import TaskiqMessage, TaskiqMiddleware, TaskiqResult
from taskiq.api import run_receiver_task

from emay_voice_async import CallingHours, CallState, RateLimits
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
def test_a_page_shows_it(path: Path) -> None:
    """A page of the documentation contains the code of each example."""
    code = path.read_text("utf-8").split('"""\n', 1)[1].strip()
    shown = "\n".join(f"    {line}" if line else "" for line in code.splitlines())
    pages = (ROOT / "docs").rglob("*.rst")
    assert any(shown in page.read_text("utf-8") for page in pages)


def test_confirm(service: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    """The example prints the pressed key, or that the call failed."""
    confirm = load("confirm")
    for mobile in ("13800000010", "13800000001"):
        asyncio.run(confirm.main(mobile))
    assert capsys.readouterr().out == "pressed 1; length of the call: 68 seconds\nnot reached: call failed\n"
    assert len(service.calls) == 2


def test_the_worker(
    service: Sandbox, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two runs call each number once, and a lost response is printed as unknown."""
    path = tmp_path / "numbers.txt"
    numbers = [f"139{place:08}" for place in range(1000, 2200)]
    path.write_text("\n".join([*numbers, "12345"]), "utf-8")
    service.fail_next(Fault.reset(acts=True), on="send", skip=1)
    worker = load("worker")
    monkeypatch.setattr(worker, "HOURS", CallingHours("00:00-24:00"))
    monkeypatch.setattr(worker, "ROUND", 0.5)
    for _ in range(2):
        asyncio.run(worker.main(str(path)))
    lines = capsys.readouterr().out.splitlines()
    assert sorted(call.mobile for call in service.calls) == numbers
    assert lines[0].startswith("1200 to call in 0 s, 0 were called before")
    assert "perhaps called, their reports will tell: 500" in lines
    assert lines[-3].startswith("not called: 1")
    assert lines[-2] == "calls without a report: 0"
    # The reports have settled the unknown numbers.
    assert lines[-1] == "accepted in all: 1200 unknown: 0"


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_worker_that_is_killed_while_it_records(tmp_path: Path, moment: str) -> None:
    """Killed before or after each page is recorded, the worker has the report of each call in the end."""
    path = tmp_path / "numbers.txt"
    numbers = [f"139{place:08}" for place in range(1000, 4000)]
    path.write_text("\n".join(numbers), "utf-8")
    sandbox = Sandbox(rate_limits=RateLimits(send=None, reports=None, balance=None))
    program = f"""
import asyncio, importlib.util, os, signal, sys
spec = importlib.util.spec_from_file_location("worker", {str(EXAMPLES / "worker.py")!r})
worker = importlib.util.module_from_spec(spec)
spec.loader.exec_module(worker)
worker.HOURS, worker.ROUND = worker.CallingHours("00:00-24:00"), 0.5
record, left = worker.SqliteJournal.record, int(sys.argv[2])

async def record_and_die(self, page):
    global left
    left -= 1
    if {moment == "before"} and left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    count = await record(self, page)
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return count

worker.SqliteJournal.record = record_and_die
asyncio.run(worker.main(sys.argv[1]))
"""

    async def main() -> None:
        async with sandbox.serve() as url:
            environment = os.environ | {
                "EMAY_VOICE_BASE_URL": url,
                "EMAY_VOICE_APP_ID": sandbox.app_id,
                "EMAY_VOICE_SECRET_KEY": sandbox.secret_key,
            }
            for kill_at in (1, 1, 2, 1, 0):
                process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-c", program, str(path), str(kill_at)),
                    env=environment,
                    stdout=asyncio.subprocess.PIPE,
                )
                printed, _ = await process.communicate()
                assert process.returncode in (0, -signal.SIGKILL)
            assert process.returncode == 0
            assert "calls without a report: 0" in printed.decode()

    asyncio.run(main())
    assert sorted(call.mobile for call in sandbox.calls) == numbers


def test_the_web_app(service: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request makes one call; a refusal and a lost response differ; a push is stored and reaches its waiter."""
    database = tmp_path / "reports.db"
    monkeypatch.setenv("REPORTS_DATABASE", str(database))

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
            with monkeypatch.context() as patch:
                patch.setattr(module, "DATABASE", str(tmp_path / "missing" / "reports.db"))
                [delivery] = await service.push("http://app/emay/", client=client)
            # A report that could not be stored is not confirmed, and is pushed again.
            assert not delivery.delivered
            [delivery] = await service.push("http://app/emay/", client=client)
            assert delivery.delivered
            report = await waiting
            assert report.state is CallState.SUCCESS
            with closing(sqlite3.connect(database)) as db:
                [row] = db.execute("SELECT message_id, custom_id, mobile, state FROM reports")
            assert row == (report.message_id, "order-7", "13900001000", report.raw_state)
            assert module.app.state.voice.undelivered_reports == ()

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
    path = tmp_path / "people.csv"
    numbers = [f"139{place:08}" for place in range(1000, 2200)]
    names = {mobile: f"客户{mobile[-1]}" for mobile in numbers}
    path.write_text("\n".join(["mobile,name", *map(",".join, names.items())]), "utf-8")
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
    assert {call.mobile: call.content for call in sandbox.calls} == {
        mobile: f"尊敬的{name}，您的快递已到，请尽快领取。" for mobile, name in names.items()
    }
    assert states[State.ACCEPTED] == len(numbers)
    assert sandbox.over_speed == 0
