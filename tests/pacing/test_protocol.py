"""The protocol of pacers: how the client uses a pacer of one's own."""

import asyncio

import pytest
from attrs import define, field
from support.http_transport import Script, accepts
from support.virtual_time import run

from emay_voice_async import AsyncEmayVoice, Notice, NotSentError, RateLimit, SendError
from emay_voice_async.model.endpoints import Call
from emay_voice_async.model.limits import RateLimits
from emay_voice_async.pacing import Lease, LocalPacer, Pacer


@define
class Recorder:
    """A pacer and a lease in one, which records the calls of the client."""

    refuse: Exception | None = None
    log: list[str] = field(factory=list)

    async def acquire(self, call: Call, *, again: bool = False) -> Lease:
        """Grant a slot at once, or fail."""
        self.log.append(f"acquire {call.value}{' again' if again else ''}")
        if self.refuse is not None:
            raise self.refuse
        return self

    def limit(self, call: Call) -> RateLimit | None:
        """Return a limit."""
        return RateLimit(7, 1.0)

    def end(self, *, after: float = 0.0, over_speed: bool = False) -> None:
        """Record the end."""
        self.log.append(f"end {after:g}{' over speed' if over_speed else ''}")

    def give_back(self) -> None:
        """Record the return."""
        self.log.append("give back")


async def send(pacer: Pacer, script: Script) -> None:
    """Send to one number."""
    async with (
        script.client() as client,
        AsyncEmayVoice(
            "http://service", app_id="a", secret_key="s", http_client=client, pacer=pacer, timeout=5.0
        ) as voice,
    ):
        await voice.send(Notice("..."), "13800000000")


def test_a_request_takes_a_slot_and_ends_the_lease_once() -> None:
    """The client acquires before the request and ends the lease after the response."""
    pacer = Recorder()
    run(send(pacer, Script(accepts())))
    assert pacer.log == ["acquire send", "end 0"]


def test_an_exception_of_a_pacer_is_not_sent() -> None:
    """An exception of ``acquire`` becomes NotSentError with that exception as the cause."""
    pacer = Recorder(refuse=PermissionError("wrong password"))
    with pytest.raises(SendError) as caught:
        run(send(pacer, Script(accepts())))
    [outcome] = caught.value.result.not_sent
    assert isinstance(outcome.error, NotSentError)
    assert isinstance(outcome.error.__cause__, PermissionError)
    assert pacer.log == ["acquire send"]


def test_a_cancelled_acquire_leaves_no_slot_taken() -> None:
    """A task that is cancelled while it waits does not use up a slot."""

    async def main() -> None:
        pacer: Pacer = LocalPacer(RateLimits(send=RateLimit(1, 1.0)))
        lease = await pacer.acquire(Call.SEND)
        waiting = asyncio.ensure_future(pacer.acquire(Call.SEND))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait({waiting})
        lease.give_back()
        (await pacer.acquire(Call.SEND)).give_back()

    run(main())
