"""The examples in ``docs/examples``: each does what it says, and the README shows it as it is."""

import asyncio
import importlib.util
from pathlib import Path
from types import ModuleType

import httpx
import pytest

from emay_voice_async import CallState
from emay_voice_async.sandbox import Fault, Sandbox

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "docs" / "examples"


def load(name: str) -> ModuleType:
    """Import an example by the name of its file."""
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_the_readme_shows_it(path: Path) -> None:
    """The README has each example word for word, below its docstring."""
    code = path.read_text("utf-8").split('"""\n', 1)[1].strip()
    shown = "\n".join(f"    {line}" if line else "" for line in code.splitlines())
    assert shown in (ROOT / "README.rst").read_text("utf-8")


def test_confirm(service: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    """It prints what was pressed, or that nobody was reached."""
    confirm = load("confirm")
    for mobile in ("13800000010", "13800000001"):
        asyncio.run(confirm.main(mobile))
    assert capsys.readouterr().out == "pressed 1 after 68.02 seconds\nnot reached: call failed\n"
    assert len(service.calls) == 2


def test_the_worker(service: Sandbox, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Started again and again, it calls each number once, and tells of an answer that was lost."""
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
    # The reports have settled what was unknown.
    assert lines[-1] == "accepted in all: 1200 unknown: 0"


def test_the_web_app(service: Sandbox) -> None:
    """A request makes one call; refusals and lost answers are told apart; a push reaches who waits for it."""

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
