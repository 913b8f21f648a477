"""Iterables in pages."""

from hypothesis import given
from hypothesis import strategies as st

from emay_voice_async.journal.pages import pages_of


@given(st.lists(st.integers(), max_size=30), st.integers(1, 7))
def test_pages(items: list[int], size: int) -> None:
    """The pages have all items in order, and all but the last page are full."""
    pages = list(pages_of(iter(items), size))
    assert [item for page in pages for item in page] == items
    assert all(len(page) == size for page in pages[:-1])
    assert all(1 <= len(page) <= size for page in pages)
