"""Status reports: nothing that arrived is ever dropped."""

import asyncio
import json
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.http_transport import Script, Step, accepts, answers, code, fields_of, raises
from support.virtual_time import CancellingLoop, cancel_everywhere, now, run

from emay_voice_async import (
    AccountError,
    AnswerError,
    AsyncEmayVoice,
    InvalidRequestError,
    Notice,
    NotSentError,
    OnKey,
    OutcomeUnknownError,
    OverSpeedError,
    Product,
    RateLimit,
    RateLimits,
    Recipient,
    Report,
    ReportTimeoutError,
    Ticket,
    Unknown,
    VoiceSms,
)
from emay_voice_async.errors import UsageError
from emay_voice_async.reports.spool import Spool
from emay_voice_async.sandbox import Sandbox


def page(*ids: str, product: Product = Product.VOICE) -> dict[str, object]:
    """Make the answer to a getReport with these message ids."""
    return {"code": "SUCCESS", "data": [{f"{product.value}Id": one, "state": "SUCCESS"} for one in ids]}


def with_voice(script: Script, main: Callable[[AsyncEmayVoice], Awaitable[Any]], **options: Any) -> Any:
    """Run ``main`` with a client over the script, in virtual time."""
    return run(living(script, main, **options))


async def living(script: Script, main: Callable[[AsyncEmayVoice], Awaitable[Any]], **options: Any) -> Any:
    """Await ``main`` with a client over the script."""
    async with (
        script.client() as client,
        AsyncEmayVoice("http://service", app_id="a", secret_key="s", http_client=client, **options) as voice,
    ):
        return await main(voice)


def in_real_time(script: Script, main: Callable[[AsyncEmayVoice], Awaitable[Any]]) -> Any:
    """Run ``main`` in real time: a disk is written by another thread, which no clock can hurry."""
    return asyncio.run(living(script, main))


def ids(reports: list[Report] | tuple[Report, ...]) -> list[str]:
    """List the message ids of reports."""
    return [report.message_id for report in reports]


class TestTake:
    """``take_reports``."""

    @pytest.mark.parametrize("product", list(Product))
    def test_what_one_answer_brings(self, product: Product) -> None:
        """The reports of one getReport of the product that was asked for, in the order in which they came."""
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

    def test_a_broken_one_does_not_take_its_neighbours_along(self) -> None:
        """What cannot be read is kept apart with the reason; the others come out."""
        document = page("1", "2", "3")
        document["data"][1]["voiceSign"] = "not base64!"  # type: ignore[index]

        async def main(voice: AsyncEmayVoice) -> None:
            assert ids(await voice.take_reports()) == ["1", "3"]
            [(raw, reason)] = voice.broken_reports
            assert raw["voiceId"] == "2"
            assert reason

        with_voice(Script(answers(document)), main)

    def test_cancelled_after_the_service_removed_them(self) -> None:
        """Reports whose taker was cancelled are there for the next one, before any new ones."""
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

    def test_late_reports_after_closing(self) -> None:
        """Closing waits for an answer under way; its reports can still be had."""

        async def main() -> Any:
            script = Script(answers(page("1"), after=40))
            async with script.client() as client:
                voice = AsyncEmayVoice("http://service", app_id="a", secret_key="s", http_client=client)
                async with voice:
                    with pytest.raises(OutcomeUnknownError):
                        await voice.take_reports()
                return voice.undelivered_reports

        assert ids(run(main())) == ["1"]

    def test_an_unreadable_answer_is_kept_whole(self) -> None:
        """An answer that cannot be read is in the error: the reports in it are nowhere else."""
        with pytest.raises(AnswerError) as caught:
            with_voice(Script(answers(b'{"code":"SUCCESS","data":[{')), lambda voice: voice.take_reports())
        assert caught.value.body == b'{"code":"SUCCESS","data":[{'

    def test_a_late_answer_that_cannot_be_read(self) -> None:
        """What arrived after its taker had gone, and cannot be read, is kept with the broken ones."""

        async def main(voice: AsyncEmayVoice) -> None:
            with pytest.raises(OutcomeUnknownError):
                await voice.take_reports(deadline=1)
            await asyncio.sleep(5)
            [(raw, reason)] = voice.broken_reports
            assert raw == b"<html>"
            assert "not JSON" in reason

        with_voice(Script(answers(b"<html>", after=2)), main)

    def test_two_takers_at_once(self) -> None:
        """Two who ask at the same time share one request; each report goes to one of them."""
        script = Script(answers(page("1", "2"), after=1), answers(page()))

        async def main(voice: AsyncEmayVoice) -> None:
            first, second = await asyncio.gather(voice.take_reports(1), voice.take_reports(5))
            assert (ids(first), ids(second)) == (["1"], ["2"])
            assert len(script.requests) == 1

        with_voice(script, main)

    def test_the_deadline_of_the_second_taker(self) -> None:
        """Who joins a request under way is bound by its own deadline; the reports stay for the others."""

        async def main(voice: AsyncEmayVoice) -> None:
            first = asyncio.ensure_future(voice.take_reports())
            await asyncio.sleep(1)
            began = now()
            with pytest.raises(OutcomeUnknownError, match="deadline"):
                await voice.take_reports(deadline=2)
            assert now() - began == 2
            assert ids(await first) == ["1"]

        with_voice(Script(answers(page("1"), after=10)), main)

    def test_the_first_taker_is_cancelled_before_its_request_left(self) -> None:
        """Who joined a request that was then called off makes one of its own."""
        script = Script(answers(page("1")), answers(page("2")))

        async def main(voice: AsyncEmayVoice) -> None:
            assert ids(await voice.take_reports(1)) == ["1"]
            first = asyncio.ensure_future(voice.take_reports())
            await asyncio.sleep(0.1)
            second = asyncio.ensure_future(voice.take_reports())
            await asyncio.sleep(0.1)
            first.cancel()
            assert ids(await second) == ["2"]
            assert first.cancelled()

        with_voice(script, main, rate_limits=RateLimits(reports=RateLimit(1, 1.0)))

    def test_one_taker_takes_all_that_came_for_two(self) -> None:
        """An empty list means that there are none, and never that somebody else was quicker."""
        script = Script(answers(page("1"), after=1), answers(page("2"), after=1), answers(page()))

        async def main(voice: AsyncEmayVoice) -> None:
            first, second = await asyncio.gather(voice.take_reports(1), voice.take_reports(200))
            assert (ids(first), ids(second)) == (["1"], ["2"])

        with_voice(script, main)

    def test_the_deadline_of_the_first_taker(self) -> None:
        """Who joins a request whose caller then runs out of time makes one of its own."""
        script = Script(answers(page("1"), after=3), answers(page("2"), after=3))

        async def main(voice: AsyncEmayVoice) -> None:
            first = asyncio.ensure_future(voice.take_reports(deadline=1))
            second = asyncio.ensure_future(voice.take_reports())
            with pytest.raises(OutcomeUnknownError):
                await first
            # The late answer of the first came meanwhile.
            assert ids(await second) == ["1", "2"]

        with_voice(script, main)


class TestStream:
    """``reports``."""

    def test_until_drained(self) -> None:
        """It asks for 1,000 at a time until nothing comes, and ends."""
        script = Script(answers(page("1", "2")), answers(page("3")), answers(page()))

        async def main(voice: AsyncEmayVoice) -> None:
            assert [report.message_id async for report in voice.reports()] == ["1", "2", "3"]

        with_voice(script, main)
        assert [fields_of(request)["number"] for request in script.requests] == ["1000"] * 3

    def test_following(self) -> None:
        """With ``follow`` it goes on: at once while something comes, else about every interval."""
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
    def test_following_outlives_a_bad_moment(self, moment: Step) -> None:
        """Where certainly nothing was removed, following goes on; not following raises."""
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
        """The time that the questions took counts, too: it is the deadline that ends the pause."""

        async def main(voice: AsyncEmayVoice) -> None:
            began = now()
            assert [one async for one in voice.reports(follow=True, poll_interval=100, deadline=30)] == []
            assert now() - began == 30

        with_voice(Script(answers(page(), after=2)), main)

    def test_a_deadline_while_the_answer_is_awaited(self) -> None:
        """Reports may have been removed by then, so the error says so; they come to the next one."""

        async def main(voice: AsyncEmayVoice) -> None:
            began = now()
            with pytest.raises(OutcomeUnknownError):
                await anext(voice.reports(deadline=3))
            assert now() - began == 3
            assert (await anext(voice.reports())).message_id == "1"

        with_voice(Script(answers(page("1"), after=5)), main)

    def test_two_consumers(self) -> None:
        """Two loops share the stream: each report goes to one of them."""
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
        """However a loop is left, what it was not handed is there for the next one, in order."""
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
        """An error that is thrown into the loop puts the report in hand back in front of the others."""
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
        """A loop does not end before it has given out what was fed while the service had nothing more."""

        async def main(voice: AsyncEmayVoice) -> None:
            asyncio.get_running_loop().call_later(1, voice.feed, [Report(Product.VOICE, message_id="1")])
            assert [report.message_id async for report in voice.reports()] == ["1"]

        with_voice(Script(answers(page(), after=2)), main)

    def test_giving_back_while_another_loop_is_in_the_same_answer(self) -> None:
        """What one loop gives back is the next that another one gets, though that has begun already."""
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
        """A report that is waited for is taken out of the answer that a loop is in; the loop gets the others."""
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
        """The one that is awaited is returned when it comes; the others remain."""
        script = Script(answers(page("1")), answers(page()), answers(page("2", "3")), answers(page()))

        async def main(voice: AsyncEmayVoice) -> None:
            began = now()
            report = await voice.wait_for_report(Ticket("13800000000", "2", "c"))
            assert report.message_id == "2"
            assert 1.6 <= now() - began <= 2.4
            assert ids(voice.undelivered_reports) == ["1", "3"]
            await asyncio.sleep(60)
            # Nobody waits any more, so nobody asks.
            assert len(script.requests) <= 4
            assert ids([await voice.wait_for_report(Ticket("13800000000", "3", ""))]) == ["3"]

        with_voice(script, main)

    def test_ten_thousand_wait(self) -> None:
        """10,000 wait at once; one reader asks for all of them, and each gets its own."""
        names = [str(number) for number in range(10_000)]
        pages = [answers(page(*names[start : start + 1000])) for start in range(0, 10_000, 1000)]
        script = Script(*reversed(pages), answers(page()))

        async def main(voice: AsyncEmayVoice) -> None:
            waiting = [voice.wait_for_report(Ticket("", name, "")) for name in names]
            assert ids(await asyncio.gather(*waiting)) == names
            assert len(script.requests) <= 11
            assert voice.undelivered_reports == ()

        with_voice(script, main)

    def test_it_does_not_come(self) -> None:
        """After the timeout there is an error; the reader stops when nobody waits."""
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

    def test_the_products_that_were_sent_to(self) -> None:
        """Without a product it asks for those that this client has sent to; voice if it sent nothing."""

        async def main() -> None:
            for message, product, path in (
                (None, None, "/voice/getReport"),
                (VoiceSms("...", trigger=OnKey("1")), None, "/join/getReport"),
                (Notice("..."), Product.JOIN, "/join/getReport"),
            ):
                script = Script(accepts(), answers(page())) if message else Script(answers(page()))
                async with (
                    script.client() as client,
                    AsyncEmayVoice("http://service", app_id="a", secret_key="s", http_client=client) as voice,
                ):
                    if message is not None:
                        await voice.send(message, "13800000000")
                    with pytest.raises(ReportTimeoutError):
                        await voice.wait_for_report("custom", timeout=1, product=product)
                assert script.requests[-1].url.path == path

        run(main())

    def test_a_push_comes_first(self) -> None:
        """A report that is fed goes to whoever waits for it; one that nobody waits for is kept."""

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
        """When what is fed fails in the middle, the reports that it gave before are kept."""

        def failing() -> Iterator[Report]:
            yield Report(Product.VOICE, message_id="1")
            yield Report(Product.VOICE, message_id="2")
            raise ZeroDivisionError

        async def main(voice: AsyncEmayVoice) -> None:
            with pytest.raises(ZeroDivisionError):
                voice.feed(failing())
            assert ids(voice.undelivered_reports) == ["1", "2"]

        with_voice(Script(answers(page())), main)

    def test_trouble_in_the_background(self, caplog: pytest.LogCaptureFixture) -> None:
        """The reader goes on after what may pass, and keeps what it cannot read."""
        script = Script(
            raises(httpx.ReadError("...")),
            answers(b"<html>"),
            answers(b"", status=500),
            answers(page("1")),
            answers(page()),
        )

        async def main(voice: AsyncEmayVoice) -> None:
            assert (await voice.wait_for_report(Ticket("", "1", ""))).message_id == "1"
            # Of another status than 200 nothing is kept: it did not come from what holds the reports.
            assert [raw for raw, _ in voice.broken_reports] == [b"<html>"]

        with_voice(script, main)
        assert caplog.text.count("may have been lost") == 3

    def test_the_account_may_not_ask(self) -> None:
        """A refusal that will not pass reaches everybody who waits."""

        async def main(voice: AsyncEmayVoice) -> None:
            waiting = [voice.wait_for_report("a"), voice.wait_for_report("b")]
            errors = await asyncio.gather(*waiting, return_exceptions=True)
            assert [type(error) for error in errors] == [AccountError, AccountError]

        with_voice(Script(code("ERROR_SIGN")), main)

    def test_closing_lets_go_of_who_waits(self) -> None:
        """Whoever waits when the client is closed gets an error that says so."""

        async def main(voice: AsyncEmayVoice) -> None:
            waiting = asyncio.ensure_future(voice.wait_for_report("a"))
            await asyncio.sleep(1)
            await voice.aclose()
            with pytest.raises(UsageError, match="closed"):
                await waiting

        with_voice(Script(answers(page())), main)

    def test_an_unknown_outcome_is_settled(self) -> None:
        """Each recipient of an unknown batch gets its report, or None when there is none in time."""
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
        """What came before a cancellation or a refusal is there for somebody else."""
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
        """However often it is cancelled, what came is there for somebody else."""
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

    def test_nobody_to_settle(self) -> None:
        """A batch of nobody is settled at once."""

        async def main(voice: AsyncEmayVoice) -> None:
            assert await voice.settle(Unknown(0, (), OutcomeUnknownError("..."))) == {}

        with_voice(Script(answers(page())), main)

    def test_waiting_for_pushes_alone(self) -> None:
        """With ``poll=False`` nobody asks the service: the report has to be fed."""
        script = Script(answers(page()))

        async def main(voice: AsyncEmayVoice) -> None:
            waiting = asyncio.ensure_future(voice.wait_for_report("c", poll=False))
            await asyncio.sleep(60)
            voice.feed([Report(Product.VOICE, custom_id="c")])
            assert (await waiting).custom_id == "c"

        with_voice(script, main)
        assert not script.requests

    def test_a_product_that_may_not_be_asked_for(self) -> None:
        """A refusal for one product leaves those alone who wait for the other."""

        async def step(request: httpx.Request) -> httpx.Response:
            if request.url.path.startswith("/join"):
                return httpx.Response(200, json={"code": "ERROR_MESSAGE_TYPE"})
            asked.append(request.url.path)
            return httpx.Response(200, json=page("1") if len(asked) > 3 else page())

        asked: list[str] = []

        async def main(voice: AsyncEmayVoice) -> None:
            join = asyncio.ensure_future(voice.wait_for_report("c", product=Product.JOIN, timeout=60))
            report = await voice.wait_for_report(Ticket("", "1", ""), product=Product.VOICE)
            assert report.message_id == "1"
            with pytest.raises((AccountError, ReportTimeoutError)):
                await join

        with_voice(Script(step), main)

    def test_feeding_from_elsewhere(self) -> None:
        """Another thread must not feed: whoever waits would not wake."""

        async def main(voice: AsyncEmayVoice) -> None:
            await voice.take_reports()
            with pytest.raises(UsageError):
                await asyncio.to_thread(voice.feed, [Report(Product.VOICE)])
            assert voice.undelivered_reports == ()

        in_real_time(Script(answers(page())), main)

    @pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with Python 3.12")
    def test_tasks_that_begin_at_once(self) -> None:
        """With eager tasks the background reader reads, and sends are sent."""

        async def main() -> None:
            asyncio.get_running_loop().set_task_factory(getattr(asyncio, "eager_task_factory"))  # noqa: B009
            script = Script(accepts(), answers(page("1")), answers(page()))
            await living(script, wait)

        async def wait(voice: AsyncEmayVoice) -> None:
            await voice.send(Notice("..."), "13800000000")
            assert (await voice.wait_for_report(Ticket("", "1", ""))).message_id == "1"

        run(main())


class TestSpool:
    """``reports(spool=...)``: nothing is lost when the process is."""

    def test_a_file_as_long_as_somebody_has_reports_in_it(self, tmp_path: Path) -> None:
        """The raw answer is on disk until its last report was handed out, byte for byte."""
        first = json.dumps(page("1", "2")).encode()
        script = Script(answers(first), answers(page()))

        async def main(voice: AsyncEmayVoice) -> None:
            files = []
            async for _ in voice.reports(spool=tmp_path):
                [file] = tmp_path.iterdir()
                files.append(file)
                assert file.read_bytes() == first
            assert len(set(files)) == 1
            assert list(tmp_path.iterdir()) == []

        in_real_time(script, main)

    def test_what_was_given_back_stays_on_disk(self, tmp_path: Path) -> None:
        """An answer whose last report was given back is there for the next process."""

        async def first(voice: AsyncEmayVoice) -> None:
            stream = voice.reports(spool=tmp_path)
            assert (await anext(stream)).message_id == "1"
            with pytest.raises(OSError, match="full"):
                await stream.athrow(OSError("the disk is full"))

        async def second(voice: AsyncEmayVoice) -> None:
            assert [report.message_id async for report in voice.reports(spool=tmp_path)] == ["1"]
            assert list(tmp_path.iterdir()) == []

        in_real_time(Script(answers(page("1"))), first)
        in_real_time(Script(answers(page())), second)

    def test_what_a_former_process_left_comes_first(self, tmp_path: Path) -> None:
        """A new client delivers what is in the folder before it asks, whatever way reports are taken."""

        async def first(voice: AsyncEmayVoice) -> None:
            async with aclosing(voice.reports(spool=str(tmp_path))) as reports:
                async for report in reports:
                    assert report.message_id == "1"
                    break

        async def second(voice: AsyncEmayVoice) -> None:
            async with aclosing(voice.reports(spool=tmp_path)) as reports:
                assert (await anext(reports)).message_id == "1"
            assert ids(await voice.take_reports(1)) == ["2"]
            assert list(tmp_path.iterdir()) == []
            assert [report.message_id async for report in voice.reports(spool=tmp_path)] == ["3"]
            with pytest.raises(InvalidRequestError, match="spool"):
                await anext(voice.reports(spool=tmp_path / "other"))

        in_real_time(Script(answers(page("1", "2"))), first)
        in_real_time(Script(answers(page("3")), answers(page())), second)

    @pytest.mark.parametrize("searched", [False, True])
    def test_one_file_for_each_answer(self, tmp_path: Path, searched: bool) -> None:
        """However its reports are taken, the file of an answer goes with its own last one."""
        for names in (("1", "2", "3"), ("4", "5")):
            Spool(tmp_path).write(Product.VOICE, json.dumps(page(*names)).encode())

        async def main(voice: AsyncEmayVoice) -> None:
            stream = voice.reports(spool=tmp_path)
            assert (await anext(stream)).message_id == "1"
            first, second = sorted(tmp_path.iterdir())
            if searched:
                assert (await voice.wait_for_report(Ticket("", "4", ""), poll=False)).message_id == "4"
            with pytest.raises(OSError, match="full"):
                await stream.athrow(OSError("the disk is full"))
            assert ids(await voice.take_reports(3)) == ["1", "2", "3"]
            assert list(tmp_path.iterdir()) == [second]
            async with aclosing(voice.reports(spool=tmp_path)) as rest:
                assert (await anext(rest)).message_id == ("5" if searched else "4")
                assert not first.exists()
                if not searched:
                    assert ids(await voice.take_reports(1)) == ["5"]
                assert list(tmp_path.iterdir()) == [second]
            assert list(tmp_path.iterdir()) == []

        in_real_time(Script(answers(page())), main)

    def test_what_cannot_be_read_is_put_aside(self, tmp_path: Path) -> None:
        """An unreadable answer, and one with a broken report, stay on disk under another name."""
        broken = page("1", "2")
        broken["data"][0]["voiceSign"] = "!"  # type: ignore[index]
        script = Script(
            answers(b"<html>"), answers(broken), answers({"code": "SUCCESS", "data": [1]}), answers(page())
        )

        async def main(voice: AsyncEmayVoice) -> None:
            with pytest.raises(AnswerError):
                await anext(voice.reports(spool=tmp_path))
            assert [report.message_id async for report in voice.reports()] == ["2"]
            assert sorted(file.suffix for file in tmp_path.iterdir()) == [".broken"] * 3
            assert len(voice.broken_reports) == 3

        in_real_time(script, main)

    def test_a_leftover_that_cannot_be_read(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        """A leftover that makes no sense is put aside and logged, and the others are delivered."""
        Spool(tmp_path).write(Product.VOICE, b"<html>")
        Spool(tmp_path).write(Product.VOICE, json.dumps(page("1")).encode())

        async def main(voice: AsyncEmayVoice) -> None:
            assert [report.message_id async for report in voice.reports(spool=tmp_path)] == ["1"]
            assert [file.suffix for file in tmp_path.iterdir()] == [".broken"]
            assert [raw for raw, _ in voice.broken_reports] == [b"<html>"]

        in_real_time(Script(answers(page())), main)
        assert "cannot be read" in caplog.text

    @pytest.mark.parametrize(
        "step", [code("ERROR_SIGN"), answers(b"<html>", status=502)], ids=["code", "gateway"]
    )
    def test_a_refusal_leaves_no_file(self, step: Step, tmp_path: Path) -> None:
        """An answer in which no report can be needs not be kept."""

        async def main(voice: AsyncEmayVoice) -> None:
            with pytest.raises((AccountError, AnswerError)):
                await anext(voice.reports(spool=tmp_path))
            assert list(tmp_path.iterdir()) == []
            assert voice.broken_reports == ()

        in_real_time(Script(step), main)

    def test_a_folder_that_cannot_be_written(self, tmp_path: Path) -> None:
        """It is refused before anything is asked for; a good one may be given after it."""
        script = Script(answers(page("1")), answers(page()))

        async def main(voice: AsyncEmayVoice) -> None:
            for _ in range(2):
                with pytest.raises(InvalidRequestError, match="can be read and written"):
                    await anext(voice.reports(spool="/dev/null/folder"))
            assert not script.requests
            assert [report.message_id async for report in voice.reports(spool=tmp_path)] == ["1"]

        in_real_time(script, main)

    def test_the_first_reader_of_leftovers_is_cancelled(self, tmp_path: Path) -> None:
        """Leftovers are delivered to whoever comes next, and before anything new, also to a second loop."""
        for name in "12":
            Spool(tmp_path).write(Product.VOICE, json.dumps(page(name)).encode())
        (tmp_path / "0-voice.json").mkdir()

        async def main(voice: AsyncEmayVoice) -> None:
            first = asyncio.ensure_future(anext(voice.reports(spool=tmp_path)))
            second = asyncio.ensure_future(anext(voice.reports(spool=tmp_path)))
            await asyncio.sleep(0)
            first.cancel()
            assert (await second).message_id == "1"
            assert [report.message_id async for report in voice.reports(spool=tmp_path)] == ["2", "3"]

        in_real_time(Script(answers(page("3")), answers(page())), main)

    def test_a_folder_that_fails(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        """When the folder goes away, reports are delivered all the same, and it is logged."""
        folder = tmp_path / "folder"
        broken = page("2", "3")
        broken["data"][0]["voiceSign"] = "!"  # type: ignore[index]

        async def main(voice: AsyncEmayVoice) -> None:
            async with aclosing(voice.reports(spool=folder)) as reports:
                for awaited in ("1", "3"):
                    assert (await anext(reports)).message_id == awaited
                    # The file of this report can be neither removed nor renamed any more.
                    folder.rename(tmp_path / f"gone {awaited}")
                    folder.write_bytes(b"a file where the folder should be")
                    if awaited == "1":
                        folder.unlink()
                        folder.mkdir()
                        (folder / next((tmp_path / "gone 1").iterdir()).name).mkdir()
                assert (await anext(reports)).message_id == "4"

        in_real_time(Script(answers(page("1")), answers(broken), answers(page("4"))), main)
        assert "cannot be removed" in caplog.text
        assert "cannot be renamed" in caplog.text
        assert "could not be spooled" in caplog.text

    def test_killed_again_and_again(self, tmp_path: Path) -> None:
        """Kill -9 in the middle of draining, five times: no report that came is lost; some come twice."""
        sandbox = Sandbox(rate_limits=RateLimits(send=None, reports=None, balance=None))
        program = (
            "import asyncio, os, signal, sys\n"
            "from emay_voice_async import AsyncEmayVoice, RateLimits\n"
            "async def main(url, app_id, secret_key, spool, kill_after):\n"
            "    limits, got = RateLimits(reports=None), 0\n"
            "    async with AsyncEmayVoice(url, app_id=app_id, secret_key=secret_key, rate_limits=limits) as voice:\n"
            "        async for report in voice.reports(spool=spool):\n"
            "            print(report.message_id, flush=True)\n"
            "            got += 1\n"
            "            if got == int(kill_after):\n"
            # By itself: killed from outside, it could have asked for more, and nobody would know the answer.
            "                os.kill(os.getpid(), signal.SIGKILL)\n"
            "asyncio.run(main(*sys.argv[1:]))\n"
        )

        async def drain(url: str, kill_after: int) -> list[str]:
            arguments = [url, sandbox.app_id, sandbox.secret_key, str(tmp_path), str(kill_after)]
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", program, *arguments), stdout=asyncio.subprocess.PIPE
            )
            printed, _ = await process.communicate()
            assert process.returncode == (-signal.SIGKILL if kill_after else 0)
            return printed.decode().split()

        async def main() -> tuple[list[str], list[str]]:
            async with sandbox.serve() as url:
                async with AsyncEmayVoice(
                    url,
                    app_id=sandbox.app_id,
                    secret_key=sandbox.secret_key,
                    rate_limits=RateLimits(send=None),
                ) as voice:
                    tickets = (await voice.send(Notice("..."), [f"1380{n:06}9" for n in range(5000)])).tickets
                got = []
                for kill_after in (1, 700, 1000, 1001, 1500, 0):
                    got += await drain(url, kill_after)
            return [ticket.message_id for ticket in tickets], got

        sent, got = asyncio.run(main())
        assert set(got) == set(sent)
        assert len(got) < 5000 + 5 * 1000
        assert list(tmp_path.iterdir()) == []


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
