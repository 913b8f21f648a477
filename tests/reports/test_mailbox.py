"""Reports that arrived, until somebody takes them."""

import asyncio
import tempfile
from collections import deque
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest
from attrs import define, field
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from support.virtual_time import now, run

from emay_voice_async import InvalidRequestError, Product, Report, ReportTimeoutError, Ticket
from emay_voice_async.errors import UsageError
from emay_voice_async.reports.mailbox import Found, Mailbox, jittered, keys_of
from emay_voice_async.reports.pages import Entry, Key, Page, keys_in
from emay_voice_async.reports.spool import SpooledAnswer


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

    @pytest.mark.parametrize("back", [None, 0, 1])
    def test_the_file_of_what_several_got(self, tmp_path: Path, back: int | None) -> None:
        """Its file counts it once, whoever of them keeps it and whoever gives it back."""

        async def main() -> None:
            mailbox = Mailbox()
            waiting = [asyncio.ensure_future(mailbox.find((("message", "m1"),), 60)) for _ in range(2)]
            await asyncio.sleep(1)
            spooled = page(1, 2)
            spooled.answer = SpooledAnswer(tmp_path / "1.json", 2, broken=False)
            spooled.answer.file.touch()
            mailbox.put(spooled)
            for place, one in enumerate(await asyncio.gather(*waiting)):
                if place == back:
                    mailbox.give_back(one)
                else:
                    one.take()
            assert spooled.answer.file.exists()
            spooled.take(1)
            assert not spooled.answer.file.exists()

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


_PRODUCTS = st.sampled_from(Product)
_CUSTOM_IDS = st.sampled_from(["", "a", "b"])
_ANY = st.integers(0, 99)


@define(eq=False)
class _File:
    """What the model knows of a spooled answer: how many of its reports were not taken."""

    path: Path
    left: int
    broken: bool


@define(eq=False)
class _Arrival:
    """What the model knows of a report that went to those who waited for it."""

    report: Report
    holders: int
    taken: bool = False


@define(eq=False)
class _Holder:
    """Somebody who has a report in hand, and has not said yet what becomes of it."""

    got: Entry | Found
    arrival: _Arrival | None = None


@define(eq=False)
class _Waiting:
    keys: tuple[Key, ...]
    task: asyncio.Task[Found]
    arrival: _Arrival | None = None


@define
class _Model:
    """All that is kept, as one list, and what became of each report and of each file."""

    kept: list[Report] = field(factory=list)
    files: list[_File] = field(factory=list)
    file_of: dict[str, _File] = field(factory=dict)
    taken: list[str] = field(factory=list)

    def of(self, product: Product) -> list[Report]:
        return [report for report in self.kept if report.product is product]

    def take(self, report: Report) -> None:
        self.taken.append(report.message_id)
        if report.message_id in self.file_of:
            self.file_of[report.message_id].left -= 1


class Histories(RuleBasedStateMachine):
    """Plays a history on a mailbox and on a plain list, and compares the two after every step."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self._runner = asyncio.Runner()
        self._mailbox = Mailbox()
        self._model = _Model()
        self._came = 0
        self._consumers: list[tuple[Product, Page]] = []
        self._holders: list[_Holder] = []
        self._waiting: list[_Waiting] = []

    def _do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self._runner.run(work)

    def _page(self, product: Product, custom_ids: list[str], spooled: bool, broken: bool) -> Page:
        """Make a page as an answer brings it, with its file if it is spooled."""
        reports = [
            Report(product, message_id=f"m{number}", custom_id=custom_id)
            for number, custom_id in enumerate(custom_ids, self._came)
        ]
        self._came += len(reports)
        answer = None
        if spooled:
            path = Path(self._folder.name) / f"{len(self._model.files)}.json"
            path.write_bytes(b"{}")
            file = _File(path, len(reports), broken)
            self._model.files.append(file)
            self._model.file_of.update(dict.fromkeys((one.message_id for one in reports), file))
            answer = SpooledAnswer(path, len(reports), broken)
            answer.close_if_empty()
        return Page(deque(reports), answer)

    def _expect_front(self, product: Product, report: Report) -> None:
        expected = self._model.of(product)[0]
        assert report is expected
        self._model.kept.remove(expected)

    @rule(
        product=_PRODUCTS,
        custom_ids=st.lists(_CUSTOM_IDS, max_size=4),
        spooled=st.booleans(),
        broken=st.booleans(),
    )
    def put(self, product: Product, custom_ids: list[str], spooled: bool, broken: bool) -> None:
        """Let an answer come: whoever waits for a report in it gets it, and the rest is kept."""
        page = self._page(product, custom_ids, spooled, broken)
        for report in list(page.reports):
            reached = [
                one for one in self._waiting if one.arrival is None and set(one.keys) & set(keys_in(report))
            ]
            if reached:
                arrival = _Arrival(report, len(reached))
                for one in reached:
                    one.arrival = arrival
            else:
                self._model.kept.append(report)
        self._mailbox.put(page)

    @rule(pages=st.lists(st.tuples(_PRODUCTS, st.lists(_CUSTOM_IDS, max_size=3), st.booleans()), max_size=3))
    def put_back(self, pages: list[tuple[Product, list[str], bool]]) -> None:
        """Let come what a former process left: it is in front of everything."""
        made = [self._page(product, custom_ids, spooled, False) for product, custom_ids, spooled in pages]
        self._model.kept[:0] = [report for page in made for report in page.reports]
        self._mailbox.put_back(made)

    @rule(product=_PRODUCTS)
    def begin(self, product: Product) -> None:
        """One more consumer takes the foremost report, and keeps to its page."""
        page = self._mailbox.front(product)
        if page is None:
            assert not self._model.of(product)
            return
        self._consumers.append((product, page))
        self._take_from(product, page)

    @precondition(lambda self: self._consumers)
    @rule(which=_ANY)
    def go_on(self, which: int) -> None:
        """Take one more from a page that a consumer holds: it is the foremost, whatever came meanwhile."""
        product, page = self._consumers[which % len(self._consumers)]
        if page.reports:
            self._take_from(product, page)
        else:
            self._consumers.remove((product, page))

    def _take_from(self, product: Product, page: Page) -> None:
        report = page.reports.popleft()
        self._expect_front(product, report)
        self._holders.append(_Holder(Entry(report, page.answer)))

    @rule(product=_PRODUCTS, number=st.integers(1, 6))
    def take(self, product: Product, number: int) -> None:
        """Several are taken at once, from as many pages as it needs."""
        taken: list[Report] = []
        while len(taken) < number and (page := self._mailbox.front(product)) is not None:
            taken += page.take(number - len(taken))
        assert len(taken) == min(number, len(self._model.of(product)))
        for report in taken:
            self._expect_front(product, report)
            self._model.take(report)

    @rule(near=st.integers(-8, 4), custom_id=_CUSTOM_IDS, number=st.integers(1, 3))
    def find(self, near: int, custom_id: str, number: int) -> None:
        """Let so many look for a report that came lately or will come soon, and wait if there is none."""
        keys: tuple[Key, ...] = (("message", f"m{self._came + near}"),)
        keys += (("custom", custom_id),) if custom_id else ()
        for _ in range(number):
            there = [report for one in keys for report in self._model.kept if one in keys_in(report)]
            task: asyncio.Task[Found] = self._do(_begun(self._mailbox.find(keys, 3600)))
            assert task.done() == bool(there)
            if there:
                # The first of the ids counts most.
                assert task.result().report is there[0]
                self._model.kept.remove(there[0])
                self._holders.append(_Holder(task.result()))
            else:
                self._waiting.append(_Waiting(keys, task))

    @precondition(lambda self: self._waiting)
    @rule(which=_ANY)
    def come_to_know(self, which: int) -> None:
        """Somebody who waited goes on with what came, if anything did."""
        one = self._waiting[which % len(self._waiting)]
        if one.arrival is not None:
            found = self._do(_awaited(one.task))
            assert found.report is one.arrival.report
            self._holders.append(_Holder(found, one.arrival))
            self._waiting.remove(one)

    @precondition(lambda self: self._waiting)
    @rule(which=_ANY)
    def leave(self, which: int) -> None:
        """Somebody who waits is cancelled, maybe in the moment in which a report comes."""
        one = self._waiting.pop(which % len(self._waiting))
        if one.task.done():
            # It has got it already, and has to give it back itself.
            self._holders.append(_Holder(one.task.result(), one.arrival))
            return
        one.task.cancel()
        self._do(_ended(one.task))
        if one.arrival is not None:
            self._give_back(one.arrival)

    @precondition(lambda self: self._holders)
    @rule(which=_ANY)
    def keep(self, which: int) -> None:
        """Whoever has a report in hand has taken it."""
        holder = self._holders.pop(which % len(self._holders))
        report = holder.got.take()
        if holder.arrival is None or not holder.arrival.taken:
            self._model.take(report)
        if holder.arrival is not None:
            holder.arrival.taken = True

    @precondition(lambda self: self._holders)
    @rule(which=_ANY)
    def give_back(self, which: int) -> None:
        """Whoever has a report in hand gives it back to the front."""
        holder = self._holders.pop(which % len(self._holders))
        if isinstance(holder.got, Found):
            self._mailbox.give_back(holder.got)
        else:
            self._mailbox.put_back([holder.got.as_page()])
        if holder.arrival is None:
            self._model.kept.insert(0, holder.got.report)
        else:
            self._give_back(holder.arrival)

    def _give_back(self, arrival: _Arrival) -> None:
        """Only when all of those who got it have given it back is it there again."""
        arrival.holders -= 1
        if not arrival.holders:
            self._model.kept.insert(0, arrival.report)

    @invariant()
    def agree(self) -> None:
        """Compare what is kept and its order, that nothing was taken twice, and which files there are."""
        by_product = [report for product in Product for report in self._model.of(product)]
        assert list(self._mailbox.reports) == by_product
        for product in Product:
            assert self._mailbox.has(product) == bool(self._model.of(product))
        assert len(set(self._model.taken)) == len(self._model.taken)
        for file in self._model.files:
            assert file.path.exists() == bool(file.left)
            assert file.path.with_suffix(".broken").exists() == (file.broken and not file.left)

    def teardown(self) -> None:
        """Let go of everybody."""
        for one in self._waiting:
            one.task.cancel()
            self._do(_ended(one.task))
        self._runner.close()
        self._folder.cleanup()


async def _begun(work: Coroutine[Any, Any, Found]) -> asyncio.Task[Found]:
    task = asyncio.ensure_future(work)
    # Whoever need not wait comes to its end in the first turn.
    await asyncio.sleep(0)
    return task


async def _awaited(task: asyncio.Task[Found]) -> Found:
    return await task


async def _ended(task: asyncio.Task[Found]) -> None:
    await asyncio.wait([task])


def test_histories() -> None:
    """Each report comes out once, in order, and a file goes exactly with the last report in it."""
    run_state_machine_as_test(Histories, settings=settings(deadline=None, stateful_step_count=40))
