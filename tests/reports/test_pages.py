"""The store of reports, in pages and by their ids."""

import sys
from pathlib import Path

import pytest
from support.virtual_time import run

from emay_voice_async import Product, Report
from emay_voice_async.reports.mailbox import Mailbox
from emay_voice_async.reports.pages import Page, Pages, StoredReport
from emay_voice_async.reports.searches import Search, search_for
from emay_voice_async.reports.spool import SpooledAnswer


def page(*numbers: int, custom: str = "", product: Product = Product.VOICE) -> Page:
    """Make a page of distinguishable reports."""
    return Page(product, [Report(product, message_id=f"m{number}", custom_id=custom) for number in numbers])


def ids(reports: "Page | Pages") -> list[str]:
    """List the message ids of stored reports."""
    return [report.message_id for report in (reports if isinstance(reports, Page) else reports.reports)]


def by_message(message_id: str) -> Search:
    """Search by message id."""
    return Search((("message", message_id),))


def pop(pages: Pages, product: Product = Product.VOICE) -> str:
    """Take the oldest report of a product."""
    [report] = pages.of(product)[0].take(1)
    return report.message_id


class TestPage:
    """Reports that arrived together."""

    def test_taking_in_order(self, tmp_path: Path) -> None:
        """``take`` returns up to ``number`` reports, and the file is removed with the last report."""
        file = tmp_path / "1.json"
        file.touch()
        spooled = page(1, 2, 3)
        spooled.answer = SpooledAnswer(file, 3, broken=False)
        assert [report.message_id for report in spooled.take(2)] == ["m1", "m2"]
        assert file.exists()
        assert [report.message_id for report in spooled.take(2)] == ["m3"]
        assert not file.exists()

    def test_taking_at_a_position(self) -> None:
        """A report is taken at its position once, also while the others are taken in order."""
        several = page(1, 2, 3, 4)
        positions = {report.message_id: position for position, report in several.positions()}
        assert list(positions) == ["m1", "m2", "m3", "m4"]
        stored = several.take_at(positions["m2"])
        assert stored.report.message_id == "m2"
        assert several.at(positions["m2"]) is None
        assert [report.message_id for _, report in several.positions()] == ["m1", "m3", "m4"]
        assert [report.message_id for report in several.take(2)] == ["m1", "m3"]
        assert several.at(positions["m1"]) is None
        assert several.at(positions["m4"]) is not None
        assert [report.message_id for _, report in several.positions()] == ["m4"]

    def test_an_empty_page_is_false(self) -> None:
        """A page is true while a report is left."""
        several = page(1, 2)
        assert several
        for position, _ in list(several.positions()):
            several.take_at(position)
        assert not several
        assert not page()


class TestPages:
    """The order of pages."""

    def test_order(self) -> None:
        """``put`` stores behind all others, ``put_back`` in front of them."""
        pages = Pages()
        pages.put(page(1, 2))
        pages.put(page(3, product=Product.JOIN))
        pages.put_back(page(4, 5))
        pages.put(page(6))
        assert ids(pages) == ["m4", "m5", "m1", "m2", "m6", "m3"]
        assert [pop(pages) for _ in range(5)] == ["m4", "m5", "m1", "m2", "m6"]
        assert (len(pages.of(Product.VOICE)), len(pages.of(Product.JOIN))) == (0, 1)

    def test_the_front_page_is_looked_up(self) -> None:
        """A task that holds the pages of a product takes a report that was put in front meanwhile first."""
        pages = Pages()
        pages.put(page(1, 2))
        held = pages.of(Product.VOICE)
        assert pop(pages) == "m1"
        pages.put_back(page(1))
        assert [report.message_id for report in held[0].take(1)] == ["m1"]
        assert pop(pages) == "m2"

    @pytest.mark.parametrize("searched", [False, True])
    def test_a_reserved_place(self, *, searched: bool) -> None:
        """A page with an earlier place is stored in front of later pages, and found in that order."""
        pages = Pages()
        places = [pages.reserve() for _ in range(3)]
        for place, number in ((places[1], 2), (places[2], 3), (places[0], 1)):
            if searched:
                assert pages.find(search_for("other")) is None
            late = page(number, custom="c")
            late.place = place
            pages.put(late)
        pages.put(page(4, custom="c"))
        assert ids(pages) == ["m1", "m2", "m3", "m4"]
        found = [pages.find(search_for("c")) for _ in range(5)]
        assert [stored and stored.report.message_id for stored in found] == ["m1", "m2", "m3", "m4", None]

    def test_room(self) -> None:
        """Room is counted without the reports that were taken."""
        pages = Pages()
        pages.put(page(1, 2, 3))
        assert [pages.has_room(number, 5) for number in (1, 2, 3)] == [True, True, False]
        pop(pages)
        assert [pages.has_room(number, 5) for number in (1, 3, 4)] == [True, True, False]
        pages.put_back(page(4))
        assert not pages.has_room(3, 5)


class TestSearch:
    """Reports by their ids."""

    def test_the_oldest_of_several(self) -> None:
        """Of reports with the same id the oldest is found first, across the products."""
        pages = Pages()
        pages.put(page(1, custom="c"))
        pages.put(page(2, custom="c", product=Product.JOIN))
        pages.put_back(page(3, 4, custom="c", product=Product.JOIN))
        found = []
        while (stored := pages.find(search_for("c"))) is not None:
            found.append(stored.report.message_id)
            pages.put_back(page(9))
            pages.put(page(10))
        assert found == ["m3", "m4", "m1", "m2"]

    @pytest.mark.parametrize("in_front", [False, True])
    def test_reports_that_come_after_a_search(self, *, in_front: bool) -> None:
        """A report that is stored after the first search is found, too."""
        pages = Pages()
        pages.put(page(1, custom="c"))
        assert pages.find(by_message("m9")) is None
        (pages.put_back if in_front else pages.put)(page(2, 3, custom="c"))
        found = [pages.find(search_for("c")) for _ in range(4)]
        expected = ["m2", "m3", "m1", None] if in_front else ["m1", "m2", "m3", None]
        assert [stored and stored.report.message_id for stored in found] == expected

    def test_a_report_that_was_taken_in_order(self) -> None:
        """The index does not find a report that was taken in order before."""
        pages = Pages()
        pages.put(page(1, 2, custom="c"))
        assert pages.find(by_message("m9")) is None
        assert pop(pages) == "m1"
        assert pages.find(by_message("m1")) is None
        found = pages.find(search_for("c"))
        assert found is not None
        assert found.report.message_id == "m2"

    def test_an_empty_store_has_no_index(self) -> None:
        """The index is dropped when no report is left, so that taking in order costs as little as before."""
        pages = Pages()
        pages.put(page(1))
        assert pages.find(by_message("m1")) is not None
        assert pages.find(by_message("m1")) is None
        assert pages._index is None

    def test_the_index_forgets_what_was_taken(self) -> None:
        """The index of a store that is never empty forgets reports that were taken."""
        pages = Pages()
        pages.put(page(-1, product=Product.JOIN))
        for number in range(5000):
            pages.put(page(number))
            assert pop(pages) == f"m{number}"
            assert pages.find(by_message(f"m{number}")) is None
        assert pages._index is not None
        assert len(pages._index._positions) < 1100


def test_a_report_is_confirmed_once(tmp_path: Path) -> None:
    """Several holders of a report count once in the file."""
    answer = SpooledAnswer(tmp_path / "1.json", 2, broken=False)
    answer.file.touch()
    stored = StoredReport(Report(Product.VOICE, message_id="m"), answer, holders=2)
    assert stored.confirm() is stored.confirm()
    assert (answer.left, answer.file.exists()) == (1, True)


def _calls(number: int) -> int:
    """Count the function calls in searching, taking, giving back and putting by turns, with so many pages."""
    calls = 0

    def count(_frame: object, _event: str, _argument: object) -> None:
        nonlocal calls
        calls += 1

    async def main() -> None:
        mailbox = Mailbox()
        for place in range(number):
            mailbox.put(page(*range(10 * place, 10 * place + 10)))
        for place in range(number):
            found = await mailbox.find(by_message(f"m{10 * number - 1 - place}"), 1)
            mailbox.pages(Product.VOICE)[0].take(1)
            mailbox.give_back(found)
            mailbox.put(page(-place))
            assert mailbox.has(Product.VOICE)
        while mailbox.has(Product.VOICE):
            mailbox.put_back([page(-1)])
            for _ in range(3):
                if pages := mailbox.pages(Product.VOICE):
                    pages[0].take(1)

    sys.setprofile(count)
    try:
        run(main())
    finally:
        sys.setprofile(None)
    return calls


def test_the_price_of_a_report_does_not_grow() -> None:
    """With eight times as many reports the number of steps is about eight times as large."""
    few, many = _calls(25), _calls(200)
    assert many < 9 * few
