"""The mailbox: order, searches and waiters."""

import asyncio
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

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

from emay_voice_async import Product, Report, ReportTimeoutError, Ticket
from emay_voice_async.errors import UsageError
from emay_voice_async.reports.mailbox import Mailbox
from emay_voice_async.reports.pages import Page, StoredReport
from emay_voice_async.reports.searches import ReportId, Search, ids_of, search_for
from emay_voice_async.reports.spool import SpooledAnswer

_Result = TypeVar("_Result")


def page(*numbers: int, custom: str = "", product: Product = Product.VOICE) -> Page:
    """Make a page of distinguishable reports."""
    return Page(product, [Report(product, message_id=f"m{number}", custom_id=custom) for number in numbers])


def by_message(message_id: str) -> Search:
    """Search by message id."""
    return Search((("message", message_id),))


def take(mailbox: Mailbox, product: Product = Product.VOICE) -> str | None:
    """Take the oldest report of a product; None: no report is stored."""
    pages = mailbox.pages(product)
    return pages[0].take(1)[0].message_id if pages else None


def ids(mailbox: Mailbox, product: Product = Product.VOICE) -> list[str]:
    """Take all reports of a product."""
    taken = []
    while (message_id := take(mailbox, product)) is not None:
        taken.append(message_id)
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
        """Reports with the same custom id are found in order, the oldest first."""

        async def main() -> None:
            mailbox = Mailbox()
            for number in range(3):
                mailbox.put(page(number, custom="again"))
            found = [(await mailbox.find(search_for("again"), 1)).report.message_id for _ in range(3)]
            assert found == ["m0", "m1", "m2"]

        run(main())


class TestSearchedAndUnsearched:
    """A mailbox without an index of ids, and a mailbox with an index."""

    @given(st.lists(st.sampled_from(["put", "join", "take", "back", "find"]), max_size=40))
    def test_no_difference(self, steps: list[str]) -> None:
        """A search before changes neither the reports that are taken later nor their order."""

        async def main() -> None:
            plain, searched = Mailbox(), Mailbox()
            searched.put(page(-1))
            searched.put(page(-2, product=Product.JOIN))
            await searched.find(by_message("m-1"), 1)
            for number, step in enumerate(steps):
                for mailbox in (plain, searched):
                    if step in ("put", "join"):
                        product = Product.VOICE if step == "put" else Product.JOIN
                        mailbox.put(page(number, -10 - number, custom=f"c{number % 2}", product=product))
                    elif step == "back":
                        mailbox.put_back([page(number, custom="c0")])
                results: list[str | None] = []
                is_there = any(report.custom_id == "c0" for report in plain.reports)
                for mailbox in (plain, searched):
                    if step == "take":
                        results.append(take(mailbox))
                    elif step == "find" and is_there:
                        results.append((await mailbox.find(search_for("c0"), 1)).report.message_id)
                assert len(set(results)) <= 1
            assert ids(plain) == ids(searched)
            assert ids(plain, Product.JOIN) == ids(searched, Product.JOIN)[1:]

        run(main())


class TestFind:
    """Waiting for the report of one call."""

    def test_a_report_arrives_later(self) -> None:
        """An awaited report is handed to its waiter and not stored."""

        async def main() -> None:
            mailbox = Mailbox()
            waiting = asyncio.ensure_future(mailbox.find(by_message("m1"), 60))
            await asyncio.sleep(5)
            mailbox.put(page(0, 1))
            assert (await waiting).report.message_id == "m1"
            assert ids(mailbox) == ["m0"]
            assert not mailbox.is_awaited

        run(main())

    def test_it_does_not_come(self) -> None:
        """After the timeout a ReportTimeoutError names the seconds; a late report is stored."""

        async def main() -> None:
            mailbox = Mailbox()
            began = now()
            with pytest.raises(ReportTimeoutError, match="within 60 seconds") as caught:
                await mailbox.find(by_message("m1"), 60)
            assert now() - began == 60
            assert isinstance(caught.value, TimeoutError)
            assert not mailbox.is_awaited
            mailbox.put(page(1))
            assert ids(mailbox) == ["m1"]

        run(main())

    def test_several_wait_for_one(self) -> None:
        """All waiters for a report get the report."""

        async def main() -> None:
            mailbox = Mailbox()
            waiting = [
                asyncio.ensure_future(mailbox.find(Search((key,)), 60))
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
        """A report whose waiters are all cancelled in the turn of its arrival is put back in front."""

        async def main() -> None:
            mailbox = Mailbox()
            waiting = [asyncio.ensure_future(mailbox.find(by_message("m1"), 60)) for _ in range(receivers)]
            await asyncio.sleep(1)
            mailbox.put(page(0, 1))
            for one in waiting:
                one.cancel()
            await asyncio.wait(waiting)
            assert ids(mailbox) == ["m1", "m0"]

        run(main())

    def test_one_of_two_is_cancelled_in_the_moment_it_comes(self) -> None:
        """A report that another waiter got is not put back when this waiter is cancelled."""

        async def main() -> None:
            mailbox = Mailbox()
            first = asyncio.ensure_future(mailbox.find(by_message("m1"), 60))
            second = asyncio.ensure_future(mailbox.find(by_message("m1"), 60))
            await asyncio.sleep(1)
            mailbox.put(page(1))
            second.cancel()
            await asyncio.wait([first, second])
            assert first.result().report.message_id == "m1"
            assert second.cancelled()
            assert ids(mailbox) == []

        run(main())

    def test_failing_the_waiters(self) -> None:
        """``fail`` raises its error in all waiters, and a cancelled waiter stays cancelled."""

        async def main() -> None:
            mailbox = Mailbox()
            waiting = [
                asyncio.ensure_future(mailbox.find(Search((("message", "m1"), ("nameless", "c"))), 60))
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

    def test_a_report_without_message_id(self) -> None:
        """A ticket's custom id finds a report that has no message id, and none of another call."""

        async def main() -> None:
            mailbox = Mailbox()
            search = search_for(Ticket("13800000000", "m1", "c"))
            waiting = asyncio.ensure_future(mailbox.find(search, 60))
            await asyncio.sleep(1)
            mailbox.put(page(0, custom="c"))
            assert mailbox.is_awaited
            mailbox.put(Page(Product.VOICE, [Report(Product.VOICE, custom_id="c")]))
            assert (await waiting).report.message_id == ""
            assert not mailbox.is_awaited
            assert ids(mailbox) == ["m0"]

        run(main())

    @pytest.mark.parametrize("keeper", [None, 0, 1])
    def test_giving_back_what_several_got(self, keeper: int | None) -> None:
        """A report is put back only when all holders give it back."""

        async def main() -> None:
            mailbox = Mailbox()
            waiting = [asyncio.ensure_future(mailbox.find(by_message("m1"), 60)) for _ in range(2)]
            await asyncio.sleep(1)
            mailbox.put(page(1))
            for place, one in enumerate(await asyncio.gather(*waiting)):
                if place == keeper:
                    one.confirm()
                else:
                    mailbox.give_back(one)
            assert ids(mailbox) == (["m1"] if keeper is None else [])

        run(main())

    @pytest.mark.parametrize("back", [None, 0, 1])
    def test_the_file_of_what_several_got(self, tmp_path: Path, back: int | None) -> None:
        """The file counts a shared report once, whichever holder confirms and whichever gives back."""

        async def main() -> None:
            mailbox = Mailbox()
            waiting = [asyncio.ensure_future(mailbox.find(by_message("m1"), 60)) for _ in range(2)]
            await asyncio.sleep(1)
            spooled = page(1, 2)
            spooled.answer = SpooledAnswer(tmp_path / "1.json", 2, broken=False)
            spooled.answer.file.touch()
            mailbox.put(spooled)
            for place, one in enumerate(await asyncio.gather(*waiting)):
                if place == back:
                    mailbox.give_back(one)
                else:
                    one.confirm()
            assert spooled.answer.file.exists()
            assert ids(mailbox)[-1:] == ["m2"]
            assert not spooled.answer.file.exists()

        run(main())

    def test_giving_back_what_was_there_already(self) -> None:
        """A report that was found without waiting is put back in front."""

        async def main() -> None:
            mailbox = Mailbox()
            mailbox.put(page(0, 1, 2))
            mailbox.give_back(await mailbox.find(by_message("m1"), 60))
            assert ids(mailbox) == ["m1", "m0", "m2"]

        run(main())


class TestNews:
    """Waiting until any report is stored."""

    def test_a_report_ends_the_waiting(self) -> None:
        """A stored report ends all waiting for news at once."""

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
        """Reports that are handed to waiters are no news; stored reports are."""

        async def main() -> None:
            mailbox = Mailbox()
            waiting = asyncio.ensure_future(mailbox.news(60))
            search = asyncio.ensure_future(mailbox.find(by_message("m0"), 60))
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
        """Without news the waiting lasts for the given seconds."""

        async def main() -> None:
            mailbox = Mailbox()
            began = now()
            await mailbox.news(10)
            assert now() - began == 10

        run(main())


_PRODUCTS = st.sampled_from(Product)
_CUSTOM_IDS = st.sampled_from(["", "a", "b"])
_MOBILES = st.sampled_from(["", "1", "2"])
_ANY = st.integers(0, 99)


@define(eq=False)
class _File:
    """A spooled answer in the model: the number of its reports that were not taken."""

    path: Path
    left: int
    broken: bool


@define(eq=False)
class _Arrival:
    """A report in the model that was handed to its waiters."""

    report: Report
    holders: int
    taken: bool = False


@define(eq=False)
class _Holder:
    """A caller that has a report and has neither confirmed it nor given it back."""

    stored: StoredReport
    arrival: _Arrival | None = None


@define(eq=False)
class _Waiting:
    """A caller that waits for a report."""

    search: Search
    task: asyncio.Task[StoredReport]
    arrival: _Arrival | None = None


@define
class _Model:
    """All stored reports as one list, the reports that were taken, and the files."""

    stored: list[Report] = field(factory=list)
    files: list[_File] = field(factory=list)
    file_of: dict[str, _File] = field(factory=dict)
    taken: list[str] = field(factory=list)

    def of(self, product: Product) -> list[Report]:
        """List the stored reports of a product."""
        return [report for report in self.stored if report.product is product]

    def take(self, report: Report) -> None:
        """Count a report as taken for good."""
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
        self._count = 0
        self._holders: list[_Holder] = []
        self._waiting: list[_Waiting] = []
        self._idle: list[asyncio.Task[None]] = []
        self._reserved: list[int] = []
        self._places: dict[str, int] = {}

    def _do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self._runner.run(work)

    def _page(self, product: Product, custom_ids: list[str], spooled: bool, broken: bool) -> Page:
        """Make the page of an answer, with a file if the answer is spooled."""
        reports = [
            Report(product, message_id=f"m{number}", custom_id=custom_id, mobile=["1", "2", ""][number % 3])
            for number, custom_id in enumerate(custom_ids, self._count)
        ]
        self._count += len(reports)
        answer = None
        if spooled:
            path = Path(self._folder.name) / f"{len(self._model.files)}.json"
            path.write_bytes(b"{}")
            file = _File(path, len(reports), broken)
            self._model.files.append(file)
            self._model.file_of.update({report.message_id: file for report in reports})
            answer = SpooledAnswer(path, len(reports), broken)
            answer.close_if_empty()
        return Page(product, reports, answer)

    def _without_awaited(self, reports: list[Report]) -> list[Report]:
        """Let the model hand reports to the callers that wait for them; return the others."""
        others = []
        for report in reports:
            reached = [
                caller
                for caller in self._waiting
                if caller.arrival is None and _accepting(caller.search, report)
            ]
            arrival = _Arrival(report, len(reached))
            for caller in reached:
                caller.arrival = arrival
            if not reached:
                others.append(report)
        return others

    def _expect_front(self, product: Product, report: Report) -> None:
        expected = self._model.of(product)[0]
        assert report is expected
        self._model.stored.remove(expected)

    @rule(
        product=_PRODUCTS,
        custom_ids=st.lists(_CUSTOM_IDS, max_size=4),
        spooled=st.booleans(),
        broken=st.booleans(),
    )
    def put(self, product: Product, custom_ids: list[str], spooled: bool, broken: bool) -> None:
        """Let an answer arrive: waiters get their reports, and the others are stored behind."""
        self._put(self._page(product, custom_ids, spooled, broken), self._mailbox.reserve())

    def _put(self, page: Page, place: int) -> None:
        page.place = place
        others = self._without_awaited(list(page))
        self._places.update({report.message_id: place for report in page})
        later = [report for report in self._model.stored if self._places.get(report.message_id, 0) > place]
        position = self._model.stored.index(later[0]) if later else len(self._model.stored)
        self._model.stored[position:position] = others
        self._mailbox.put(page)
        self._expect_news(bool(others))

    @rule()
    def request(self) -> None:
        """Make a request, whose answer comes later."""
        self._reserved.append(self._mailbox.reserve())

    @precondition(lambda self: self._reserved)
    @rule(which=_ANY, product=_PRODUCTS, custom_ids=st.lists(_CUSTOM_IDS, max_size=3))
    def answer_late(self, which: int, product: Product, custom_ids: list[str]) -> None:
        """Let a late answer arrive: the reports are stored in the order of the requests."""
        self._put(
            self._page(product, custom_ids, False, False), self._reserved.pop(which % len(self._reserved))
        )

    @rule(pages=st.lists(st.tuples(_PRODUCTS, st.lists(_CUSTOM_IDS, max_size=3), st.booleans()), max_size=3))
    def put_back(self, pages: list[tuple[Product, list[str], bool]]) -> None:
        """Put pages back: waiters get their reports, and the others are stored in front."""
        made = [self._page(product, custom_ids, spooled, False) for product, custom_ids, spooled in pages]
        others = self._without_awaited([report for page in made for report in page])
        self._model.stored[:0] = others
        self._mailbox.put_back(made)
        self._expect_news(bool(others))

    @rule(product=_PRODUCTS)
    def take_one(self, product: Product) -> None:
        """Let a stream take the oldest report, still unconfirmed."""
        pages = self._mailbox.pages(product)
        if not pages:
            assert not self._model.of(product)
            return
        report = pages[0].reports.pop()
        assert report is not None
        self._expect_front(product, report)
        self._holders.append(_Holder(StoredReport(report, pages[0].answer)))

    @rule(product=_PRODUCTS, number=st.integers(1, 6))
    def take(self, product: Product, number: int) -> None:
        """Take several reports at once, from as many pages as needed."""
        taken: list[Report] = []
        while len(taken) < number and (pages := self._mailbox.pages(product)):
            taken += pages[0].take(number - len(taken))
        assert len(taken) == min(number, len(self._model.of(product)))
        for report in taken:
            self._expect_front(product, report)
            self._model.take(report)

    @rule(
        near=st.integers(-8, 4),
        custom_id=_CUSTOM_IDS,
        number=st.integers(1, 3),
        product=st.none() | _PRODUCTS,
        mobile=_MOBILES,
    )
    def find(self, near: int, custom_id: str, number: int, product: Product | None, mobile: str) -> None:
        """Let callers search for a report that was stored lately or comes soon."""
        ids: tuple[ReportId, ...] = (("message", f"m{self._count + near}"),)
        ids += (("custom", custom_id),) if custom_id else ()
        search = Search(ids, mobile, product)
        for _ in range(number):
            stored = [
                report for key in ids for report in self._model.stored if key in _accepting(search, report)
            ]
            task: asyncio.Task[StoredReport] = self._do(_begun(self._mailbox.find(search, 3600)))
            assert task.done() == bool(stored)
            if stored:
                # The first of the ids counts most.
                assert task.result().report is stored[0]
                self._model.stored.remove(stored[0])
                self._holders.append(_Holder(task.result()))
            else:
                self._waiting.append(_Waiting(search, task))

    @rule()
    def wait_for_news(self) -> None:
        """Let a follower wait until any report is stored."""
        self._idle.append(self._do(_begun(self._mailbox.news(3600))))

    def _expect_news(self, expected: bool) -> None:
        """Expect that followers are woken when a report was stored."""
        for task in self._idle if expected else ():
            self._do(_ended(task))
        if expected:
            self._idle.clear()

    @precondition(lambda self: self._waiting)
    @rule(which=_ANY)
    def receive(self, which: int) -> None:
        """Let a caller that waited go on with the report that arrived."""
        caller = self._waiting[which % len(self._waiting)]
        if caller.arrival is not None:
            stored = self._do(_result_of(caller.task))
            assert stored.report is caller.arrival.report
            self._holders.append(_Holder(stored, caller.arrival))
            self._waiting.remove(caller)

    @precondition(lambda self: self._waiting)
    @rule(which=_ANY)
    def leave(self, which: int) -> None:
        """Cancel a caller that waits, perhaps in the turn in which its report arrived."""
        caller = self._waiting.pop(which % len(self._waiting))
        if caller.task.done():
            self._holders.append(_Holder(caller.task.result(), caller.arrival))
            return
        caller.task.cancel()
        self._do(_ended(caller.task))
        if caller.arrival is not None:
            self._given_back(caller.arrival.report, caller.arrival)

    @precondition(lambda self: self._holders)
    @rule(which=_ANY)
    def confirm(self, which: int) -> None:
        """Let a holder keep its report."""
        holder = self._holders.pop(which % len(self._holders))
        report = holder.stored.confirm()
        if holder.arrival is None or not holder.arrival.taken:
            self._model.take(report)
        if holder.arrival is not None:
            holder.arrival.taken = True

    @precondition(lambda self: self._holders)
    @rule(which=_ANY)
    def give_back(self, which: int) -> None:
        """Let a holder give its report back."""
        holder = self._holders.pop(which % len(self._holders))
        self._mailbox.give_back(holder.stored)
        self._given_back(holder.stored.report, holder.arrival)

    def _given_back(self, report: Report, arrival: _Arrival | None) -> None:
        """After its last holder, expect a report at its waiters, or in front."""
        if arrival is not None:
            arrival.holders -= 1
        if arrival is None or not arrival.holders:
            others = self._without_awaited([report])
            self._places[report.message_id] = 0
            self._model.stored[:0] = others
            self._expect_news(bool(others))

    @invariant()
    def agree(self) -> None:
        """Compare the stored reports and their order, and the files; no report was taken twice."""
        by_product = [report for product in Product for report in self._model.of(product)]
        assert list(self._mailbox.reports) == by_product
        for product in Product:
            assert self._mailbox.has(product) == bool(self._model.of(product))
        assert len(set(self._model.taken)) == len(self._model.taken)
        for file in self._model.files:
            assert file.path.exists() == bool(file.left)
            assert file.path.with_suffix(".broken").exists() == (file.broken and not file.left)

    def teardown(self) -> None:
        """Cancel all callers that still wait."""
        for task in [*self._idle, *(caller.task for caller in self._waiting)]:
            task.cancel()
            self._do(_ended(task))
        self._runner.close()
        self._folder.cleanup()


def _accepting(search: Search, report: Report) -> list[ReportId]:
    """Return the ids by which a search accepts a report."""
    if search.product not in (None, report.product):
        return []
    same = not search.mobile or report.mobile in ("", search.mobile)
    return [key for key in search.ids if key in ids_of(report) and (same or key[0] == "message")]


async def _begun(work: "Coroutine[Any, Any, _Result]") -> "asyncio.Task[_Result]":
    task = asyncio.ensure_future(work)
    # A search that need not wait ends in the first turn.
    await asyncio.sleep(0)
    return task


async def _result_of(task: asyncio.Task[StoredReport]) -> StoredReport:
    return await task


async def _ended(task: asyncio.Task[Any]) -> None:
    done, _ = await asyncio.wait([task], timeout=10)
    assert done


@pytest.mark.slow
def test_histories() -> None:
    """Each report is handed out once, in order, and a file is removed exactly with the last report."""
    run_state_machine_as_test(Histories, settings=settings(deadline=None, stateful_step_count=40))
