"""The background reader."""

import asyncio
import itertools
import sys
from contextlib import aclosing

import httpx
import pytest
from support.clients import ids, living, page, with_voice
from support.http_transport import Script, Step, accepts, answers, code, raises
from support.virtual_time import now, run

from emay_voice_async import (
    AccountError,
    AsyncEmayVoice,
    Notice,
    NotSentError,
    OnKey,
    Product,
    ReportTimeoutError,
    Ticket,
    VoiceSms,
)


class TestBackground:
    """Requests while calls wait for reports."""

    @pytest.mark.slow
    def test_ten_thousand_wait(self) -> None:
        """10,000 calls wait at once; one background reader asks for all, and each call gets its report."""
        names = [str(number) for number in range(10_000)]
        pages = [answers(page(*names[start : start + 1000])) for start in range(0, 10_000, 1000)]
        script = Script(*reversed(pages), answers(page()))

        async def main(voice: AsyncEmayVoice) -> None:
            waiting = [voice.wait_for_report(Ticket("", name, "")) for name in names]
            assert ids(await asyncio.gather(*waiting)) == names
            assert len(script.requests) <= 11
            assert voice.undelivered_reports == ()

        with_voice(script, main)

    def test_the_products_that_were_sent_to(self) -> None:
        """Without a product, the products of earlier sends are asked for; without earlier sends, voice."""

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

    def test_trouble_in_the_background(self, caplog: pytest.LogCaptureFixture) -> None:
        """The background reader survives transient errors, and keeps unreadable answers."""
        script = Script(
            raises(httpx.ReadError("...")),
            answers(b"<html>"),
            answers(b"", status=500),
            answers(page("1")),
            answers(page()),
        )

        async def main(voice: AsyncEmayVoice) -> None:
            assert (await voice.wait_for_report(Ticket("", "1", ""))).message_id == "1"
            # The body of another status than 200 is not kept: the service sends reports with 200.
            assert [raw for raw, _ in voice.broken_reports] == [b"<html>"]

        with_voice(script, main)
        assert caplog.text.count("may have been lost") == 3

    def test_the_account_may_not_ask(self) -> None:
        """A permanent refusal is raised in all waiters."""

        async def main(voice: AsyncEmayVoice) -> None:
            waiting = [voice.wait_for_report("a"), voice.wait_for_report("b")]
            errors = await asyncio.gather(*waiting, return_exceptions=True)
            assert [type(error) for error in errors] == [AccountError, AccountError]

        with_voice(Script(code("ERROR_SIGN")), main)

    def test_a_product_that_may_not_be_asked_for(self) -> None:
        """A refusal for one product does not end the waiting for the other."""

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

    @pytest.mark.parametrize("step", [answers(b"", status=404), code("ERROR_SIGN")])
    def test_a_permanent_error_ends_the_waiting_at_once(self, step: Step) -> None:
        """A wrong address or account is raised by ``wait_for_report`` at once, and by a follower."""

        async def main(voice: AsyncEmayVoice) -> None:
            began = now()
            with pytest.raises((NotSentError, AccountError)):
                await voice.wait_for_report("c", timeout=60)
            with pytest.raises((NotSentError, AccountError)):
                await anext(voice.reports(follow=True))
            assert now() - began < 5
            assert voice.stats.report_failures == 0

        with_voice(Script(step), main)

    def test_a_status_after_good_responses_may_pass(self) -> None:
        """A 404 after a good response is survived by followers and waiters."""
        script = Script(
            answers(page()),
            *[answers(b"", status=404)] * 3,
            answers(page("1")),
            *[answers(b"", status=404)] * 3,
            answers(page("2")),
        )

        async def main(voice: AsyncEmayVoice) -> None:
            async with aclosing(voice.reports(follow=True, poll_interval=1)) as stream:
                assert (await anext(stream)).message_id == "1"
            assert (await voice.wait_for_report(Ticket("", "2", ""))).message_id == "2"
            assert voice.stats.report_failures == 6

        with_voice(script, main)

    @pytest.mark.parametrize(
        ("step", "failures"),
        [(raises(httpx.ReadError("...")), 4), (answers({"code": "SUCCESS", "data": [7]}), 0)],
    )
    def test_pauses_of_the_background_reader_grow(self, step: Step, failures: int) -> None:
        """The background reader waits longer after each failure, or response without a readable report, in a row."""
        script = Script(*[step] * 4, answers(page("1")))

        async def main(voice: AsyncEmayVoice) -> None:
            assert (await voice.wait_for_report(Ticket("", "1", ""))).message_id == "1"
            assert voice.stats.report_failures == failures

        with_voice(script, main)
        pauses = [later - earlier for earlier, later in itertools.pairwise(script.at)]
        for pause, expected in zip(pauses, (2, 4, 8, 16), strict=True):
            assert 0.79 * expected < pause < 1.21 * expected
