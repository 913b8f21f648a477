"""Reports that nobody has taken, in pages and by their ids."""

import sys
from collections import deque
from pathlib import Path

import pytest
from support.virtual_time import run

from emay_voice_async import Product, Report
from emay_voice_async.reports.mailbox import Mailbox
from emay_voice_async.reports.pages import Index, Page, Pages, keys_in
from emay_voice_async.reports.spool import SpooledAnswer


def page(*numbers: int, custom: str = "", product: Product = Product.VOICE) -> Page:
    """Make a page of reports that can be told from others."""
    return Page(deque(Report(product, message_id=f"m{number}", custom_id=custom) for number in numbers))


def ids(one: Page | None) -> list[str] | None:
    """List the message ids in a page."""
    return None if one is None else [report.message_id for report in one.reports]


@pytest.fixture(params=[Pages, Index])
def kept(request: pytest.FixtureRequest) -> Pages | Index:
    """Provide each of the two ways to keep reports."""
    made: Pages | Index = request.param()
    return made


def test_what_a_report_can_be_found_by() -> None:
    """Its ids, as far as it has any; its custom id is also that of a nameless one if it has no other."""
    assert keys_in(Report(Product.VOICE, "", "m", "c")) == [("message", "m"), ("custom", "c")]
    assert keys_in(Report(Product.VOICE, "", "", "c")) == [("custom", "c"), ("nameless", "c")]
    assert keys_in(Report(Product.VOICE, mobile="13800000000")) == []


def test_taking_from_a_page(tmp_path: Path) -> None:
    """Up to so many come out, in order, and the file goes with the last of them."""
    file = tmp_path / "1.json"
    file.touch()
    one = page(1, 2, 3)
    one.answer = SpooledAnswer(file, 3, broken=False)
    assert [report.message_id for report in one.take(2)] == ["m1", "m2"]
    assert file.exists()
    assert [report.message_id for report in one.take(2)] == ["m3"]
    assert not file.exists()


class TestBoth:
    """What is the same in pages and by ids."""

    def test_order(self, kept: Pages | Index) -> None:
        """Behind all others comes what is put, in front of them what is put back."""
        kept.put(page(1, 2))
        kept.put(page(3, product=Product.JOIN))
        kept.put_back(page(4, 5))
        kept.put(page(6))
        assert [report.message_id for report in kept.reports] == ["m4", "m5", "m1", "m2", "m6", "m3"]
        taken = []
        while (one := kept.front(Product.VOICE)) is not None:
            taken.append(one.reports.popleft().message_id)
        assert taken == ["m4", "m5", "m1", "m2", "m6"]
        assert (kept.has(Product.VOICE), kept.has(Product.JOIN)) == (False, True)


class TestPages:
    """Whole pages."""

    def test_a_page_is_foremost_as_long_as_it_has_reports(self) -> None:
        """Whoever takes from the foremost page finds it empty once something came in front of it."""
        pages = Pages()
        pages.put(page(1, 2))
        pages.put(page(7, product=Product.JOIN))
        held, other = pages.front(Product.VOICE), pages.front(Product.JOIN)
        pages.put_back(page(3))
        assert (ids(held), ids(other)) == ([], ["m7"])
        foremost = pages.front(Product.VOICE)
        assert ids(foremost) == ["m3"]
        pages.put_back(page(4))
        assert (ids(foremost), [report.message_id for report in pages.reports]) == (
            [],
            ["m4", "m3", "m1", "m2", "m7"],
        )

    def test_emptying(self) -> None:
        """All pages come out in the order of their coming, across the products, and none is left to anybody."""
        pages = Pages()
        for number in range(4):
            pages.put(page(number, product=Product.JOIN if number % 2 else Product.VOICE))
        pages.put_back(page(4, product=Product.JOIN))
        held = pages.front(Product.VOICE)
        assert [ids(one) for one in pages.empty()] == [["m4"], ["m0"], ["m1"], ["m2"], ["m3"]]
        assert (ids(held), pages.reports, pages.front(Product.JOIN)) == ([], (), None)


class TestIndex:
    """Reports by their ids."""

    def test_the_oldest_of_several(self) -> None:
        """Of those with the same id the foremost comes out first, whichever product it is of."""
        index = Index()
        index.put(page(1, custom="c"))
        index.put(page(2, custom="c", product=Product.JOIN))
        index.put_back(page(3, 4, custom="c", product=Product.JOIN))
        found = []
        while (entry := index.find(("custom", "c"))) is not None:
            found.append(entry.report.message_id)
        assert found == ["m3", "m4", "m1", "m2"]

    def test_nothing_is_left_behind(self) -> None:
        """It is true as long as it has a report, and then it holds no ids either."""
        index = Index()
        assert not index
        index.put(page(1, 2, custom="c"))
        index.find(("message", "m2"))
        assert index
        index.front(Product.VOICE)
        assert not index
        assert index._places == {}


def _calls(number: int) -> int:
    """Count the calls in searching, taking, giving back and putting by turns, with so many pages."""
    calls = 0

    def count(_frame: object, _event: str, _argument: object) -> None:
        nonlocal calls
        calls += 1

    async def main() -> None:
        mailbox = Mailbox()
        for one in range(number):
            mailbox.put(page(*range(10 * one, 10 * one + 10)))
        for one in range(number):
            found = await mailbox.find((("message", f"m{10 * number - 1 - one}"),), 1)
            foremost = mailbox.front(Product.VOICE)
            assert foremost is not None
            foremost.reports.popleft()
            mailbox.give_back(found)
            mailbox.put(page(-one))
            assert mailbox.has(Product.VOICE)
        while mailbox.front(Product.VOICE) is not None:
            mailbox.put_back([page(-1)])
            for _ in range(3):
                if (foremost := mailbox.front(Product.VOICE)) is not None:
                    foremost.take(1)

    sys.setprofile(count)
    try:
        run(main())
    finally:
        sys.setprofile(None)
    return calls


def test_the_price_of_a_report_does_not_grow() -> None:
    """With eight times as many reports it takes about eight times as many steps, whatever is done by turns."""
    few, many = _calls(25), _calls(200)
    assert many < 9 * few
