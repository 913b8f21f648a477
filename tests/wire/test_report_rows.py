"""The rows of a page of reports."""

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emay_voice_async.model.endpoints import Product
from emay_voice_async.wire.report_rows import (
    PUSH_LAYOUTS,
    REPORT_LAYOUTS,
    any_rows,
    is_uniform,
    rows_of_products,
    usual_rows,
)

LAYOUT = REPORT_LAYOUTS[Product.VOICE]
FULL = {name: f"the {name}" for name in LAYOUT.names}
EXAMPLE = {name: value for name, value in FULL.items() if name not in ("keyContent", "voiceSign")}
fields = st.sets(st.sampled_from([*LAYOUT.names, "callType"])).map(
    lambda names: {name: name for name in names}
)


def expected(objects: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """Take the values field by field."""
    return [tuple(map(entry.get, LAYOUT.names)) for entry in objects]


def usual(objects: list[dict[str, Any]]) -> Iterable[tuple[Any, ...]]:
    """Take the rows as the fast route does."""
    return usual_rows(objects, LAYOUT, uniform=is_uniform(objects, LAYOUT))


class TestRowsOfObjects:
    """The values of entries, alike or not."""

    @given(st.lists(fields, min_size=1, max_size=3), st.integers(1, 3))
    def test_any_entries(self, objects: list[dict[str, Any]], times: int) -> None:
        """The rows have the value of each field, or there are none; None stands for a missing field."""
        objects *= times
        assert list(any_rows(objects, LAYOUT)) == expected(objects)
        try:
            assert list(usual(objects)) == expected(objects)
        except KeyError:
            alike = len(set(map(frozenset, objects))) == 1
            assert not (alike and EXAMPLE.keys() <= objects[0].keys() <= FULL.keys())

    @pytest.mark.parametrize("entry", [FULL, EXAMPLE, FULL | {"callType": 3}])
    def test_entries_alike(self, entry: dict[str, Any]) -> None:
        """Entries with every field, or with those of the document's example, have usual rows."""
        assert list(usual([entry] * 2)) == expected([entry] * 2)

    @pytest.mark.parametrize("other", [FULL, {**EXAMPLE, "keyContent": "1"}, EXAMPLE | {"callType": 3}])
    def test_a_field_that_the_first_entry_lacks(self, other: dict[str, Any]) -> None:
        """A field of a later entry is never passed over."""
        assert not is_uniform([EXAMPLE, other], LAYOUT)
        with pytest.raises(KeyError):
            list(usual([EXAMPLE, other]))


class TestRowsOfBothProducts:
    """Rows with the fields of both products."""

    @pytest.mark.parametrize("product", Product)
    def test_one_product(self, product: Product) -> None:
        """A row tells its product, and has the values of the product's layout."""
        [both] = [layout for product, layout in PUSH_LAYOUTS if product is None]
        names = REPORT_LAYOUTS[product].names
        row = tuple(name if name in names else None for name in both.names)
        products: list[Product] = []
        assert list(rows_of_products([row], products)) == [names]
        assert products == [product]

    def test_the_ids_that_count_more(self) -> None:
        """A row with an id of a voice call is a voice report."""
        [both] = [layout for product, layout in PUSH_LAYOUTS if product is None]
        for name in ("voiceId", "customVoiceId"):
            row = tuple(found if found in (name, "joinId", "customJoinId") else None for found in both.names)
            products: list[Product] = []
            assert list(rows_of_products([row], products)) == [row[: len(LAYOUT.names)]]
            assert products == [Product.VOICE]
