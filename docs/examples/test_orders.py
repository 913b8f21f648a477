"""Tests of your own code against the local service, with the fixtures of the pytest plugin.

``pytest test_orders.py``, with pytest-asyncio; with anyio's plugin, mark the tests with ``anyio`` instead.
"""

import httpx
import pytest

from emay_voice_async import AsyncEmayVoice, Notice, Report, SendError
from emay_voice_async.receiver import PushReceiver
from emay_voice_async.sandbox import Fault, Sandbox

pytestmark = pytest.mark.asyncio

QUESTION = Notice("您有一个订单待确认。", interactive_content="确认请按1，取消请按2。")


async def confirmed(voice: AsyncEmayVoice, mobile: str) -> bool | None:
    """Ask one person; None: perhaps asked, the answer to the request was lost."""
    try:
        [ticket] = (await voice.send(QUESTION, mobile)).tickets
    except SendError as error:
        if error.result.unknown:
            return None
        raise
    report = await voice.wait_for_report(ticket, timeout=30)
    return report.key_pressed == "1"


async def test_pressed_keys(emay_voice: AsyncEmayVoice) -> None:
    """The last digits of a number decide how its call ends: 0010 presses 1, 0011 presses 2."""
    assert await confirmed(emay_voice, "13800000010") is True
    assert await confirmed(emay_voice, "13800000011") is False


async def test_a_lost_answer(emay_voice: AsyncEmayVoice, emay_sandbox: Sandbox) -> None:
    """The service makes the call, and the connection is reset before the answer."""
    emay_sandbox.fail_next(Fault.reset(acts=True), on="send")
    assert await confirmed(emay_voice, "13800000010") is None
    assert [call.mobile for call in emay_sandbox.calls] == ["13800000010"]


async def test_pushed_reports(emay_voice: AsyncEmayVoice, emay_sandbox: Sandbox) -> None:
    """The service pushes the reports to the receiver, encrypted."""
    pushed: list[Report] = []

    async def on_reports(reports: list[Report]) -> None:
        pushed.extend(reports)

    receiver = PushReceiver({emay_sandbox.app_id: emay_sandbox.secret_key}, on_reports)
    await emay_voice.send(QUESTION, "13800000010")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=receiver)) as client:
        [delivery] = await emay_sandbox.push("http://receiver/push", client=client)
    assert delivery.delivered
    assert [report.key_pressed for report in pushed] == ["1"]
