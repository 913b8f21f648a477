"""Server-sent events: what changed, a few times a second, however many requests arrive."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from typing import Any, Final

from attrs import frozen

from emay_voice_async.sandbox.app import App
from emay_voice_async.sandbox.control.views import call_json, counts_json, page_of, request_json, speed_json

__all__ = ["MAX_STREAMS", "Position", "events"]

MAX_STREAMS: Final = 32
"""Streams open at once."""
MOST: Final = 100
"""Calls, and requests, in an event; the newest."""
_TICK: Final = 0.25
"""Seconds between two looks at the state."""
_QUIET: Final = 60
"""Looks without a change until a comment is sent, which finds clients that are gone."""
_ID: Final = re.compile(r"([0-9]{1,15})-([0-9]{1,15})")


@frozen
class Position:
    """The calls and requests that a client knows."""

    calls: int
    requests: int

    def __str__(self) -> str:
        return f"{self.calls}-{self.requests}"

    @classmethod
    def of(cls, app: App) -> "Position":
        """Return the position after everything that happened."""
        return cls(app.service.made, app.arrived)

    @classmethod
    def read(cls, text: str, app: App) -> "Position":
        """Read the id of an event; a text that is none is the position now."""
        found, now = _ID.fullmatch(text), cls.of(app)
        if found is None:
            return now
        return cls(min(int(found[1]), now.calls), min(int(found[2]), now.requests))


async def events(app: App, known: Position, *, counts_only: bool = False) -> AsyncIterator[bytes]:
    """Yield an event for each look at which something had changed; the first describes the state now.

    An event has the counts, the speed windows, the balances, and the calls and requests after ``known``, at most
    :data:`MOST` of each, newest first; ``counts_only`` leaves these two out. ``changes`` counts changes of calls that
    were made before.
    """
    shown: Any = None
    quiet = 0
    yield b"retry: 1000\n\n"
    while True:
        state = _state(app)
        quiet += 1
        if state != shown:
            shown, quiet, now = state, 0, Position.of(app)
            data = json.dumps(state if counts_only else state | _news(app, known))
            yield f"id: {now}\nevent: change\ndata: {data}\n\n".encode()
            known = now
        elif quiet >= _QUIET:
            quiet = 0
            yield b": no change\n\n"
        await asyncio.sleep(_TICK)


def _state(app: App) -> dict[str, Any]:
    return {
        "counts": counts_json(app),
        "changes": app.service.changes,
        "speed": speed_json(app.service, app.clock()),
        "balances": {app_id: f"{one.balance:f}" for app_id, one in app.service.accounts.items()},
        "faults": [(plan.fault.name, plan.seen) for plan in app.faults],
    }


def _news(app: App, known: Position) -> dict[str, Any]:
    service, now = app.service, app.clock()
    calls, _ = page_of(service.calls, service.made, before=None, most=min(MOST, service.made - known.calls))
    requests, _ = page_of(
        app.received, app.arrived, before=None, most=min(MOST, app.arrived - known.requests)
    )
    return {
        "calls": [call_json(place, call, now, whole=False) for place, call in calls],
        "requests": [request_json(place, request, whole=False) for place, request in requests],
    }
