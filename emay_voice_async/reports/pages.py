"""The store of reports that were not taken yet: in pages as they arrived, searchable by the ids of their calls."""

from bisect import bisect
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import chain

from emay_voice_async.model.endpoints import Product
from emay_voice_async.model.results import Report
from emay_voice_async.reports.searches import ReportId, Search, ids_of
from emay_voice_async.reports.spool import SpooledAnswer

__all__ = ["Page", "Pages", "StoredReport"]


class StoredReport:
    """A report that was taken out of the store, and the spooled answer that holds a copy on disk.

    ``holders`` counts the callers that have the report and did not give it back.
    """

    def __init__(self, report: Report, answer: SpooledAnswer | None = None, holders: int = 1) -> None:
        self.report = report
        self.answer = answer
        self.holders = holders

    def confirm(self) -> Report:
        """Count the report as handed out, once for all holders; return the report."""
        answer, self.answer = self.answer, None
        if answer is not None:
            answer.confirm()
        return self.report


class Page:
    """Reports of one product that arrived together, and the spooled answer that holds them on disk.

    ``reports`` is in reverse order, so that ``reports.pop()`` takes the oldest. A report that was found by id leaves
    None, so that the positions of the others stay. Pages are ordered by ``place``, across the products; None: the
    place is given when the page is stored.
    """

    def __init__(
        self,
        product: Product,
        reports: Iterable[Report],
        answer: SpooledAnswer | None = None,
        place: int | None = None,
    ) -> None:
        self.product = product
        self.reports: list[Report | None] = [*reports]
        self.reports.reverse()
        self.answer = answer
        self.place = place

    def __iter__(self) -> Iterator[Report]:
        return (report for report in reversed(self.reports) if report is not None)

    def __bool__(self) -> bool:
        reports = self.reports
        while reports and reports[-1] is None:
            reports.pop()
        return bool(reports)

    def positions(self) -> Iterator[tuple[int, Report]]:
        """Yield position and report, the oldest first."""
        for position in reversed(range(len(self.reports))):
            if (report := self.reports[position]) is not None:
                yield position, report

    def take(self, number: int) -> list[Report]:
        """Take up to ``number`` reports for good."""
        taken: list[Report] = []
        while self.reports and len(taken) < number:
            if (report := self.reports.pop()) is not None:
                taken.append(report)
        if self.answer is not None:
            self.answer.confirm(len(taken))
        return taken

    def at(self, position: int) -> Report | None:
        """Return the report at a position; None if the report was taken."""
        return self.reports[position] if position < len(self.reports) else None

    def take_at(self, position: int) -> StoredReport:
        """Take the report at a position that has one."""
        report, self.reports[position] = self.reports[position], None
        assert report is not None  # noqa: S101 - the caller looked
        return StoredReport(report, self.answer)


class Pages:
    """Pages of each product, ordered by place.

    The index of ids is made by the first search and dropped when no report is left: for reports that are only taken
    in order an index would cost more than all other handling (``benchmarks -- reports``).
    """

    def __init__(self) -> None:
        self._pages: dict[Product, deque[Page]] = {product: deque() for product in Product}
        self._index: _Index | None = None
        self._first = 0
        self._last = 0
        self._newest = 0
        self._at_most = 0

    def __iter__(self) -> Iterator[Page]:
        return chain.from_iterable(self._pages.values())

    @property
    def reports(self) -> tuple[Report, ...]:
        """All reports, oldest first, voice before join."""
        return tuple(chain.from_iterable(self))

    def has_room(self, number: int, limit: int) -> bool:
        """Tell whether so many more reports can be stored within a limit."""
        if self._at_most + number > limit:
            # Counted only here, because reports are taken from the pages directly.
            self._at_most = sum(len(page.reports) for page in self)
        return self._at_most + number <= limit

    def reserve(self) -> int:
        """Return a place behind all others, for a page that is put later."""
        self._last += 1
        return self._last

    def put(self, page: Page) -> None:
        """Store a page with at least one report at the reserved place, or behind all others."""
        if page.place is None:
            page.place = self.reserve()
        pages = self._pages[page.product]
        self._at_most += len(page.reports)
        if pages and _place(pages[-1]) > page.place:
            pages.insert(bisect(pages, page.place, key=_place), page)
        else:
            pages.append(page)
        if page.place < self._newest:
            self._index = None
        elif self._index is not None:
            self._index.add(page)
        self._newest = max(self._newest, page.place)

    def put_back(self, page: Page) -> None:
        """Store a page with at least one report in front of all others."""
        self._first -= 1
        page.place = self._first
        self._at_most += len(page.reports)
        self._pages[page.product].appendleft(page)
        if self._index is not None:
            self._index.add_in_front(page)

    def of(self, product: Product) -> deque[Page]:
        """Return the pages of a product, a page with a report in front; empty if no report is stored."""
        pages = self._pages[product]
        while pages and not pages[0]:
            pages.popleft()
        return pages

    def find(self, search: Search) -> StoredReport | None:
        """Take the oldest report that a search accepts; None: no such report is stored."""
        if not any(map(self.of, Product)):
            self._index = None
            return None
        if self._index is None or self._index.is_stale:
            self._index = _Index(sorted(self, key=_place))
        return next(filter(None, (self._index.find(key, search) for key in search.ids)), None)


def _place(page: Page) -> int:
    return page.place or 0


class _Index:
    """The positions of the reports with each id, the oldest first.

    Reports that were taken in order stay in the index; once they may be half of the index, the index is stale.
    """

    def __init__(self, pages: Iterable[Page]) -> None:
        self._positions: dict[ReportId, deque[tuple[Page, int]]] = {}
        self._added = 0
        for page in pages:
            self.add(page)
        self._limit = 2 * self._added + 1000

    @property
    def is_stale(self) -> bool:
        """Whether a new index should be made."""
        return self._added > self._limit

    def add(self, page: Page) -> None:
        """Add the reports of a page behind all others."""
        for position, report in page.positions():
            self._added += 1
            for key in ids_of(report):
                self._positions.setdefault(key, deque()).append((page, position))

    def add_in_front(self, page: Page) -> None:
        """Add the reports of a page in front of all others."""
        for position, report in reversed(list(page.positions())):
            self._added += 1
            for key in ids_of(report):
                self._positions.setdefault(key, deque()).appendleft((page, position))

    def find(self, key: ReportId, search: Search) -> StoredReport | None:
        """Take the oldest report with an id that a search accepts."""
        positions = self._positions.get(key)
        while positions and positions[0][0].at(positions[0][1]) is None:
            positions.popleft()
        if not positions:
            self._positions.pop(key, None)
            return None
        for number, (page, position) in enumerate(positions):
            report = page.at(position)
            if report is not None and search.accepts(key, report):
                del positions[number]
                return page.take_at(position)
        return None
