"""Metrics of a client."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import httpx
import pytest
from support.campaigns import voice_over
from support.http_transport import Script, Step, accepts, answers, code, hangs, raises
from support.telemetry import Telemetry
from support.virtual_time import run

from emay_voice_async import AsyncEmayVoice, EmayVoiceError, Notice, RateLimit, RateLimits, VerificationCode
from emay_voice_async.journal import SqliteJournal

LIMITS = RateLimits(send=RateLimit(3, 1.0), reports=RateLimit(2, 1.0), balance=None)
Main = Callable[[AsyncEmayVoice, Telemetry], Awaitable[Any]]


def mobiles(number: int, first: int = 0) -> list[str]:
    """Make different numbers."""
    return [f"138{first + one:08}" for one in range(number)]


def measured(main: Main, *steps: Step, **options: Any) -> Telemetry:
    """Run a test with an instrumented client."""
    telemetry = Telemetry()
    script = Script(*steps)

    async def living() -> None:
        async with (
            script.client() as http_client,
            voice_over(script, http_client, **{"rate_limits": LIMITS, **options}) as voice,
        ):
            telemetry.instrument(voice)
            await main(voice, telemetry)

    run(living())
    return telemetry


def test_numbers_by_outcome() -> None:
    """The numbers of all batches are counted by outcome and endpoint."""

    async def main(voice: AsyncEmayVoice, _: Telemetry) -> None:
        for number in (1, 2, 3, 4):
            with suppress(EmayVoiceError):
                await voice.send(Notice("..."), [*mobiles(number), mobiles(1)[0]])

    steps = accepts(), code("ERROR_CONTENT_EMPTY"), raises(httpx.ReadError("...")), answers(b"", status=404)
    telemetry = measured(main, *steps)
    found = telemetry.values("emay_voice.numbers", "emay_voice.outcome", "emay_voice.endpoint")
    assert found == {
        ("accepted", "/voice/send"): 1,
        ("refused", "/voice/send"): 2,
        ("unknown", "/voice/send"): 3,
        # With a duplicate in each send.
        ("not_sent", "/voice/send"): 4 + 4,
    }


def test_recorded_numbers_are_not_counted_again(tmp_path: Any) -> None:
    """Outcomes that a journal remembers were counted by the run that had them."""

    async def main(voice: AsyncEmayVoice, _: Telemetry) -> None:
        for number in (2, 3):
            await voice.send(Notice("..."), mobiles(number), journal=SqliteJournal(tmp_path / "run.db"))

    telemetry = measured(main, accepts())
    assert telemetry.values("emay_voice.numbers", "emay_voice.outcome") == {("accepted",): 3}


def test_waiting_and_round_trips() -> None:
    """The histograms have the exact seconds of waiting and of round trips, in buckets of seconds."""

    async def main(voice: AsyncEmayVoice, _: Telemetry) -> None:
        await voice.send(VerificationCode("4711"), mobiles(6))

    telemetry = measured(main, accepts(after=0.25), rate_limits=RateLimits(send=RateLimit(1, 1.0)))
    [(attributes, waits)] = telemetry.points("emay_voice.slot.wait")
    assert attributes == {
        "emay_voice.app_id": "app",
        "emay_voice.call": "send",
        "emay_voice.endpoint": "/voice/sendVFCode",
        "emay_voice.product": "voice",
    }
    assert (waits.count, waits.min) == (6, 0)
    # The second request waits from the answer of the first one on: the address was not proved before.
    assert waits.sum == pytest.approx(1.0 + 2.25 + 3.5 + 4.75 + 6.0, rel=0.01)
    [(attributes, trips)] = telemetry.points("emay_voice.request.duration")
    assert attributes["emay_voice.outcome"] == "accepted"
    assert (trips.count, trips.min, trips.max) == (6, pytest.approx(0.25), pytest.approx(0.25))
    assert trips.explicit_bounds[0] == 0.005


def test_round_trips_by_outcome() -> None:
    """Each attempt is in the histogram, with the outcome and the type of the error."""

    async def main(voice: AsyncEmayVoice, _: Telemetry) -> None:
        for _number in range(3):
            with suppress(EmayVoiceError):
                await voice.send(Notice("..."), mobiles(1))
        with suppress(EmayVoiceError):
            await voice.send(Notice("..."), mobiles(1), deadline=0.001)

    steps = code("ERROR_OVER_SPEED"), accepts(), code("ERROR_SIGN"), hangs
    telemetry = measured(main, *steps)
    found = {
        (attributes["emay_voice.outcome"], attributes.get("error.type")): point.count
        for attributes, point in telemetry.points("emay_voice.request.duration")
    }
    assert found == {
        ("retried", "ERROR_OVER_SPEED"): 1,
        ("accepted", None): 1,
        ("refused", "ERROR_SIGN"): 1,
        ("unknown", "OutcomeUnknownError"): 1 + 1,
    }
    assert telemetry.values("emay_voice.late_answers", "emay_voice.outcome") == {("unknown",): 2}


def test_reports_by_state() -> None:
    """Reports are counted by state, the unreadable ones as a state of their own."""

    async def main(voice: AsyncEmayVoice, _: Telemetry) -> None:
        await voice.take_reports()
        await voice.take_reports()

    data = [{"voiceId": str(one), "state": state} for one, state in enumerate(["SUCCESS", "SUCCESS", "NEW"])]
    step = answers({"code": "SUCCESS", "data": [*data, 7]})
    telemetry = measured(main, step, answers({"code": "SUCCESS", "data": []}))
    found = telemetry.values("emay_voice.reports", "emay_voice.state", "emay_voice.source")
    assert found == {("SUCCESS", "request"): 2, ("OTHER", "request"): 1, ("UNREADABLE", "request"): 1}


def test_the_limit_and_the_slots_in_use() -> None:
    """The gauges: a slot is in use from the request until a period after its answer; the limit is the one in force."""
    in_use: list[int] = []

    async def main(voice: AsyncEmayVoice, telemetry: Telemetry) -> None:
        def used() -> int:
            found = telemetry.values("emay_voice.slots.in_use", "emay_voice.call")
            assert found["balance",] == found["reports",] == 0
            return int(found["send",])

        assert telemetry.values("emay_voice.rate_limit", "emay_voice.call") == {("send",): 3, ("reports",): 2}
        await voice.send(VerificationCode("4711"), mobiles(1))
        in_use.append(used())
        await asyncio.sleep(1)
        in_use.append(used())
        sending = asyncio.ensure_future(voice.send(VerificationCode("4711"), mobiles(2)))
        await asyncio.sleep(0.25)
        in_use.append(used())
        await sending
        for pause in (0.25, 0.5, 0.5):
            await asyncio.sleep(pause)
            in_use.append(used())

    measured(main, accepts(after=0.5))
    # One request at a time until the address is proved; each takes 0.5 seconds.
    assert in_use == [1, 0, 1, 2, 1, 0]


def test_a_lowered_limit() -> None:
    """After a refusal for speed the gauge shows the lower limit."""
    limits: list[dict[Any, Any]] = []

    async def main(voice: AsyncEmayVoice, telemetry: Telemetry) -> None:
        await voice.send(Notice("..."), mobiles(1))
        limits.append(telemetry.values("emay_voice.rate_limit", "emay_voice.call"))

    measured(main, code("ERROR_OVER_SPEED"), accepts())
    assert limits == [{("send",): 1, ("reports",): 2}]


def test_slots_of_an_unlimited_call() -> None:
    """Without a limit only requests in flight are in use, and there is no gauge of the limit."""

    async def main(voice: AsyncEmayVoice, telemetry: Telemetry) -> None:
        asking = asyncio.ensure_future(voice.get_balance())
        await asyncio.sleep(0.1)
        assert telemetry.values("emay_voice.slots.in_use", "emay_voice.call")["balance",] == 1
        await asking
        assert telemetry.values("emay_voice.slots.in_use", "emay_voice.call")["balance",] == 0
        assert ("balance",) not in telemetry.values("emay_voice.rate_limit", "emay_voice.call")

    measured(main, answers({"code": "SUCCESS", "data": "1.5"}, after=0.5))


def test_instrumented_in_the_middle() -> None:
    """Requests that began before are not counted when they end, so that no slot is counted below 0."""
    telemetry = Telemetry()
    script = Script(accepts(after=1))

    async def main() -> None:
        async with script.client() as http_client, voice_over(script, http_client, on_event=print) as voice:
            send = asyncio.ensure_future(voice.send(Notice("..."), mobiles(1)))
            await asyncio.sleep(0.5)
            telemetry.instrument(voice)
            await send
        assert telemetry.values("emay_voice.slots.in_use", "emay_voice.call")["send",] == 0

    run(main())
    assert not telemetry.points("emay_voice.request.duration")
