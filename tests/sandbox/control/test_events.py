"""Server-sent events, in virtual time."""

import asyncio
import json
from typing import Any

import pytest
from support import virtual_time

from emay_voice_async.sandbox import Sandbox
from emay_voice_async.sandbox.control.events import MOST, Position, events
from emay_voice_async.sandbox.requests import FormRequest
from sandbox.by_hand import ENDPOINT, NOW, form_of
from sandbox.control.asking import still


def send(local: Sandbox, count: int = 1) -> None:
    """Let the service accept a send to some numbers."""
    mobiles = ",".join(f"138{number:08}" for number in range(1000, 1000 + count))
    fields = form_of(local.account, "/voice/send", NOW, mobiles=mobiles)
    assert (
        local.app.service.answer(FormRequest(ENDPOINT["/voice/send"], fields, "::1"), NOW).code == "SUCCESS"
    )


def data(event: bytes) -> dict[str, Any]:
    """Return the data of an event."""
    found: dict[str, Any] = json.loads(event.decode().partition("data: ")[2])
    return found


class TestStream:
    """A stream of events."""

    def test_changes(self) -> None:
        """The first event describes the state now, later events what is new; without a change nothing is sent."""

        async def main() -> None:
            local = still(report_delay=10)
            send(local)
            stream = events(local.app, Position.of(local.app))
            assert await anext(stream) == b"retry: 1000\n\n"
            first = await anext(stream)
            assert first.startswith(b"id: 1-0\nevent: change\n")
            assert (data(first)["counts"]["calls"], data(first)["calls"]) == (1, [])
            asyncio.get_running_loop().call_later(5, send, local, 3)
            second = await anext(stream)
            assert asyncio.get_running_loop().time() == pytest.approx(1005, abs=0.3)
            assert [call["place"] for call in data(second)["calls"]] == [4, 3, 2]
            assert data(second)["speed"][0]["used"] == 2
            local.decide(local.calls[0].message_id, "TIMEOUT")
            assert data(await anext(stream))["counts"]["outcomes"] == {"SUCCESS": 3, "TIMEOUT": 1}
            await stream.aclose()  # type: ignore[attr-defined]

        virtual_time.run(main())

    def test_many_calls(self) -> None:
        """An event has the newest calls only, however many were made."""

        async def main() -> None:
            local = still()
            stream = events(local.app, Position(0, 0))
            send(local, 500)
            await anext(stream)
            event = data(await anext(stream))
            assert (event["counts"]["calls"], len(event["calls"])) == (500, MOST)
            assert event["calls"][0]["place"] == 500
            await stream.aclose()  # type: ignore[attr-defined]

        virtual_time.run(main())

    def test_counts_only(self) -> None:
        """On demand an event has the counts, and neither calls nor requests."""

        async def main() -> None:
            local = still()
            stream = events(local.app, Position(0, 0), counts_only=True)
            send(local, 2)
            await anext(stream)
            event = data(await anext(stream))
            assert (event["counts"]["calls"], "calls" in event, "requests" in event) == (2, False, False)
            await stream.aclose()  # type: ignore[attr-defined]

        virtual_time.run(main())

    def test_silence(self) -> None:
        """After a while without a change a comment is sent, so that a client that is gone is noticed."""

        async def main() -> None:
            stream = events(still().app, Position(0, 0))
            parts = [await anext(stream) for _ in range(4)]
            assert parts[2:] == [b": no change\n\n"] * 2
            assert asyncio.get_running_loop().time() == pytest.approx(1030, abs=1)
            await stream.aclose()  # type: ignore[attr-defined]

        virtual_time.run(main())


@pytest.mark.parametrize(
    ("text", "expected"),
    [("2-0", (2, 0)), ("0-0", (0, 0)), ("99-99", (3, 0)), ("", (3, 0)), ("x", (3, 0)), ("1-2-3", (3, 0))],
)
def test_positions(text: str, expected: tuple[int, int]) -> None:
    """A client that comes again goes on after its last event; an id that is none is the position now."""
    local = still()
    send(local, 3)
    position = Position.read(text, local.app)
    assert (position.calls, position.requests) == expected
    assert Position.read(str(position), local.app) == position
