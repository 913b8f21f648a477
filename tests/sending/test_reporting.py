"""What happens to a send and its batches, as events."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Any

import pytest
from support.event_log import EventLog, numbers_of
from support.http_transport import Script, accepts, code, hangs
from support.send_scenarios import mobiles, stream_of, with_voice
from support.virtual_time import VirtualLoop

from emay_voice_async import AsyncEmayVoice, Notice, SendError, VerificationCode
from emay_voice_async.errors import JournalError
from emay_voice_async.events import BatchEnded, RequestSent, SendEnded, SendStarted
from emay_voice_async.journal import SqliteJournal
from emay_voice_async.model.endpoints import Product

NOTICE = Notice("...")


def counts(end: SendEnded) -> tuple[int, int, int, int]:
    """Return the numbers by outcome."""
    return end.accepted, end.refused, end.unknown, end.not_sent


def sent(script: Script, to: Any, message: Any = NOTICE, concurrency: int = 16, **options: Any) -> EventLog:
    """Send; return the events, which must keep the rules."""
    log = EventLog()

    async def main(voice: AsyncEmayVoice) -> None:
        with suppress(SendError):
            await voice.send(message, to, **options)

    with_voice(script, main, on_event=log, max_concurrency=concurrency)
    log.check()
    return log


def test_an_accepted_send() -> None:
    """A send of three batches: exact counts and seconds; requests have the ids of their batches."""
    log = sent(Script(accepts(after=0.5)), mobiles(1200))
    start, end = log[0], log[-1]
    send_id = start.request_id
    assert start == SendStarted(request_id=send_id, path="/voice/send", product=Product.VOICE, numbers=1200)
    assert end == SendEnded(
        request_id=send_id,
        path="/voice/send",
        product=Product.VOICE,
        accepted=1200,
        refused=0,
        unknown=0,
        not_sent=0,
        error="",
        seconds=1.0,
    )
    assert log.of(BatchEnded) == [
        BatchEnded(
            request_id=f"{send_id}.{index}",
            send_id=send_id,
            path="/voice/send",
            product=Product.VOICE,
            numbers=numbers,
            outcome="accepted",
            code="",
            error="",
            recorded=False,
            seconds=seconds,
        )
        for index, numbers, seconds in [(0, 500, 0.5), (1, 500, 1.0), (2, 200, 1.0)]
    ]
    assert [(one.request_id, one.send_id, one.numbers) for one in log.of(RequestSent)] == [
        (f"{send_id}.{index}", send_id, numbers) for index, numbers in enumerate((500, 500, 200))
    ]


def test_a_refused_send() -> None:
    """A refusal that stops the run: one batch is refused with its code, the others are not sent."""
    log = sent(Script(code("ERROR_SIGN")), mobiles(1200), concurrency=1)
    assert sorted((one.outcome, one.code, one.error) for one in log.of(BatchEnded)) == [
        ("not_sent", "", "NotSentError"),
        ("not_sent", "", "NotSentError"),
        ("refused", "ERROR_SIGN", "AccountError"),
    ]
    assert counts(log[-1]) == (0, 500, 0, 700)  # type: ignore[arg-type]
    assert len(log.of(RequestSent)) == 1


def test_an_unknown_send() -> None:
    """A send without an answer: its end comes with the outcome, before the late end of the request."""
    log = sent(Script(hangs), mobiles(2))
    assert counts(log.of(SendEnded)[0]) == (0, 0, 2, 0)
    assert log.of(SendEnded)[0].seconds == 30
    assert log.names()[-2:] == ["SendEnded", "LateAnswer"]


def test_duplicates_and_streams() -> None:
    """Entries that are not sent to are batches of their own; the length of a stream is not known."""
    to = [*mobiles(3), mobiles(1)[0], "no number"]
    log = sent(Script(accepts()), stream_of(to))
    assert isinstance(log[0], SendStarted)
    assert log[0].numbers is None
    assert sorted((one.numbers, one.outcome, one.error) for one in log.of(BatchEnded)) == [
        (1, "not_sent", "DuplicateError"),
        (1, "not_sent", "InvalidRequestError"),
        (3, "accepted", ""),
    ]


def test_leaving_early() -> None:
    """When the loop is left, the batch in flight goes on, and the send ends with it."""
    log = EventLog()
    left_at = []

    async def main(voice: AsyncEmayVoice) -> None:
        async with aclosing(voice.send_batches(VerificationCode("1234"), mobiles(40))) as outcomes:
            async for _ in outcomes:
                break
        left_at.append(len(log.of(SendEnded)))

    with_voice(Script(accepts(after=0.5)), main, on_event=log, max_concurrency=4)
    log.check()
    assert left_at == [0]
    assert isinstance(log[-1], SendEnded)
    # The batches that were not read have no outcome and no event.
    assert 4 <= numbers_of(log) < 12


def test_a_failing_input() -> None:
    """The error of the input is named."""

    async def failing() -> AsyncIterator[str]:
        yield mobiles(1)[0]
        raise OSError("13800000000")

    log = sent(Script(accepts()), failing())
    assert log.of(SendEnded)[0].error == "OSError"
    assert "138" not in repr(log)


def test_a_journal_that_cannot_be_used(tmp_path: Path) -> None:
    """A send that fails at once has a start and an end."""
    log = EventLog()

    async def main(voice: AsyncEmayVoice) -> None:
        with pytest.raises(JournalError):
            await voice.send(NOTICE, mobiles(2), journal=SqliteJournal(tmp_path))

    with_voice(Script(accepts()), main, on_event=log)
    log.check()
    assert log.names() == ["SendStarted", "SendEnded"]
    assert log.of(SendEnded)[0].error == "JournalError"


def test_outcomes_of_a_journal(tmp_path: Path) -> None:
    """Outcomes of an earlier run are marked."""
    path = tmp_path / "run.db"
    first = sent(Script(accepts()), mobiles(2), journal=SqliteJournal(path))
    assert [one.recorded for one in first.of(BatchEnded)] == [False]
    second = sent(Script(accepts()), mobiles(3), journal=SqliteJournal(path))
    assert sorted((one.recorded, one.numbers) for one in second.of(BatchEnded)) == [(False, 1), (True, 2)]
    assert counts(second[-1]) == (3, 0, 0, 0)  # type: ignore[arg-type]


def test_a_batch_that_never_began() -> None:
    """A batch whose task is cancelled from outside before it begins ends as not sent, and the send ends, too."""
    log = EventLog()
    script = Script(accepts())

    def cancelling(loop: asyncio.AbstractEventLoop, main: Any, **options: Any) -> asyncio.Task[Any]:
        task = asyncio.Task(main, loop=loop, **options)
        if "_finish" in repr(main):
            task.cancel()
        return task

    async def main() -> None:
        async with script.client() as http_client:
            voice = AsyncEmayVoice(
                "http://service", app_id="app", secret_key="secret", http_client=http_client, on_event=log
            )
            asyncio.get_running_loop().set_task_factory(cancelling)
            with pytest.raises(asyncio.CancelledError):
                await voice.send(NOTICE, mobiles(2))

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(main())
    assert not script.requests
    assert log.names() == ["SendStarted", "BatchEnded", "SendEnded"]
    assert [one.outcome for one in log.of(BatchEnded)] == ["not_sent"]


@pytest.mark.parametrize(
    ("moment", "expected"), [("SendStarted", []), ("SlotWaited", ["not_sent"]), ("RequestSent", ["unknown"])]
)
def test_a_torn_down_loop(moment: str, expected: list[str], tmp_path: Path) -> None:
    """A batch whose task is cancelled from outside ends, too: as unknown if its request may have been in flight."""
    log = EventLog()
    script = Script(hangs)

    async def main() -> None:
        async with script.client() as http_client:
            voice = AsyncEmayVoice(
                "http://service", app_id="app", secret_key="secret", http_client=http_client, on_event=log
            )
            journal = SqliteJournal(tmp_path / "run.db")
            stream = voice.send_batches(NOTICE, stream_of(mobiles(2)), journal=journal)
            waiting = asyncio.ensure_future(anext(stream))
            while moment not in log.names():
                await asyncio.sleep(0)
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
            await stream.aclose()
            await asyncio.sleep(100)

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(main())
    found = log.of(BatchEnded)
    assert [one.outcome for one in found] == expected
    assert all(one.error == "CancelledError" for one in found)
    assert log.names().count("SendEnded") == 1
