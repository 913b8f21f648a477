"""The reports of one client: no report that arrived is lost."""

import asyncio
import itertools
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
from emay_voice_async.errors import TooManyReportsError, UsageError

TRANSIENT = [
    pytest.param(raises(httpx.ConnectError("...")), id="no connection"),
    pytest.param(code("ERROR_OVER_SPEED"), id="speed"),
    pytest.param(raises(httpx.ReadError("...")), id="reset"),
    pytest.param(raises(httpx.ReadTimeout("...")), id="read timeout"),
    pytest.param(answers(b"<html>", status=502), id="502"),
    pytest.param(answers(b"", status=503), id="503"),
    pytest.param(answers(b"<html>"), id="page"),
]
"""Responses after which a follower goes on."""
REQUESTS = {
    one.values[0]: 3 if one.id == "no connection" else 9 if one.id == "speed" else 1 for one in TRANSIENT
}
"""The number of requests before the error is raised, with the retries that are certainly safe."""


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
        document["data"][1] = ["2"]  # type: ignore[index]

        async def main(voice: AsyncEmayVoice) -> None:
            assert ids(await voice.take_reports()) == ["1", "3"]
            [(raw, reason)] = voice.broken_reports
            assert raw == ["2"]
            assert reason

        with_voice(Script(answers(document)), main)

    def test_pauses_after_unreadable_reports(self, caplog: pytest.LogCaptureFixture) -> None:
        """Unreadable reports are no end; pauses grow after responses without another, from the second in a row on."""
        unreadable = answers({"code": "SUCCESS", "data": [7]})
        script = Script(*[unreadable] * 6, answers(page("1")), unreadable)

        async def main(voice: AsyncEmayVoice) -> None:
            assert ids(await voice.take_reports()) == ["1"]
            begun = now()
            with pytest.raises(NotSentError, match="deadline"):
                await voice.take_reports(deadline=8)
            assert now() == begun + 8

        with_voice(script, main)
        pauses = [later - earlier for earlier, later in itertools.pairwise(script.at)]
        for pause, expected in zip(pauses[:8], (0, 4, 8, 16, 32, 60, 0, 0), strict=True):
            assert 0.79 * expected <= pause < 1.21 * expected + 0.1
        assert len(script.at) == 10
        assert "no report of the response can be read" in caplog.text

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

    @pytest.mark.parametrize("moment", TRANSIENT)
    def test_following_survives_transient_errors(
        self, moment: Step, caplog: pytest.LogCaptureFixture
    ) -> None:
        """After a transient error following goes on, with a warning and a count; without ``follow`` it is raised."""

        async def follow(voice: AsyncEmayVoice) -> None:
            async with aclosing(voice.reports(follow=True, poll_interval=10)) as stream:
                assert (await anext(stream)).message_id == "1"
            assert voice.stats.report_failures == 5

        with_voice(Script(*[moment] * (5 * REQUESTS[moment]), answers(page("1"))), follow)
        warnings = [record for record in caplog.records if "goes on in" in record.getMessage()]
        assert [record.levelname for record in warnings] == ["WARNING"] * 5

        async def once(voice: AsyncEmayVoice) -> None:
            async for _ in voice.reports():
                pytest.fail("no report can come")

        with pytest.raises((NotSentError, OverSpeedError, OutcomeUnknownError)):
            with_voice(Script(moment), once)

    def test_pauses_grow(self) -> None:
        """Pauses after failures in a row double up to a minute; a success ends the growth."""
        script = Script(
            *[raises(httpx.ReadError("..."))] * 6, answers(page("1")), raises(httpx.ReadError("..."))
        )

        async def main(voice: AsyncEmayVoice) -> None:
            async with aclosing(voice.reports(follow=True, poll_interval=4, deadline=300)) as stream:
                assert [report.message_id async for report in stream] == ["1"]

        with_voice(script, main)
        pauses = [later - earlier for earlier, later in itertools.pairwise(script.at)]
        for pause, expected in zip(pauses[:5], (4, 8, 16, 32, 60), strict=True):
            assert 0.79 * expected < pause < 1.21 * expected
        assert pauses[6] < 0.1
        assert pauses[7] < 5

    @pytest.mark.parametrize("follow", [True, False])
    def test_pauses_after_unreadable_reports(self, follow: bool, caplog: pytest.LogCaptureFixture) -> None:
        """Pauses grow also after responses without a readable report, from the second one in a row on."""
        unreadable = answers({"code": "SUCCESS", "data": [7]})
        mixed = page("1")
        mixed["data"].append(7)  # type: ignore[attr-defined]
        script = Script(*[unreadable] * 6, answers(mixed), *[unreadable] * 2, answers(page()))

        async def main(voice: AsyncEmayVoice) -> None:
            async with aclosing(voice.reports(follow=follow, poll_interval=4, deadline=300)) as stream:
                assert [report.message_id async for report in stream] == ["1"]
            assert len(voice.broken_reports) == 9
            assert voice.stats.report_failures == 0

        with_voice(script, main)
        pauses = [later - earlier for earlier, later in itertools.pairwise(script.at)]
        for pause, expected in zip(pauses[:9], (0, 8, 16, 32, 60, 60, 0, 0, 8), strict=True):
            assert 0.79 * expected <= pause < 1.21 * expected + 0.1
        assert caplog.text.count("no report of the response can be read") == 6

    @pytest.mark.parametrize("name", ["ERROR_SIGN", "ERROR_APPID", "ERROR_CLIENT_IP", "ERROR_MESSAGE_TYPE"])
    def test_following_ends_with_a_refused_account(self, name: str) -> None:
        """A permanent refusal ends following."""

        async def main(voice: AsyncEmayVoice) -> None:
            with pytest.raises(AccountError):
                await anext(voice.reports(follow=True))
            assert voice.stats.report_failures == 0

        with_voice(Script(code(name)), main)

    def test_feeding_during_a_pause(self) -> None:
        """Fed reports are yielded during a pause, and do not shorten the pause."""
        script = Script(raises(httpx.ReadError("...")), answers(page("9")))

        async def main(voice: AsyncEmayVoice) -> None:
            began = now()
            async with aclosing(voice.reports(follow=True, poll_interval=100)) as stream:
                for number in range(3):
                    asyncio.get_running_loop().call_later(
                        1, voice.feed, [Report(Product.VOICE, "", str(number))]
                    )
                    assert (await anext(stream)).message_id == str(number)
                    assert now() - began == number + 1
                assert (await anext(stream)).message_id == "9"
                assert now() - began >= 80

        with_voice(script, main)

    def test_closing_during_a_backoff(self) -> None:
        """Closing the client ends a pause after a failure at once."""

        async def main(voice: AsyncEmayVoice) -> None:
            task = asyncio.ensure_future(anext(voice.reports(follow=True, poll_interval=3600)))
            await asyncio.sleep(1)
            began = now()
            await voice.aclose()
            with pytest.raises(UsageError, match="closed"):
                await task
            assert now() == began

        with_voice(Script(raises(httpx.ReadError("..."))), main)

    @pytest.mark.parametrize("after", [0, 20, 100])
    def test_following_a_failing_service_until_a_deadline(self, after: float) -> None:
        """The deadline ends following without an error, in a pause as well as in a request."""

        async def main(voice: AsyncEmayVoice) -> None:
            began = now()
            assert [one async for one in voice.reports(follow=True, poll_interval=20, deadline=50)] == []
            assert now() - began == 50

        with_voice(Script(raises(httpx.ReadError("..."), after=after)), main)

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


class TestPages:
    """``report_pages``."""

    def test_pages_as_they_came(self) -> None:
        """A page has the reports of one response, or of one push."""
        script = Script(answers(page("1", "2")), answers(page("3")), answers(page()))

        async def main(voice: AsyncEmayVoice) -> None:
            voice.feed([Report(Product.VOICE, message_id="0")])
            got = [ids(one) async for one in voice.report_pages()]
            assert got == [["0"], ["1", "2"], ["3"]]
            assert voice.undelivered_reports == ()

        with_voice(script, main)

    def test_following_pages(self) -> None:
        """With ``follow`` pages come until the deadline, also after a failure."""
        script = Script(
            answers(page("1")), raises(httpx.ReadError("...")), answers(page("2")), answers(page())
        )

        async def main(voice: AsyncEmayVoice) -> None:
            began = now()
            got = [ids(one) async for one in voice.report_pages(follow=True, poll_interval=5, deadline=60)]
            assert got == [["1"], ["2"]]
            assert now() - began == 60

        with_voice(script, main)

    @pytest.mark.parametrize("leave", ["break", "raise", "cancel", "throw"])
    def test_leaving_puts_the_page_back(self, leave: str) -> None:
        """After any other end than the next page, the page goes to the next reader, in order."""
        script = Script(answers(page("1")), answers(page("2", "3")), answers(page()))

        async def main(voice: AsyncEmayVoice) -> None:
            async def consume() -> None:
                async with aclosing(voice.report_pages()) as pages:
                    async for one in pages:
                        if ids(one) == ["1"]:
                            continue
                        if leave == "break":
                            break
                        if leave == "raise":
                            raise OSError("the disk is full")
                        if leave == "throw":
                            await pages.athrow(OSError("the disk is full"))
                        await asyncio.sleep(3600)

            task = asyncio.ensure_future(consume())
            await asyncio.sleep(1)
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled() or leave == "break" or isinstance(task.exception(), OSError)
            assert ids(voice.undelivered_reports) == ["2", "3"]
            assert [ids(one) async for one in voice.report_pages()] == [["2", "3"]]

        with_voice(script, main)

    def test_a_page_that_is_put_back_reaches_its_waiter(self) -> None:
        """A report of a page that is put back goes to a caller that began to wait meanwhile."""

        async def main(voice: AsyncEmayVoice) -> None:
            async with aclosing(voice.report_pages()) as pages:
                assert ids(await anext(pages)) == ["1", "2"]
                waiting = asyncio.ensure_future(voice.wait_for_report(Ticket("", "2", ""), poll=False))
                await asyncio.sleep(1)
            assert (await waiting).message_id == "2"
            assert ids(voice.undelivered_reports) == ["1"]

        with_voice(Script(answers(page("1", "2"))), main)

    def test_two_readers(self) -> None:
        """Two readers share the pages: each page goes to one of them."""
        script = Script(
            *(answers(page(f"{one}-a", f"{one}-b"), after=0.1) for one in range(9)), answers(page())
        )

        async def main(voice: AsyncEmayVoice) -> None:
            async def consume() -> list[str]:
                got = []
                async for one in voice.report_pages():
                    await asyncio.sleep(0.05)
                    got += ids(one)
                return got

            first, second = await asyncio.gather(consume(), consume())
            assert first
            assert second
            assert sorted(first + second) == sorted(f"{one}-{two}" for one in range(9) for two in "ab")

        with_voice(script, main)

    def test_wrong_arguments(self) -> None:
        """Arguments are checked in the call, before the first page."""

        async def main(voice: AsyncEmayVoice) -> None:
            with pytest.raises(InvalidRequestError, match="poll_interval"):
                voice.report_pages(poll_interval=0)
            with pytest.raises(InvalidRequestError, match="product"):
                voice.report_pages(product="voice")  # type: ignore[arg-type]

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

    def test_feeding_without_keeping(self) -> None:
        """With ``keep=False`` only awaited reports are handed over, beyond any bound, and none is stored."""

        async def main(voice: AsyncEmayVoice) -> None:
            waiting = asyncio.ensure_future(voice.wait_for_report("c", poll=False))
            await asyncio.sleep(1)
            reports = [Report(Product.VOICE, message_id=str(number)) for number in range(9)]
            voice.feed([*reports, Report(Product.VOICE, custom_id="c")], keep=False)
            assert (await waiting).custom_id == "c"
            assert voice.undelivered_reports == ()
            with pytest.raises(InvalidRequestError, match="keep"):
                voice.feed([], keep=1)  # type: ignore[arg-type]

        with_voice(Script(answers(page())), main, max_undelivered=1)

    def test_feeding_without_room(self) -> None:
        """Beyond ``max_undelivered`` feeding raises and stores no report; taken and awaited reports make room."""

        def several(*numbers: int) -> list[Report]:
            return [Report(Product.VOICE, message_id=str(number)) for number in numbers]

        async def main(voice: AsyncEmayVoice) -> None:
            voice.feed(several(1, 2))
            with pytest.raises(
                TooManyReportsError, match=r"^3 reports are stored and were not taken"
            ) as caught:
                voice.feed(several(3, 4))
            assert caught.value.limit == 3
            assert ids(voice.undelivered_reports) == ["1", "2"]
            voice.feed(several(3))
            waiting = asyncio.ensure_future(voice.wait_for_report(Ticket("", "4", ""), poll=False))
            await asyncio.sleep(1)
            voice.feed(several(4))
            assert (await waiting).message_id == "4"
            assert ids(await voice.take_reports(2)) == ["1", "2"]
            voice.feed(several(5, 6))
            with pytest.raises(TooManyReportsError):
                voice.feed(several(7))

        with_voice(Script(answers(page())), main, max_undelivered=3)

    def test_the_service_may_exceed_the_room(self) -> None:
        """Reports that were asked for are stored beyond the bound: the service has removed them."""

        async def main(voice: AsyncEmayVoice) -> None:
            with pytest.raises(ReportTimeoutError):
                await voice.wait_for_report("c", timeout=1)
            assert len(voice.undelivered_reports) == 3
            with pytest.raises(TooManyReportsError):
                voice.feed([Report(Product.JOIN, message_id="4")])

        with_voice(Script(answers(page("1", "2", "3")), answers(page())), main, max_undelivered=2)

    def test_feeding_reports_of_another_account(self) -> None:
        """A report of another account is refused by position, and no report of the same call is stored."""

        async def main(voice: AsyncEmayVoice) -> None:
            reports = [Report(Product.VOICE, app_id, "1") for app_id in ("", "a", "b")]
            with pytest.raises(InvalidRequestError, match="at position 2: must be of the account"):
                voice.feed(reports)
            assert voice.undelivered_reports == ()
            voice.feed(reports[:2])
            assert len(voice.undelivered_reports) == 2

        with_voice(Script(answers(page())), main)

    def test_a_custom_id_of_another_call(self) -> None:
        """A report with the awaited custom id, but of another number or product, is not the awaited report."""
        unknown = Unknown(0, (Recipient("13800000000", "c"),), OutcomeUnknownError("...", "/voice/send"))

        async def main(voice: AsyncEmayVoice) -> None:
            settling = asyncio.ensure_future(voice.settle(unknown))
            await asyncio.sleep(1)
            voice.feed([Report(Product.VOICE, message_id="1", custom_id="c", mobile="13911111111")])
            voice.feed([Report(Product.JOIN, message_id="2", custom_id="c", mobile="13800000000")])
            await asyncio.sleep(1)
            assert not settling.done()
            voice.feed([Report(Product.VOICE, message_id="3", custom_id="c", mobile="8613800000000")])
            [report] = (await settling).values()
            assert report is not None
            assert report.message_id == "3"
            assert ids(voice.undelivered_reports) == ["1", "2"]

        with_voice(Script(answers(page())), main)

    def test_a_later_report_of_the_same_call(self) -> None:
        """A second report of a call, with a key, is stored after the first one was handed to its waiter."""

        async def main(voice: AsyncEmayVoice) -> None:
            waiting = asyncio.ensure_future(voice.wait_for_report(Ticket("", "1", "")))
            await asyncio.sleep(1)
            voice.feed([Report(Product.VOICE, message_id="1")])
            assert (await waiting).key_pressed is None
            voice.feed([Report(Product.VOICE, message_id="1", key_pressed="1")])
            assert (await voice.wait_for_report(Ticket("", "1", ""))).key_pressed == "1"

        with_voice(Script(answers(page())), main)

    def test_taking_broken_reports(self) -> None:
        """``take_broken_reports`` returns the pairs of ``broken_reports`` and forgets them."""

        async def main(voice: AsyncEmayVoice) -> None:
            assert await voice.take_reports() == []
            pairs = voice.broken_reports
            assert [raw for raw, _ in pairs] == [7]
            assert voice.take_broken_reports() == list(pairs)
            assert voice.broken_reports == ()
            assert voice.take_broken_reports() == []

        with_voice(Script(answers({"code": "SUCCESS", "data": [7]}), answers(page())), main)

    @pytest.mark.parametrize("wrong", [{}, None, b"{}", "report", 7])
    def test_feeding_other_values(self, wrong: Any) -> None:
        """Values that are no reports are refused by position, and no report of the same call is stored."""

        async def main(voice: AsyncEmayVoice) -> None:
            with pytest.raises(InvalidRequestError, match="reports at position 1: must be Report objects"):
                voice.feed([Report(Product.VOICE, message_id="1"), wrong])
            with pytest.raises(InvalidRequestError, match=r"^reports: must be Report objects"):
                voice.feed(Report)  # type: ignore[arg-type]
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

    @pytest.mark.slow
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

    def test_pages_cancelled_at_every_turn(self) -> None:
        """The reading of pages is cancelled at each turn: each report is recorded once, in order."""
        names = [str(number) for number in range(500)]
        bodies = [json.dumps(page(*names[start : start + 100])).encode() for start in range(0, 500, 100)]

        def scenario() -> Callable[[CancellingLoop], Awaitable[None]]:
            script = Script(*(answers(body, after=0.1) for body in bodies), answers(page(), after=0.1))

            async def play(loop: CancellingLoop) -> None:
                recorded: list[str] = []

                async def consume(voice: AsyncEmayVoice) -> None:
                    async with aclosing(voice.report_pages()) as pages:
                        async for one in pages:
                            await asyncio.sleep(0.01)
                            recorded.extend(ids(one))
                            # From here on a cancellation makes this page come twice, so there is no await.

                async with (
                    script.client() as client,
                    AsyncEmayVoice("http://service", app_id="a", secret_key="s", http_client=client) as voice,
                ):
                    loop.victim = asyncio.ensure_future(consume(voice))
                    await asyncio.wait([loop.victim])
                    await consume(voice)
                assert recorded == names

            return play

        assert cancel_everywhere(scenario) > 60
