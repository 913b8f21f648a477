"""Sends with a journal in virtual time; the state on the disk and the requests at the service."""

import sqlite3
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from emay_voice_async import AsyncEmayVoice, Notice, RateLimits
from emay_voice_async.journal.protocol import Journal
from emay_voice_async.model.results import Outcome
from support.http_transport import Script, fields_of
from support.virtual_time import now, run

EPOCH = datetime(2024, 3, 1, tzinfo=UTC).timestamp() - 1000
"""The virtual loop begins at 08:00 in Beijing."""
FAST = RateLimits(send=None, reports=None, balance=None)
MESSAGE = Notice("您的快递已到")
STATES = ["under way", "accepted", "refused", "not sent", "unknown"]


def mobiles(number: int, first: int = 0) -> list[str]:
    """Make different mobile numbers."""
    return [f"138{first + one:08}" for one in range(number)]


def clock() -> float:
    """Return the virtual time in POSIX seconds."""
    return EPOCH + now()


def voice_over(script: Script, http_client: httpx.AsyncClient, **options: Any) -> AsyncEmayVoice:
    """Make a client with a scripted transport."""
    return AsyncEmayVoice(
        "http://service",
        http_client=http_client,
        **{"app_id": "app", "secret_key": "secret", "rate_limits": FAST, "clock": clock, **options},
    )


def with_voice(script: Script, main: Callable[[AsyncEmayVoice], Awaitable[Any]], **options: Any) -> Any:
    """Run ``main`` with a client over the script in virtual time."""

    async def living() -> Any:
        async with script.client() as http_client, voice_over(script, http_client, **options) as voice:
            return await main(voice)

    return run(living())


async def outcomes_of(voice: AsyncEmayVoice, to: Any, journal: Journal, **options: Any) -> list[Outcome]:
    """Send, and list all outcomes."""
    message = options.pop("message", MESSAGE)
    return [one async for one in voice.send_batches(message, to, journal=journal, **options)]


def sending(script: Script, to: Any, journal: Journal, **options: Any) -> list[Any]:
    """Send with a new loop and a new client, like one run of a program."""
    own = {
        name: options.pop(name) for name in ("rate_limits", "max_concurrency", "timeout") if name in options
    }
    return list(with_voice(script, lambda voice: outcomes_of(voice, to, journal, **options), **own))


def posted(script: Script) -> Counter[str]:
    """Count the posts of each number."""
    forms = [fields_of(request) for request in script.requests]
    return Counter(one for form in forms for one in (form.get("mobiles") or form["mobile"]).split(","))


def ids_of(request: httpx.Request) -> dict[str, str]:
    """Return the custom id of each number of a request."""
    form = fields_of(request)
    if "mobile" in form:
        return {form["mobile"]: form["customVoiceId"]}
    return dict(zip(form["mobiles"].split(","), form["customVoiceIds"].split(","), strict=True))


def stored(path: Path) -> dict[str, tuple[str, str]]:
    """Read state and custom id of each number with sqlite3, without the code of the package."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        rows = db.execute("SELECT mobile, state, custom_id FROM calls").fetchall()
    return {str(mobile): (STATES[state], custom_id) for mobile, state, custom_id in rows}


def kinds(outcomes: list[Any]) -> list[tuple[type, int, bool]]:
    """Return class, number of recipients and ``recorded`` of each outcome."""
    return [(type(one), len(one.recipients), getattr(one, "recorded", False)) for one in outcomes]
