"""The reports of one client: no report that arrived is lost."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import aclosing
from typing import Any

import httpx
import pytest
from support.clients import ids, in_real_time, page, with_voice
from support.http_transport import Script, Step, answers, code, fields_of, raises
from support.virtual_time import CancellingLoop, cancel_everywhere, now

from emay_voice_async import (
    AccountError,
    AnswerError,
    AsyncEmayVoice,
    InvalidRequestError,
    NotSentError,
    OutcomeUnknownError,
    OverSpeedError,
    Product,
    Recipient,
    Report,
    ReportTimeoutError,
    Ticket,
    Unknown,
)
from emay_voice_async.errors import UsageError


class TestTake:
    """``take_reports``."""

    @pytest.mark.parametrize("product", list(Product))
    def test_what_one_answer_brings(self, product: Product) -> None:
        """``take_reports`` returns the reports of one getReport of the product, in order."""
        script = Script(answers(page("1", "2", "3", product=product)))
        reports = with_voice(script, lambda voice: voice.take_reports(3, product=product))
        assert ids(reports) == ["1", "2", "3"]
        assert {report.product for report in reports} == {product}
        [request] = script.requests
        assert request.url.path == f"/{product.value}/getReport"
        assert fields_of(request)["number"] == "3"

    def test_none(self) -> None:
        """No reports at this moment: an empty list."""
        assert with_voice(Script(answers(page())), lambda voice: voice.take_reports()) == []

    @pytest.mark.parametrize("number", [0, -1, 1001, 1.5, True, "200", None])
    def test_a_number_outside(self, number: Any) -> None:
        """A number outside 1 to 1000 is refused before anything is asked."""
        script = Script(answers(page()))
        with pytest.raises(InvalidRequestError) as caught:
            with_voice(script, lambda voice: voice.take_reports(number))
        assert caught.value.field == "number"
        assert "1 to 1000" in str(caught.value)
        assert not script.requests

    def test_more_than_asked_for(self) -> None:
        """Should the service hand out more than was asked for, the rest is kept for the next call."""
        script = Script(answers(page("1", "2", "3")))

        async def main(voice: AsyncEmayVoice) -> None:
            assert ids(await voice.take_reports(2)) == ["1", "2"]
            assert ids(voice.undelivered_reports) == ["3"]
            assert ids(await voice.take_reports(2)) == ["3"]
            assert len(script.requests) == 1

        with_voice(script, main)

    def test_a_broken_report(self) -> None:
        """An unreadable report is kept in ``broken_reports`` with the reason; the others are returned."""
        document = page("1", "2", "3")
        document["data"][1]["voiceSign"] = "not base64!"  # type: ignore[index]

        async def main(voice: AsyncEmayVoice) -> None:
            assert ids(await voice.take_reports()) == ["1", "3"]
            [(raw, reason)] = voice.broken_reports
            assert raw["voiceId"] == "2"
            assert reason

        with_voice(Script(answers(document)), main)

    def test_cancelled_after_the_service_removed_them(self) -> None:
        """The reports of a cancelled call are returned by the next call, before new reports."""
        script = Script(answers(page("1", "2"), after=2), answers(page("3")))

        async def main(voice: AsyncEmayVoice) -> None:
            task = asyncio.ensure_future(voice.take_reports())
            await asyncio.sleep(1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await asyncio.sleep(2)
            assert ids(voice.undelivered_reports) == ["1", "2"]
            assert ids(await voice.take_reports()) == ["1", "2"]
            assert voice.undelivered_reports == ()

        with_voice(script, main)

    def test_an_unreadable_answer_is_kept_whole(self) -> None:
        """The error of an unreadable answer holds the whole body."""
        with pytest.raises(AnswerError) as caught:
            with_voice(Script(answers(b'{"code":"SUCCESS","data":[{')), lambda voice: voice.take_reports())
        assert caught.value.body == b'{"code":"SUCCESS","data":[{'

    def test_one_call_takes_all_reports_of_a_shared_request(self) -> None:
        """An empty list means that the service has no reports, never that another call took them."""
        script = Script(answers(page("1"), after=1), answers(page("2"), after=1), answers(page()))

        async def main(voice: AsyncEmayVoice) -> None:
            first, second = await asyncio.gather(voice.take_reports(1), voice.take_reports(200))
            assert (ids(first), ids(second)) == (["1"], ["2"])

        with_voice(script, main)


class TestStream:
    """``reports``."""

    def test_until_drained(self) -> None:
        """The stream asks for 1,000 at a time and ends after an empty answer."""
        script = Script(answers(page("1", "2")), answers(page("3")), answers(page()))

        async def main(voice: AsyncEmayVoice) -> None:
            assert [report.message_id async for report in voice.reports()] == ["1", "2", "3"]

        with_voice(script, main)
        assert [fields_of(request)["number"] for request in script.requests] == ["1000"] * 3

    def test_following(self) -> None:
        """With ``follow`` the stream asks at once after reports, and after a pause without reports."""
        script = Script(
            answers(page("1")), answers(page()), answers(page()), answers(page("2")), answers(page())
        )

        async def main(voice: AsyncEmayVoice) -> None:
            times = {}
            began = now()
            async with aclosing(voice.reports(follow=True, poll_interval=10)) as reports:
                async for report in reports:
                    times[report.message_id] = now() - began
                    if report.message_id == "2":
                        break
            assert times["1"] == 0
            assert 16 <= times["2"] <= 24

        with_voice(script, main)

    @pytest.mark.parametrize(
        "moment", [raises(httpx.ConnectError("...")), code("ERROR_OVER_SPEED")], ids=["connection", "speed"]
    )
    def test_following_survives_transient_errors(self, moment: Step) -> None:
        """After an error that removed no reports following goes on; without ``follow`` the error is raised."""
        bad = [moment] * 20

        async def follow(voice: AsyncEmayVoice) -> None:
            async for report in voice.reports(follow=True, poll_interval=10):
                assert report.message_id == "1"
                break

        with_voice(Script(*bad, answers(page("1"))), follow)

        async def once(voice: AsyncEmayVoice) -> None:
            async for _ in voice.reports():
                pytest.fail("nothing can come")

        with pytest.raises((NotSentError, OverSpeedError)):
            with_voice(Script(moment), once)

    def test_following_tells_of_a_possible_loss(self) -> None:
        """Where reports may have been removed, the error comes out; a new loop goes on."""
        script = Script(raises(httpx.ReadError("...")), answers(page("1")), answers(page()))

        async def main(voice: AsyncEmayVoice) -> None:
            with pytest.raises(OutcomeUnknownError):
                async for _ in voice.reports(follow=True):
                    pytest.fail("nothing can come")
            assert [report.message_id async for report in voice.reports()] == ["1"]

        with_voice(script, main)

    def test_following_until_a_deadline(self) -> None:
        """At the deadline following ends, in the pause as well as before another question."""

        async def main(voice: AsyncEmayVoice) -> None:
            began = now()
            got = [one async for one in voice.reports(follow=True, poll_interval=4, deadline=30)]
            assert ids(got) == ["1"]
            assert now() - began == 30

        with_voice(Script(answers(page("1")), answers(page())), main)

    def test_a_deadline_in_a_long_pause(self) -> None:
        """The deadline ends a pause that is longer than the time left."""

        async def main(voice: AsyncEmayVoice) -> None:
            began = now()
            assert [one async for one in voice.reports(follow=True, poll_interval=100, deadline=30)] == []
            assert now() - began == 30

        with_voice(Script(answers(page(), after=2)), main)

    def test_a_deadline_while_the_answer_is_awaited(self) -> None:
        """A deadline during a request raises OutcomeUnknownError; late reports go to the next stream."""

        async def main(voice: AsyncEmayVoice) -> None:
            began = now()
            with pytest.raises(OutcomeUnknownError):
                await anext(voice.reports(deadline=3))
            assert now() - began == 3
            assert (await anext(voice.reports())).message_id == "1"

        with_voice(Script(answers(page("1"), after=5)), main)

    def test_two_consumers(self) -> None:
        """Two streams at the same time share the reports: each report goes to one stream."""
        pages = [answers(page(*(f"{one}-{two}" for two in range(50))), after=0.1) for one in range(4)]
        script = Script(*pages, answers(page()))

        async def main(voice: AsyncEmayVoice) -> None:
            async def consume() -> list[str]:
                got = []
                async for report in voice.reports():
                    got.append(report.message_id)
                    await asyncio.sleep(0.001)
                return got

            one, other = await asyncio.gather(consume(), consume())
            assert one
            assert other
            assert sorted(one + other) == sorted(f"{a}-{b}" for a in range(4) for b in range(50))

        with_voice(script, main)

    @pytest.mark.parametrize("leave", ["break", "raise", "cancel", "timeout", "aclose"])
    def test_leaving_in_the_middle(self, leave: str) -> None:
        """After any way of leaving a loop, the next loop gets the remaining reports in order."""
        script = Script(answers(page("1", "2", "3", "4")), answers(page()))

        async def main(voice: AsyncEmayVoice) -> None:
            async def consume() -> None:
                async with aclosing(voice.reports()) as reports:
                    async for report in reports:
                        if report.message_id != "2":
                            continue
                        if leave == "break":
                            break
                        if leave == "raise":
                            raise ZeroDivisionError
                        if leave == "aclose":
                            await voice.aclose()
                            break
                        await asyncio.sleep(3600)

            task = asyncio.ensure_future(consume())
            if leave == "timeout":
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(task, 5)
            else:
                await asyncio.sleep(1)
                if leave == "cancel":
                    task.cancel()
                await asyncio.wait([task])
                task.cancelled() or task.exception()
            assert ids(voice.undelivered_reports) == ["3", "4"]
            if leave != "aclose":
                assert [report.message_id async for report in voice.reports()] == ["3", "4"]

        with_voice(script, main)

    def test_giving_back_what_could_not_be_kept(self) -> None:
        """An error that is thrown into the stream puts the last report back in front."""
        script = Script(answers(page("1", "2", "3")), answers(page()))

        async def main(voice: AsyncEmayVoice) -> None:
            stream = voice.reports()
            assert [(await anext(stream)).message_id, (await anext(stream)).message_id] == ["1", "2"]
            with pytest.raises(OSError, match="full"):
                await stream.athrow(OSError("the disk is full"))
            assert ids(voice.undelivered_reports) == ["2", "3"]
            assert [report.message_id async for report in voice.reports()] == ["2", "3"]

        with_voice(script, main)

    def test_what_comes_by_another_way_while_it_asks(self) -> None:
        """A stream yields reports that were fed during its last request before it ends."""

        async def main(voice: AsyncEmayVoice) -> None:
            asyncio.get_running_loop().call_later(1, voice.feed, [Report(Product.VOICE, message_id="1")])
            assert [report.message_id async for report in voice.reports()] == ["1"]

        with_voice(Script(answers(page(), after=2)), main)

    def test_giving_back_while_another_loop_is_in_the_same_answer(self) -> None:
        """A report that one stream puts back is the next report of another running stream."""
        script = Script(answers(page("1", "2", "3", "4")), answers(page()))

        async def main(voice: AsyncEmayVoice) -> None:
            one, other = voice.reports(), voice.reports()
            assert [(await anext(each)).message_id for each in (one, other, one)] == ["1", "2", "3"]
            with pytest.raises(OSError, match="full"):
                await one.athrow(OSError("the disk is full"))
            assert [report.message_id async for report in other] == ["3", "4"]

        with_voice(script, main)

    @pytest.mark.parametrize("found", ["3", "4"])
    def test_searching_in_the_middle(self, found: str) -> None:
        """An awaited report is taken out of the page that a stream is reading; the stream yields the others."""
        script = Script(answers(page("1", "2", "3", "4")), answers(page()))

        async def main(voice: AsyncEmayVoice) -> None:
            async with aclosing(voice.reports()) as stream:
                assert ids([await anext(stream), await anext(stream)]) == ["1", "2"]
                assert (await voice.wait_for_report(Ticket("", found, ""), poll=False)).message_id == found
                voice.feed([Report(Product.VOICE, message_id="5")])
                left = [one for one in ("3", "4", "5") if one != found]
                assert ids(voice.undelivered_reports) == left
                assert [report.message_id async for report in stream] == left

        with_voice(script, main)

    def test_a_bad_interval(self) -> None:
        """The interval is a finite number of seconds above 0."""

        async def main(voice: AsyncEmayVoice) -> None:
            with pytest.raises(InvalidRequestError, match="poll_interval"):
                voice.reports(poll_interval=0)

        with_voice(Script(answers(page())), main)

    def test_closing_ends_following(self) -> None:
        """A loop that waits for news ends with an error when the client is closed."""

        async def main(voice: AsyncEmayVoice) -> None:
            async def consume() -> None:
                async for _ in voice.reports(follow=True, poll_interval=3600):
                    pytest.fail("nothing can come")

            task = asyncio.ensure_future(consume())
            await asyncio.sleep(1)
            await voice.aclose()
            with pytest.raises(UsageError, match="closed"):
                await task

        with_voice(Script(answers(page())), main)


class TestWait:
    """``wait_for_report``, ``settle`` and ``feed``."""

    def test_the_report_of_one_call(self) -> None:
        """The awaited report is returned when it arrives; the others are stored."""
        script = Script(answers(page("1")), answers(page()), answers(page("2", "3")), answers(page()))

        async def main(voice: AsyncEmayVoice) -> None:
            began = now()
            report = await voice.wait_for_report(Ticket("13800000000", "2", "c"))
            assert report.message_id == "2"
            assert 1.6 <= now() - began <= 2.4
            assert ids(voice.undelivered_reports) == ["1", "3"]
            await asyncio.sleep(60)
            # Without waiters no request is made.
            assert len(script.requests) <= 4
            assert ids([await voice.wait_for_report(Ticket("13800000000", "3", ""))]) == ["3"]

        with_voice(script, main)

    def test_it_does_not_come(self) -> None:
        """After the timeout an error is raised, and the background reader ends without waiters."""
        script = Script(answers(page()))

        async def main(voice: AsyncEmayVoice) -> None:
            with pytest.raises(ReportTimeoutError):
                await voice.wait_for_report("custom", timeout=10)
            await asyncio.sleep(3)
            asked = len(script.requests)
            assert 4 <= asked <= 8
            await asyncio.sleep(60)
            assert len(script.requests) == asked

        with_voice(script, main)

    def test_a_push_comes_first(self) -> None:
        """A fed report goes to its waiter; without a waiter it is stored."""

        async def main(voice: AsyncEmayVoice) -> None:
            waiting = asyncio.ensure_future(voice.wait_for_report("c"))
            await asyncio.sleep(1)
            voice.feed([Report(Product.VOICE, message_id="9"), Report(Product.VOICE, custom_id="c")])
            assert (await waiting).custom_id == "c"
            assert ids(voice.undelivered_reports) == ["9"]
            assert ids([await voice.wait_for_report(Ticket("", "9", ""))]) == ["9"]

        with_voice(Script(answers(page())), main)

    def test_feeding_both_products(self) -> None:
        """Fed reports of both products, by turns, come out of both in the order in which they were fed."""
        products = [*Product, *Product, Product.VOICE]
        reports = [Report(product, message_id=str(number)) for number, product in enumerate(products)]

        async def main(voice: AsyncEmayVoice) -> None:
            voice.feed(iter(reports))
            for product in Product:
                assert await voice.take_reports(product=product) == [
                    report for report in reports if report.product is product
                ]

        with_voice(Script(answers(page())), main)

    def test_feeding_breaks_off(self) -> None:
        """If the fed iterable raises, the reports before are kept."""

        def failing() -> Iterator[Report]:
            yield Report(Product.VOICE, message_id="1")
            yield Report(Product.VOICE, message_id="2")
            raise ZeroDivisionError

        async def main(voice: AsyncEmayVoice) -> None:
            with pytest.raises(ZeroDivisionError):
                voice.feed(failing())
            assert ids(voice.undelivered_reports) == ["1", "2"]

        with_voice(Script(answers(page())), main)

    @pytest.mark.parametrize("wrong", [{}, None, b"{}", "report", 7])
    def test_feeding_other_values(self, wrong: Any) -> None:
        """Values that are no reports are refused by position, and no report of the same call is stored."""

        async def main(voice: AsyncEmayVoice) -> None:
            with pytest.raises(InvalidRequestError, match="reports at position 1: must be Report objects"):
                voice.feed([Report(Product.VOICE, message_id="1"), wrong])
            assert voice.undelivered_reports == ()

        with_voice(Script(answers(page())), main)

    def test_closing_ends_the_waiting(self) -> None:
        """Closing the client raises a UsageError in all waiters."""

        async def main(voice: AsyncEmayVoice) -> None:
            waiting = asyncio.ensure_future(voice.wait_for_report("a"))
            await asyncio.sleep(1)
            await voice.aclose()
            with pytest.raises(UsageError, match="closed"):
                await waiting

        with_voice(Script(answers(page())), main)

    def test_an_unknown_outcome_is_settled(self) -> None:
        """Each recipient of an unknown batch gets a report, or None at the timeout."""
        to = [Recipient(f"1380000000{one}", f"c{one}") for one in range(3)]
        unknown = Unknown(0, tuple(to), OutcomeUnknownError("..."))
        data = [{"voiceId": "9", "customVoiceId": one, "state": "SUCCESS"} for one in ("c2", "c0", "x")]
        script = Script(answers(page()), answers({"code": "SUCCESS", "data": data}), answers(page()))

        async def main(voice: AsyncEmayVoice) -> None:
            began = now()
            settled = await voice.settle(unknown, timeout=30)
            assert now() - began == 30
            assert list(settled) == to
            assert [report and report.custom_id for report in settled.values()] == ["c0", None, "c2"]
            assert [report.custom_id for report in voice.undelivered_reports] == ["x"]

        with_voice(script, main)

    @pytest.mark.parametrize("end", ["cancel", "refusal"])
    def test_settling_is_broken_off(self, end: str) -> None:
        """Reports that arrived before a cancellation or a refusal are put back."""
        unknown = Unknown(
            0, (Recipient("13800000000", "c0"), Recipient("13800000001", "c1")), OutcomeUnknownError("...")
        )
        first = {"code": "SUCCESS", "data": [{"voiceId": "1", "customVoiceId": "c0"}]}
        script = Script(answers(first), code("ERROR_SIGN") if end == "refusal" else answers(page()))

        async def main(voice: AsyncEmayVoice) -> None:
            task = asyncio.ensure_future(voice.settle(unknown))
            await asyncio.sleep(1)
            if end == "cancel":
                task.cancel()
            await asyncio.wait([task])
            assert task.cancelled() if end == "cancel" else isinstance(task.exception(), AccountError)
            assert ids(voice.undelivered_reports) == ["1"]

        with_voice(script, main)

    @pytest.mark.parametrize("times", [1, 2, 3])
    def test_settling_is_cancelled_more_than_once(self, times: int) -> None:
        """After several cancellations all reports that arrived are put back."""
        unknown = Unknown(
            0, tuple(Recipient(f"1380000000{one}", f"c{one}") for one in range(4)), OutcomeUnknownError("...")
        )
        data = [{"voiceId": str(one), "customVoiceId": f"c{one}"} for one in (2, 0)]

        async def main(voice: AsyncEmayVoice) -> None:
            task = asyncio.ensure_future(voice.settle(unknown))
            await asyncio.sleep(1)
            voice.feed([Report(Product.VOICE, message_id="1", custom_id="c1")])
            for _ in range(times):
                task.cancel()
                await asyncio.sleep(0)
            with pytest.raises(asyncio.CancelledError):
                await task
            await asyncio.sleep(0)
            assert sorted(ids(voice.undelivered_reports)) == ["0", "1", "2"]

        with_voice(Script(answers({"code": "SUCCESS", "data": data}), answers(page())), main)

    def test_settling_an_empty_batch(self) -> None:
        """A batch without recipients is settled at once."""

        async def main(voice: AsyncEmayVoice) -> None:
            assert await voice.settle(Unknown(0, (), OutcomeUnknownError("..."))) == {}

        with_voice(Script(answers(page())), main)

    def test_waiting_for_pushes_alone(self) -> None:
        """With ``poll=False`` no request is made: the report has to be fed."""
        script = Script(answers(page()))

        async def main(voice: AsyncEmayVoice) -> None:
            waiting = asyncio.ensure_future(voice.wait_for_report("c", poll=False))
            await asyncio.sleep(60)
            voice.feed([Report(Product.VOICE, custom_id="c")])
            assert (await waiting).custom_id == "c"

        with_voice(script, main)
        assert not script.requests

    def test_feeding_from_elsewhere(self) -> None:
        """Feeding from another thread raises a UsageError: no waiter would wake."""

        async def main(voice: AsyncEmayVoice) -> None:
            await voice.take_reports()
            with pytest.raises(UsageError):
                await asyncio.to_thread(voice.feed, [Report(Product.VOICE)])
            assert voice.undelivered_reports == ()

        in_real_time(Script(answers(page())), main)


class TestLoss:
    """Cancelling at any moment at all."""

    def test_cancelled_at_every_turn(self) -> None:
        """5,000 reports, the loop cancelled at each turn of the event loop: lost 0, doubled 0, in order."""
        names = [str(number) for number in range(5000)]
        bodies = [json.dumps(page(*names[start : start + 1000])).encode() for start in range(0, 5000, 1000)]

        def scenario() -> Callable[[CancellingLoop], Awaitable[None]]:
            script = Script(*(answers(body, after=0.1) for body in bodies), answers(page(), after=0.1))

            async def play(loop: CancellingLoop) -> None:
                got: list[str] = []

                async def consume(voice: AsyncEmayVoice) -> None:
                    async for report in voice.reports():
                        got.append(report.message_id)
                        if len(got) % 499 == 0:
                            await asyncio.sleep(0.01)

                async with (
                    script.client() as client,
                    AsyncEmayVoice("http://service", app_id="a", secret_key="s", http_client=client) as voice,
                ):
                    loop.victim = asyncio.ensure_future(consume(voice))
                    await asyncio.wait([loop.victim])
                    await consume(voice)
                assert got == names

            return play

        assert cancel_everywhere(scenario) > 60
