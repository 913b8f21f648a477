"""Sends over a scripted transport, in virtual time: messages, numbers, streams, and the requests that were made."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from emay_voice_async import AsyncEmayVoice, Marketing, Notice, OnKey, RateLimits, VerificationCode, VoiceSms
from emay_voice_async.sending.reading import Piece, RecipientReader
from support.http_transport import Script, fields_of
from support.virtual_time import run

FAST = RateLimits(send=None, reports=None, balance=None)
MESSAGES = [
    Notice("..."),
    Marketing("..."),
    VerificationCode("1234"),
    VoiceSms("...", trigger=OnKey("1")),
]


def mobiles(number: int, first: int = 0) -> list[str]:
    """Make so many numbers, all different."""
    return [f"138{first + one:08}" for one in range(number)]


def with_voice(
    script: Script,
    main: Callable[[AsyncEmayVoice], Awaitable[Any]],
    limits: RateLimits = FAST,
    **options: Any,
) -> Any:
    """Run ``main`` with a client over the script, in virtual time."""

    async def living() -> Any:
        async with (
            script.client() as client,
            AsyncEmayVoice(
                "http://service",
                app_id="app",
                secret_key="secret",
                http_client=client,
                rate_limits=limits,
                **options,
            ) as voice,
        ):
            return await main(voice)

    return run(living())


def sent(script: Script) -> list[list[str]]:
    """List the numbers of each request that the service got."""
    fields = [fields_of(request) for request in script.requests]
    return [(form.get("mobiles") or form["mobile"]).split(",") for form in fields]


async def stream_of(items: Any, gap: float = 0.0) -> AsyncIterator[Any]:
    """Yield the items, each after a gap."""
    for item in items:
        await asyncio.sleep(gap)
        yield item


def pieces(reader: RecipientReader) -> list[Piece]:
    """Read the whole input, in virtual time."""

    async def main() -> list[Piece]:
        found = []
        while (piece := await reader.read()) is not None:
            found.append(piece)
        assert await reader.read() is None
        return found

    return run(main())


def read(reader: RecipientReader) -> list[str]:
    """List the numbers of all recipients that are read."""
    return [one.mobile for piece in pieces(reader) for one in piece.recipients]
