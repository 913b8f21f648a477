"""Sends of a client: argument checks, and a result or an error with every outcome."""

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from support.http_transport import Script, accepts, code, raises
from support.send_scenarios import MESSAGES, mobiles, sent, stream_of, with_voice
from support.virtual_time import now

from emay_voice_async import (
    Accepted,
    AsyncEmayVoice,
    InvalidRequestError,
    Notice,
    NotSent,
    RateLimit,
    RateLimits,
    Recipient,
    Refused,
    SendError,
    SendResult,
    Unknown,
)
from emay_voice_async.errors import DuplicateError
from emay_voice_async.model.messages import Message


class TestSend:
    """``send``: a complete result, or a SendError with every outcome."""

    @pytest.mark.slow
    @pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
    @pytest.mark.parametrize("number", [1, 499, 500, 501, 1234])
    def test_each_number_once_in_order(self, message: Message, number: int) -> None:
        """Each number is sent once, in batches of the message's size, and the tickets are in input order."""
        script = Script(accepts())
        result: SendResult = with_voice(script, lambda voice: voice.send(message, mobiles(number)))
        size = message.endpoint.max_batch
        assert [len(batch) for batch in sent(script)] == [size] * (number // size) + (
            [number % size] if number % size else []
        )
        assert sorted(mobile for batch in sent(script) for mobile in batch) == mobiles(number)
        assert [ticket.mobile for ticket in result.tickets] == mobiles(number)
        assert [ticket.message_id for ticket in result.tickets] == [
            f"id-{ticket.custom_id}" for ticket in result.tickets
        ]
        assert len({ticket.custom_id for ticket in result.tickets}) == number
        assert [outcome.index for outcome in result.outcomes] == list(range(len(sent(script))))

    @pytest.mark.parametrize(
        "to",
        [
            "13800000000",
            Recipient("13800000000", "mine"),
            ["13800000000"],
            ("13800000000",),
            {"13800000000"},
            iter(["13800000000"]),
            stream_of(["13800000000"]),
        ],
        ids=lambda to: type(to).__name__,
    )
    def test_every_kind_of_input(self, to: Any) -> None:
        """A number, a recipient, any collection, any iterator and any async iterator can be sent to."""
        result = with_voice(Script(accepts()), lambda voice: voice.send(Notice("..."), to))
        [ticket] = result.tickets
        assert ticket.mobile == "13800000000"
        assert ticket.custom_id == "mine" if isinstance(to, Recipient) else ticket.custom_id

    @pytest.mark.parametrize("to", [[], (), iter([]), stream_of([])], ids=lambda to: type(to).__name__)
    def test_an_empty_input(self, to: Any) -> None:
        """An empty list is an empty result, without a request."""
        script = Script(accepts())
        assert with_voice(script, lambda voice: voice.send(Notice("..."), to)) == SendResult()
        assert not script.requests

    def test_the_same_number_twice(self) -> None:
        """A number that is given twice is called once, and twice with ``allow_duplicates``."""
        to: list[Any] = ["13800000000", "13800000001", Recipient("13800000000", "again")]
        script = Script(accepts())
        result = with_voice(script, lambda voice: voice.send(Notice("..."), to))
        assert [ticket.mobile for ticket in result.tickets] == to[:2]
        [outcome] = result.not_sent
        assert isinstance(outcome.error, DuplicateError)
        assert outcome.error.position == 2
        assert sent(script) == [to[:2]]
        twice = with_voice(
            Script(accepts()), lambda voice: voice.send(Notice("..."), to, allow_duplicates=True)
        )
        assert len({ticket.message_id for ticket in twice.tickets}) == 3

    @pytest.mark.slow
    @pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
    @pytest.mark.parametrize("source", [list, iter, stream_of])
    def test_each_number_is_called_once(self, message: Message, source: Any) -> None:
        """Duplicates in a list or a stream, near or far, are called once."""
        to = [*mobiles(700), *mobiles(1200), "13800000005"]
        script = Script(accepts())
        result = with_voice(script, lambda voice: voice.send(message, source(to)))
        assert sorted(mobile for batch in sent(script) for mobile in batch) == mobiles(1200)
        assert sum(len(outcome.recipients) for outcome in result.not_sent) == 701
        assert {type(outcome.error) for outcome in result.not_sent} == {DuplicateError}

    @pytest.mark.parametrize(
        "to",
        [None, 13800000000, b"13800000000", bytearray(b"1"), [13800000000], [None], {"13800000000": "a"}],
    )
    def test_other_types(self, to: Any) -> None:
        """An input that is neither a number nor an iterable of numbers is refused before a request is sent."""
        script = Script(accepts())
        with pytest.raises(InvalidRequestError):
            with_voice(script, lambda voice: voice.send(Notice("..."), to))
        assert not script.requests

    @pytest.mark.parametrize("message", ["...", None, Notice])
    def test_other_messages(self, message: Any) -> None:
        """Only the four kinds of message can be sent."""
        with pytest.raises(InvalidRequestError, match="message"):
            with_voice(Script(accepts()), lambda voice: voice.send(message, "13800000000"))

    @pytest.mark.parametrize("place", [0, 499, 500, 1233])
    @pytest.mark.parametrize(
        ("bad", "field"),
        [
            ("1380000000", "mobile"),
            ("138000000001", "mobile"),
            ("23800000000", "mobile"),
            ("1380000000١", "mobile"),
            ("13800000000\n", "mobile"),
            (Recipient("13800000000", "i" * 65), "custom_id"),
            (Recipient("13800000000", "a,b"), "custom_id"),
            (Recipient("13800000000", ""), "custom_id"),
            (Recipient("13800000000", "again"), "custom_id"),
        ],
    )
    def test_a_bad_entry_of_a_list(self, place: int, bad: Any, field: str) -> None:
        """An invalid entry anywhere in a sized list raises with the position, and no request is sent."""
        script = Script(accepts())
        to: list[Any] = [*mobiles(1234), Recipient("13900000000", "again")]
        to[place] = bad
        with pytest.raises(InvalidRequestError) as caught:
            with_voice(script, lambda voice: voice.send(Notice("..."), to))
        repeated = isinstance(bad, Recipient) and bad.custom_id == "again"
        assert (caught.value.field, caught.value.position) == (field, 1234 if repeated else place)
        assert "1380000000" not in str(caught.value)
        assert not script.requests

    def test_a_list_that_changes_meanwhile(self) -> None:
        """The list is sent as checked, even if the list changes afterwards."""
        script = Script(accepts(after=1))
        to = mobiles(1000)

        async def main(voice: AsyncEmayVoice) -> SendResult:
            sending = asyncio.ensure_future(voice.send(Notice("..."), to))
            await asyncio.sleep(0.5)
            to.clear()
            return await sending

        assert len(with_voice(script, main, max_concurrency=1).tickets) == 1000

    def test_some_batch_is_not_accepted(self) -> None:
        """The SendError holds the outcome of each batch, with the tickets of accepted batches."""
        script = Script(accepts(), code("ERROR_LONG_CONTENT"), raises(httpx.ReadError("...")), accepts())
        with pytest.raises(SendError) as caught:
            with_voice(script, lambda voice: voice.send(Notice("..."), mobiles(2000)), max_concurrency=1)
        result = caught.value.result
        assert [type(outcome) for outcome in result.outcomes] == [Accepted, Refused, Unknown, Accepted]
        assert [ticket.mobile for ticket in result.tickets] == mobiles(500) + mobiles(500, 1500)
        assert [one.mobile for one in result.unknown[0].recipients] == mobiles(500, 1000)
        assert all(one.custom_id for one in result.unknown[0].recipients)
        assert caught.value.__cause__ is result.refused[0].error
        assert str(caught.value) == (
            "accepted: 1000 numbers in 2 batches, refused: 500 numbers in 1 batch,"
            " unknown: 500 numbers in 1 batch; ERROR_LONG_CONTENT 语音内容过长"
        )

    def test_the_source_fails(self) -> None:
        """An error of the source comes after the outcomes of all earlier entries."""
        script = Script(accepts(after=1))

        def rows() -> Iterator[str]:
            yield from mobiles(600)
            raise OSError("the file is gone")

        with pytest.raises(SendError) as caught:
            with_voice(script, lambda voice: voice.send(Notice("..."), rows()))
        assert [ticket.mobile for ticket in caught.value.result.tickets] == mobiles(600)
        assert isinstance(caught.value.__cause__, OSError)

    def test_the_source_fails_at_once(self) -> None:
        """An error of the source before the first request is raised unchanged."""

        def rows() -> Iterator[str]:
            raise OSError("no such file")
            yield ""

        with pytest.raises(OSError, match="no such file"):
            with_voice(Script(accepts()), lambda voice: voice.send(Notice("..."), rows()))

    def test_outcomes_are_handed_out_as_they_happen(self) -> None:
        """``on_outcome`` gets each outcome at once, in the order in which they end."""
        script = Script(accepts(), accepts(after=2), accepts(after=1), accepts(after=3))
        seen: list[tuple[int, float]] = []

        async def main(voice: AsyncEmayVoice) -> None:
            began = now()
            await voice.send(
                Notice("..."),
                mobiles(2000),
                on_outcome=lambda outcome: seen.append((outcome.index, now() - began)),
            )

        with_voice(script, main)
        assert seen == [(0, 0.0), (2, 1.0), (1, 2.0), (3, 3.0)]

    @pytest.mark.parametrize("error", [ZeroDivisionError(), asyncio.CancelledError()], ids=repr)
    def test_a_callback_that_fails(self, error: BaseException, caplog: pytest.LogCaptureFixture) -> None:
        """A failing ``on_outcome`` is logged, and the result is complete all the same."""

        def fail(_: object) -> None:
            raise error

        result = with_voice(
            Script(accepts()), lambda voice: voice.send(Notice("..."), mobiles(501), on_outcome=fail)
        )
        assert len(result.tickets) == 501
        assert caplog.text.count("on_outcome failed") == 2

    def test_cancelling_loses_no_outcome(self) -> None:
        """After a cancellation ``on_outcome`` still gets the outcome of each batch that was read."""
        script = Script(accepts(after=2))
        seen: list[Any] = []

        async def main(voice: AsyncEmayVoice) -> None:
            task = asyncio.ensure_future(voice.send(Notice("..."), mobiles(2000), on_outcome=seen.append))
            await asyncio.sleep(3.5)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        with_voice(script, main, limits=RateLimits(send=RateLimit(2, 60.0)))
        assert sorted((one.index, type(one)) for one in seen if isinstance(one, Accepted)) == [
            (0, Accepted),
            (1, Accepted),
        ]
        assert {one.index for one in seen if isinstance(one, NotSent)} == {2, 3}
        assert len(script.requests) == 2

    def test_the_deadline(self) -> None:
        """At the deadline: answered batches are accepted, batches in flight unknown, waiting batches not sent."""
        script = Script(accepts(after=1), accepts(after=1), accepts(after=100))
        with pytest.raises(SendError) as caught:
            with_voice(
                script,
                lambda voice: voice.send(Notice("..."), mobiles(5 * 500), deadline=4),
                limits=RateLimits(send=RateLimit(1, 0.5)),
            )
        kinds = [type(outcome) for outcome in caught.value.result.outcomes]
        assert kinds == [Accepted, Accepted, Unknown, NotSent, NotSent]

    def test_an_async_callback(self) -> None:
        """An async function as ``on_outcome`` is refused at once."""

        async def on_outcome(_: object) -> None:
            pytest.fail("it is not called")

        with pytest.raises(InvalidRequestError, match="on_outcome"):
            with_voice(
                Script(accepts()),
                lambda voice: voice.send(Notice("..."), "13800000000", on_outcome=on_outcome),
            )
