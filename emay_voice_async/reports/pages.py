"""Reports that nobody has taken: in pages as they arrived or, where one is searched for, by their ids."""

from collections import OrderedDict, deque
from operator import attrgetter

from attrs import define

from emay_voice_async.model.endpoints import Product
from emay_voice_async.model.results import Report
from emay_voice_async.reports.spool import SpooledAnswer

__all__ = ["Entry", "Index", "Key", "Page", "Pages", "keys_in"]

Key = tuple[str, str]
"""What a report is awaited by: ("message", its message id), ("custom", its custom id), or ("nameless", its
custom id) if it has no message id."""


def keys_in(report: Report) -> list[Key]:
    """Return everything that a report can be found by."""
    custom = "custom", report.custom_id
    nameless = "nameless", "" if report.message_id else report.custom_id
    keys = (("message", report.message_id), custom, nameless)
    return [(kind, value) for kind, value in keys if value]


@define(eq=False)
class Page:
    """The reports of one answer that nobody has taken, all of one product, and the answer if it was spooled."""

    reports: deque[Report]
    answer: SpooledAnswer | None = None
    place: int = 0
    """Pages are in the order of their places, across the products."""

    @property
    def product(self) -> Product:
        """The product, as long as there is a report."""
        return self.reports[0].product

    def take(self, number: int) -> list[Report]:
        """Take up to so many reports."""
        taken = [self.reports.popleft() for _ in range(min(number, len(self.reports)))]
        if self.answer is not None:
            self.answer.take(len(taken))
        return taken

    def moved(self) -> "Page":
        """Return another page with these reports, and leave none to whoever holds this one."""
        reports, self.reports = self.reports, deque()
        return Page(reports, self.answer, self.place)


@define(eq=False)
class Entry:
    """One report, and the answer that it came in if that was spooled."""

    report: Report
    answer: SpooledAnswer | None = None

    def take(self) -> Report:
        """Count it as taken; only once, however many got it."""
        answer, self.answer = self.answer, None
        if answer is not None:
            answer.take()
        return self.report

    def as_page(self) -> Page:
        """Return a page with nothing else in it."""
        return Page(deque((self.report,)), self.answer)


class Pages:
    """Pages of each product, in order. A report costs nothing here: it is its page that is kept."""

    def __init__(self) -> None:
        self._pages: dict[Product, deque[Page]] = {one: deque() for one in Product}
        self._first = 0
        self._last = 0

    @property
    def reports(self) -> tuple[Report, ...]:
        """Every report, oldest first, one product after the other."""
        return tuple(report for pages in self._pages.values() for page in pages for report in page.reports)

    def has(self, product: Product) -> bool:
        """Tell whether there is a report of a product."""
        return self.front(product) is not None

    def put(self, page: Page) -> None:
        """Put a page with at least one report behind all others."""
        self._last += 1
        page.place = self._last
        self._pages[page.product].append(page)

    def put_back(self, page: Page) -> None:
        """Put a page with at least one report in front of all others."""
        self._first -= 1
        page.place = self._first
        pages = self._pages[page.product]
        if pages:
            # Whoever is taking from the page that was foremost goes on with this one.
            pages[0] = pages[0].moved()
        pages.appendleft(page)

    def front(self, product: Product) -> Page | None:
        """Return the foremost page of a product that has a report; None: there is none."""
        pages = self._pages[product]
        while pages:
            if pages[0].reports:
                return pages[0]
            pages.popleft()
        return None

    def empty(self) -> list[Page]:
        """Take everything out, in order; no report is left to whoever is taking from a page."""
        found = [page.moved() for pages in self._pages.values() for page in pages]
        for pages in self._pages.values():
            pages.clear()
        return sorted(found, key=attrgetter("place"))


class Index:
    """Reports of each product, in order and by their ids. It is true as long as it has any."""

    def __init__(self) -> None:
        self._entries: dict[Product, OrderedDict[int, Entry]] = {one: OrderedDict() for one in Product}
        self._places: dict[Key, OrderedDict[int, Product]] = {}
        self._first = 0
        self._last = 0

    def __bool__(self) -> bool:
        return any(self._entries.values())

    @property
    def reports(self) -> tuple[Report, ...]:
        """Every report, oldest first, one product after the other."""
        return tuple(entry.report for entries in self._entries.values() for entry in entries.values())

    def has(self, product: Product) -> bool:
        """Tell whether there is a report of a product."""
        return bool(self._entries[product])

    def put(self, page: Page) -> None:
        """Put the reports of a page behind all others."""
        for report in page.reports:
            self._last += 1
            self._insert(Entry(report, page.answer), self._last)

    def put_back(self, page: Page) -> None:
        """Put the reports of a page in front of all others."""
        for report in reversed(page.reports):
            self._first -= 1
            self._insert(Entry(report, page.answer), self._first)
            self._entries[report.product].move_to_end(self._first, last=False)
            for key in keys_in(report):
                self._places[key].move_to_end(self._first, last=False)

    def front(self, product: Product) -> Page | None:
        """Take out the oldest report of a product, as a page of its own; None: there is none."""
        for place in self._entries[product]:
            return self._remove(product, place).as_page()
        return None

    def find(self, key: Key) -> Entry | None:
        """Take out the oldest report with this id; None: there is none."""
        for place, product in self._places.get(key, {}).items():
            return self._remove(product, place)
        return None

    def _insert(self, entry: Entry, place: int) -> None:
        product = entry.report.product
        self._entries[product][place] = entry
        for key in keys_in(entry.report):
            self._places.setdefault(key, OrderedDict())[place] = product

    def _remove(self, product: Product, place: int) -> Entry:
        entry = self._entries[product].pop(place)
        for key in keys_in(entry.report):
            places = self._places[key]
            del places[place]
            if not places:
                del self._places[key]
        return entry
