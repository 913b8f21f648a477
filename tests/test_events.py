"""Events of whole runs: their rules under scripted faults and cancellation, and what they must not show."""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.campaigns import voice_over
from support.clients import page
from support.event_log import EventLog, numbers_of
from support.http_transport import Script, Step, accepts, answers, code, hangs, raises
from support.pushes import entry, seal, text_of
from support.virtual_time import CancellingLoop, cancel_everywhere, run

from emay_voice_async import (
    AsyncEmayVoice,
    EmayVoiceError,
    InvalidRequestError,
    Notice,
    OnKey,
    RateLimit,
    RateLimits,
    Recipient,
    VerificationCode,
    VoiceSms,
)
from emay_voice_async.events import (
    BatchEnded,
    Event,
    ReportsTaken,
    RequestSent,
    SendEnded,
    log_fields,
)
from emay_voice_async.journal import SqliteJournal
from emay_voice_async.model.results import Accepted, Outcome, Refused, Unknown
from emay_voice_async.receiver import PushReceiver, RecentReports

LIMITS = RateLimits(send=RateLimit(2, 1.0), reports=RateLimit(2, 1.0), balance=RateLimit(2, 1.0))
STEPS: dict[str, Step] = {
    "accepted": accepts(after=0.3),
    "accepted late": accepts(after=40),
    "refused": code("ERROR_CONTENT_EMPTY", after=0.1),
    "no account": code("ERROR_SIGN"),
    "too fast": code("ERROR_OVER_SPEED", after=0.2),
    "unlisted": code("13812345678"),
    "no connection": raises(httpx.ConnectError("...")),
    "broken": raises(httpx.ReadError("..."), after=0.4),
    "page": answers(b"<html>", status=502),
    "404": answers(b"", status=404, after=0.1),
    "no answer": hangs,
    "fault": raises(RuntimeError("..."), after=0.1),
}
NAMES = {Accepted: "accepted", Refused: "refused", Unknown: "unknown"}


def name_of(outcome: Outcome) -> str:
    """Name an outcome as the events do."""
    return NAMES.get(type(outcome), "not_sent")


def numbers(count: int) -> list[str]:
    """Make numbers, of which every seventh is a duplicate."""
    return [f"138{place - (place % 7 == 6):08}" for place in range(count)]


@settings(deadline=None)
@given(
    steps=st.lists(st.sampled_from(sorted(STEPS)), min_size=1, max_size=8),
    count=st.integers(1, 9),
    concurrency=st.integers(1, 4),
    leave_after=st.none() | st.floats(0, 3),
    deadline=st.none() | st.floats(0.1, 50),
    traced=st.booleans(),
)
def test_every_request_and_number_ends_once(
    steps: list[str],
    count: int,
    concurrency: int,
    leave_after: float | None,
    deadline: float | None,
    traced: bool,
) -> None:
    """With any answers of the service, each attempt and request ends once, and each number is counted once.

    The caller is cancelled at any moment, or has a deadline.
    """
    log = EventLog()
    script = Script(*(STEPS[step] for step in steps), traced=traced, connecting=0.05)
    outcomes: list[Outcome] = []

    async def main() -> None:
        async with (
            script.client() as http_client,
            voice_over(
                script, http_client, rate_limits=LIMITS, max_concurrency=concurrency, on_event=log
            ) as voice,
        ):
            sending = asyncio.ensure_future(
                voice.send(
                    VerificationCode("4711"), numbers(count), deadline=deadline, on_outcome=outcomes.append
                )
            )
            await asyncio.wait([sending], timeout=leave_after)
            sending.cancel()
            with suppress(EmayVoiceError, asyncio.CancelledError):
                await sending
        stats = voice.stats
        assert stats.requests == len(log.of(RequestSent))
        [end] = log.of(SendEnded)
        assert (stats.accepted, stats.refused) == (end.accepted, end.refused)
        assert (stats.unknown, stats.not_sent) == (end.unknown, end.not_sent)

    run(main())
    log.check()
    assert sorted(name_of(one) for one in outcomes) == sorted(one.outcome for one in log.of(BatchEnded))
    if leave_after is None:
        assert numbers_of(log) == count


@pytest.mark.slow
@pytest.mark.parametrize("journal", [False, True], ids=["no journal", "journal"])
def test_cancelled_at_every_turn(journal: bool, tmp_path: Path) -> None:
    """A send that is cancelled at any turn of the event loop keeps the rules, with a retry on the way."""
    runs = 0

    def scenario() -> Callable[[CancellingLoop], Awaitable[None]]:
        nonlocal runs
        runs += 1
        log = EventLog()
        script = Script(code("ERROR_OVER_SPEED", after=0.1), accepts(after=0.1), traced=True, connecting=0.05)
        path = tmp_path / f"{runs}.db"

        async def main(loop: CancellingLoop) -> None:
            async with (
                script.client() as http_client,
                voice_over(script, http_client, rate_limits=LIMITS, on_event=log) as voice,
            ):
                options: Any = {"journal": SqliteJournal(path)} if journal else {}
                loop.victim = asyncio.ensure_future(
                    voice.send(VerificationCode("4711"), numbers(3), **options)
                )
                await asyncio.wait([loop.victim])
            log.check()
            assert voice.stats.requests == len(log.of(RequestSent))

        return main

    assert cancel_everywhere(scenario) > 20


SECRET, NUMBER, CODE, TEXT, CUSTOM = (
    "5ecretKey1234567",
    "13987654321",
    "739105",
    "hidden content",
    "order-4711",
)
FORBIDDEN = re.compile(rf"{SECRET}|{NUMBER}|{CODE}|{TEXT}|{CUSTOM}|message-id|secret-path")


async def everything(voice: AsyncEmayVoice, receiver: PushReceiver) -> None:
    """Make every kind of call, with markers in all values that must stay hidden."""
    to: list[str | Recipient] = [Recipient(NUMBER, CUSTOM), Recipient(NUMBER, f"{CUSTOM}-2"), NUMBER + "0"]
    for message in (
        Notice(TEXT),
        VerificationCode(CODE),
        VoiceSms(TEXT, trigger=OnKey("1"), sms_content=TEXT),
    ):
        with suppress(EmayVoiceError):
            await voice.send(message, iter(to))
    for _ in range(2):
        with suppress(EmayVoiceError):
            await voice.get_balance()
        with suppress(EmayVoiceError):
            await voice.take_reports()
    body = text_of(entry("message-id", mobile=NUMBER, customVoiceId=CUSTOM), NUMBER)
    for key in (SECRET, "fedcba0987654321"):
        await receiver.handle("POST", "/secret-path", {"appId": "app"}, seal(body, key), "203.0.113.9")


@pytest.mark.parametrize("step", [*sorted(STEPS), "reports"])
def test_no_secret_and_no_number(step: str, caplog: pytest.LogCaptureFixture) -> None:
    """No event and no log record shows a number, a custom id, a message id, content, a code, a path or a secret."""
    caplog.set_level(logging.DEBUG, "emay_voice_async")
    log = EventLog()
    reports = answers({"code": "SUCCESS", "data": [entry("message-id", mobile=NUMBER), 7]})
    script = Script(STEPS.get(step, reports), STEPS.get(step, reports), accepts())

    async def fail(_: object) -> None:
        raise ValueError("...")

    async def main() -> None:
        receiver = PushReceiver({"app": SECRET}, fail, on_event=log, deduplicate=RecentReports())
        async with (
            script.client() as http_client,
            voice_over(script, http_client, secret_key=SECRET, rate_limits=LIMITS, on_event=log) as voice,
        ):
            await everything(voice, receiver)

    run(main())
    log.check()
    assert len(log) > 15
    for event in log:
        assert not FORBIDDEN.search(f"{event!r} {event} {log_fields(event)}")
    for record in caplog.records:
        assert not FORBIDDEN.search(repr(record.__dict__)), record.__dict__


def test_reports_taken() -> None:
    """A getReport has an event with the counts by state, with the id of its request, also when it comes late."""
    log = EventLog()
    data = [
        *({"voiceId": str(one), "customVoiceId": f"c{one}", "state": "SUCCESS"} for one in range(3)),
        {"voiceId": "4", "state": "TIMEOUT"},
        7,
    ]
    script = Script(answers({"code": "SUCCESS", "data": data}), answers(page("9"), after=40))

    async def main() -> None:
        async with script.client() as http_client, voice_over(script, http_client, on_event=log) as voice:
            waiting = asyncio.ensure_future(voice.wait_for_report("c2", timeout=5))
            await waiting
            assert len(await voice.take_reports()) == 3
            with pytest.raises(EmayVoiceError) as caught:
                await voice.take_reports()
            assert caught.value.request_id == log.of(RequestSent)[1].request_id

    run(main())
    log.check()
    first, late = log.of(ReportsTaken)
    assert (first.reports, first.broken) == (4, 1)
    assert {state.name: number for state, number in first.states.items()} == {"SUCCESS": 3, "TIMEOUT": 1}
    assert [first.request_id, late.request_id] == [one.request_id for one in log.of(RequestSent)]
    assert log.names()[-2:] == ["ReportsTaken", "LateAnswer"]


def test_a_failing_handler_costs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """With a handler that raises for every event, the outcomes are the same, and each kind is logged once."""
    kinds: set[str] = set()

    def failing(event: Event) -> None:
        kinds.add(type(event).__name__)
        raise RuntimeError("mine")

    script = Script(code("ERROR_OVER_SPEED"), accepts())

    async def main() -> None:
        async with script.client() as http_client, voice_over(script, http_client, on_event=failing) as voice:
            result = await voice.send(VerificationCode("4711"), numbers(6))
            assert len(result.tickets) == 6

    run(main())
    assert len(kinds) == 7
    failed = [record for record in caplog.records if "a handler of events failed" in record.message]
    assert {record.__dict__["emay_event"] for record in failed} == kinds
    assert len(failed) == len(kinds)


def test_one_client_one_prefix() -> None:
    """The handler of two clients can tell their requests apart."""
    log = EventLog()

    async def main() -> None:
        for _ in range(2):
            script = Script(accepts())
            async with script.client() as http_client, voice_over(script, http_client, on_event=log) as voice:
                await voice.send(Notice("..."), numbers(2))

    run(main())
    log.check()
    assert len({event.request_id.partition("-")[0] for event in log}) == 2


def test_refused_when_the_client_is_made() -> None:
    """An async function, or no function, is refused with a sentence."""

    async def on_event(event: Event) -> None: ...

    for handler, sentence in (
        (on_event, "on_event: must be a plain function, not an async one"),
        ("print", r"on_event: must be a function of one argument, the event \(found str\)"),
    ):
        with pytest.raises(InvalidRequestError, match=sentence):
            AsyncEmayVoice("http://service", app_id="app", secret_key="secret", on_event=handler)  # type: ignore[arg-type]


def test_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """``from_env`` takes the handler, too."""
    for name in ("BASE_URL", "APP_ID", "SECRET_KEY"):
        monkeypatch.setenv(f"EMAY_VOICE_{name}", "http://service")
    log = EventLog()
    assert AsyncEmayVoice.from_env(on_event=log).event_handlers.active
    assert AsyncEmayVoice.from_env().base_url == "http://service"
