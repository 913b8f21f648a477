"""Reports that arrived, until somebody takes them."""

import asyncio
from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st
from virtual_time import now, run

from emay_voice_async import InvalidRequestError, Product, Report, ReportTimeoutError, Ticket
from emay_voice_async.errors import UsageError
from emay_voice_async.mailbox import Mailbox, jittered, keys_of
from emay_voice_async.pages import Page


def page(*numbers: int, custom: str = "", product: Product = Product.VOICE) -> Page:
    """Make a page of reports that can be told from others."""
    return Page(deque(Report(product, message_id=f"m{number}", custom_id=custom) for number in numbers))


def first(mailbox: Mailbox, product: Product = Product.VOICE) -> str | None:
    """Take the foremost report out."""
    foremost = mailbox.front(product)
    return None if foremost is None else foremost.reports.popleft().message_id


def ids(mailbox: Mailbox, product: Product = Product.VOICE) -> list[str]:
    """Take everything out."""
    taken = []
    while (one := first(mailbox, product)) is not None:
        taken.append(one)
    return taken


class TestOrder:
    """First in, first out."""

    def test_each_product_in_its_order(self) -> None:
        """Reports of a product come out in the order in which they came in."""
        mailbox = Mailbox()
        for number in range(4):
            product = Product.JOIN if number % 2 else Product.VOICE
            mailbox.put(page(number, 10 + number, product=product))
        assert [report.message_id for report in mailbox.reports] == [
            *("m0", "m10", "m2", "m12"),
            *("m1", "m11", "m3", "m13"),
        ]
        assert ids(mailbox) == ["m0", "m10", "m2", "m12"]
        assert (mailbox.has(Product.VOICE), mailbox.has(Product.JOIN)) == (False, True)
        assert ids(mailbox, Product.JOIN) == ["m1", "m11", "m3", "m13"]

    def test_one_custom_id_for_several_calls(self) -> None:
        """Reports with the same custom id are found one after the other, the oldest first."""

        async def main() -> None:
            mailbox = Mailbox()
            for number in range(3):
                mailbox.put(page(number, custom="again"))
            found = [(await mailbox.find((("custom", "again"),), 1)).report.message_id for _ in range(3)]
            assert found == ["m0", "m1", "m2"]

        run(main())


class TestSearchedAndUnsearched:
    """A mailbox that was never searched knows no places; one that was goes on knowing them."""

    @given(st.lists(st.sampled_from(["put", "join", "pop", "back", "find"]), max_size=40))
    def test_no_difference(self, steps: list[str]) -> None:
        """Whether a mailbox was searched before changes nothing that comes out of it."""

        async def main() -> None:
            plain, searched = Mailbox(), Mailbox()
            searched.put(page(-1))
            searched.put(page(-2, product=Product.JOIN))
            await searched.find((("message", "m-1"),), 1)
            for number, step in enumerate(steps):
                for mailbox in (plain, searched):
                    if step in ("put", "join"):
                        product = Product.VOICE if step == "put" else Product.JOIN
                        mailbox.put(page(number, -10 - number, custom=f"c{number % 2}", product=product))
                    elif step == "back":
                        mailbox.put_back([page(number, custom="c0")])
                results: list[str | None] = []
                is_there = any(one.custom_id == "c0" for one in plain.reports)
                for mailbox in (plain, searched):
                    if step == "pop":
                        results.append(first(mailbox))
                    elif step == "find" and is_there:
                        results.append((await mailbox.find((("custom", "c0"),), 1)).report.message_id)
                assert len(set(results)) <= 1
            assert ids(plain) == ids(searched)
            assert ids(plain, Product.JOIN) == ids(searched, Product.JOIN)[1:]

        run(main())


class TestFind:
    """Waiting for the report of one call."""

    def test_it_comes_later(self) -> None:
        """A report that is awaited goes to whoever waits, and is not kept besides."""

        async def main() -> None:
            mailbox = Mailbox()
            waiting = asyncio.ensure_future(mailbox.find((("message", "m1"),), 60))
            await asyncio.sleep(5)
            mailbox.put(page(0, 1))
            assert (await waiting).report.message_id == "m1"
            assert ids(mailbox) == ["m0"]
            assert not mailbox.is_awaited

        run(main())

    def test_it_does_not_come(self) -> None:
        """After the patience an error says how long it was; a late report is kept for others."""

        async def main() -> None:
            mailbox = Mailbox()
            began = now()
            with pytest.raises(ReportTimeoutError, match="within 60 seconds") as caught:
                await mailbox.find((("message", "m1"),), 60)
            assert now() - began == 60
            assert isinstance(caught.value, TimeoutError)
            assert not mailbox.is_awaited
            mailbox.put(page(1))
            assert ids(mailbox) == ["m1"]

        run(main())

    def test_several_wait_for_one(self) -> None:
        """Everybody who waits for the same report gets it."""

        async def main() -> None:
            mailbox = Mailbox()
            waiting = [
                asyncio.ensure_future(mailbox.find((key,), 60))
                for key in (("message", "m1"), ("message", "m1"), ("custom", "c"))
            ]
            await asyncio.sleep(1)
            waiting[0].cancel()
            await asyncio.sleep(0)
            mailbox.put(page(1, custom="c"))
            assert [(await one).report.message_id for one in waiting[1:]] == ["m1", "m1"]
            assert ids(mailbox) == []

        run(main())

    @pytest.mark.parametrize("receivers", [1, 2])
    def test_cancelled_in_the_moment_it_comes(self, receivers: int) -> None:
        """A report whose every receiver is cancelled as it comes is there for the next one, in front."""

        async def main() -> None:
            mailbox = Mailbox()
            waiting = [
                asyncio.ensure_future(mailbox.find((("message", "m1"),), 60)) for _ in range(receivers)
            ]
            await asyncio.sleep(1)
            mailbox.put(page(0, 1))
            for one in waiting:
                one.cancel()
            await asyncio.wait(waiting)
            assert ids(mailbox) == ["m1", "m0"]

        run(main())

    def test_one_of_two_is_cancelled_in_the_moment_it_comes(self) -> None:
        """A report that somebody else got all the same is not kept besides."""

        async def main() -> None:
            mailbox = Mailbox()
            first = asyncio.ensure_future(mailbox.find((("message", "m1"),), 60))
            second = asyncio.ensure_future(mailbox.find((("message", "m1"),), 60))
            await asyncio.sleep(1)
            mailbox.put(page(1))
            second.cancel()
            await asyncio.wait([first, second])
            assert first.result().report.message_id == "m1"
            assert second.cancelled()
            assert ids(mailbox) == []

        run(main())

    def test_none_will_come(self) -> None:
        """When waiting makes no sense any more, everybody gets the error, also who is just leaving."""

        async def main() -> None:
            mailbox = Mailbox()
            waiting = [
                asyncio.ensure_future(mailbox.find((("message", "m1"), ("nameless", "c")), 60))
                for _ in range(2)
            ]
            await asyncio.sleep(1)
            mailbox.fail(UsageError("client", "is closed"))
            waiting[1].cancel()
            await asyncio.sleep(0)
            with pytest.raises(UsageError):
                await waiting[0]
            await asyncio.wait(waiting)
            assert waiting[1].cancelled()

        run(main())

    def test_what_can_be_awaited(self) -> None:
        """A ticket is found by its message id, one without by its custom id, a text as a custom id."""
        assert keys_of(Ticket("13800000000", "m1", "c")) == (("message", "m1"), ("nameless", "c"))
        assert keys_of(Ticket("13800000000", "m1", "")) == (("message", "m1"),)
        assert keys_of(Ticket("13800000000", "", "c")) == (("custom", "c"),)
        assert keys_of("c") == (("custom", "c"),)
        for nothing in ("", None, 5, Ticket("13800000000", "", "")):
            with pytest.raises(InvalidRequestError, match="awaited"):
                keys_of(nothing)  # type: ignore[arg-type]

    def test_a_report_without_message_id(self) -> None:
        """A ticket's custom id finds a report that has no message id, and none of another call."""

        async def main() -> None:
            mailbox = Mailbox()
            keys = keys_of(Ticket("13800000000", "m1", "c"))
            waiting = asyncio.ensure_future(mailbox.find(keys, 60))
            await asyncio.sleep(1)
            mailbox.put(page(0, custom="c"))
            assert mailbox.is_awaited
            mailbox.put(Page(deque([Report(Product.VOICE, custom_id="c")])))
            assert (await waiting).report.message_id == ""
            assert not mailbox.is_awaited
            assert ids(mailbox) == ["m0"]

        run(main())

    @pytest.mark.parametrize("keeper", [None, 0, 1])
    def test_giving_back_what_several_got(self, keeper: int | None) -> None:
        """A report goes back only when everybody who got it gives it back."""

        async def main() -> None:
            mailbox = Mailbox()
            waiting = [asyncio.ensure_future(mailbox.find((("message", "m1"),), 60)) for _ in range(2)]
            await asyncio.sleep(1)
            mailbox.put(page(1))
            for place, one in enumerate(await asyncio.gather(*waiting)):
                if place == keeper:
                    one.take()
                else:
                    mailbox.give_back(one)
            assert ids(mailbox) == (["m1"] if keeper is None else [])

        run(main())

    def test_giving_back_what_was_there_already(self) -> None:
        """A report that nobody had to wait for goes back to the front."""

        async def main() -> None:
            mailbox = Mailbox()
            mailbox.put(page(0, 1, 2))
            mailbox.give_back(await mailbox.find((("message", "m1"),), 60))
            assert ids(mailbox) == ["m1", "m0", "m2"]

        run(main())


class TestNews:
    """Waiting for anything at all."""

    def test_a_report_ends_the_waiting(self) -> None:
        """All who wait for news go on at once when a report is kept."""

        async def main() -> None:
            mailbox = Mailbox()
            waiting = [asyncio.ensure_future(mailbox.news(60)) for _ in range(2)]
            await asyncio.sleep(1)
            began = now()
            mailbox.put(page(0))
            mailbox.wake()
            await asyncio.wait(waiting)
            assert now() == began
            assert not mailbox._idle

        run(main())

    def test_a_page_ends_the_waiting_only_if_something_is_left_of_it(self) -> None:
        """Reports that go to those who wait for them are no news; others are, also in the same page."""

        async def main() -> None:
            mailbox = Mailbox()
            waiting = asyncio.ensure_future(mailbox.news(60))
            search = asyncio.ensure_future(mailbox.find((("message", "m0"),), 60))
            await asyncio.sleep(1)
            began = now()
            mailbox.put(page(0))
            await search
            await asyncio.sleep(1)
            assert not waiting.done()
            mailbox.put(page(1))
            await waiting
            assert now() == began + 1

        run(main())

    def test_the_interval(self) -> None:
        """Without news it takes the interval."""

        async def main() -> None:
            mailbox = Mailbox()
            began = now()
            await mailbox.news(10)
            assert now() - began == 10

        run(main())


def test_jitter() -> None:
    """Intervals are about what they are to be, and not always the same."""
    seconds = [jittered(10) for _ in range(100)]
    assert 8 <= min(seconds) < max(seconds) <= 12
