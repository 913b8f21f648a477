"""Clients over a script, and the answers to getReport requests."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from emay_voice_async import (
    AsyncEmayVoice,
    Product,
    Report,
)
from support.http_transport import Script
from support.virtual_time import run


def page(*ids: str, product: Product = Product.VOICE) -> dict[str, object]:
    """Make the answer to a getReport with these message ids."""
    return {"code": "SUCCESS", "data": [{f"{product.value}Id": one, "state": "SUCCESS"} for one in ids]}


def with_voice(script: Script, main: Callable[[AsyncEmayVoice], Awaitable[Any]], **options: Any) -> Any:
    """Run ``main`` with a client over the script, in virtual time."""
    return run(living(script, main, **options))


async def living(script: Script, main: Callable[[AsyncEmayVoice], Awaitable[Any]], **options: Any) -> Any:
    """Await ``main`` with a client over the script."""
    async with (
        script.client() as client,
        AsyncEmayVoice("http://service", app_id="a", secret_key="s", http_client=client, **options) as voice,
    ):
        return await main(voice)


def in_real_time(script: Script, main: Callable[[AsyncEmayVoice], Awaitable[Any]]) -> Any:
    """Run ``main`` in real time: a disk is written by another thread, which no clock can hurry."""
    return asyncio.run(living(script, main))


def ids(reports: list[Report] | tuple[Report, ...]) -> list[str]:
    """List the message ids of reports."""
    return [report.message_id for report in reports]
