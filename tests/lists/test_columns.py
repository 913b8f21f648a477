"""Columns: by name, by position, by a usual name, and the list in an error."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples.strategies import dressed, mobiles

from emay_voice_async.errors import InvalidRequestError
from emay_voice_async.lists.columns import USUAL_NAMES, Column, place_of


def refused(names: list[str], wanted: Column | None) -> InvalidRequestError:
    """Return the error for a missing column."""
    with pytest.raises(InvalidRequestError) as caught:
        place_of(names, wanted, "column")
    assert caught.value.field == "column"
    return caught.value


@given(st.lists(st.text(max_size=5), min_size=1, max_size=8), st.data())
def test_places_count_from_one(names: list[str], data: st.DataObject) -> None:
    """Each position from 1 to the number of columns is found, and no other."""
    wanted = data.draw(st.integers(1, len(names)))
    assert place_of(names, wanted, "column") == wanted - 1
    for other in (0, -1, len(names) + 1):
        error = refused(names, other)
        assert error.rule == f"must be a name, or a place from 1 to {len(names)}"
        assert (error.limit, error.actual) == (len(names), other)


@pytest.mark.parametrize("name", sorted(USUAL_NAMES))
def test_usual_names(name: str) -> None:
    """A column with a usual name is found in any case and with surrounding blanks."""
    assert place_of(["id", name, "city"], None, "column") == 1
    assert place_of(["id", f"\ufeff {name.upper()}\u3000"], None, "column") == 1


def test_two_usual_names_are_refused() -> None:
    """With two usual names or none, the column must be given; the error lists the columns."""
    error = refused(["手机", "phone", "city"], None)
    assert error.rule == "must be given, unless one column has a usual name such as mobile or 手机号"
    assert error.actual == "2 such in '手机', 'phone', 'city'"
    assert refused(["id", "telephone"], None).actual == "0 such in 'id', 'telephone'"


def test_names() -> None:
    """An equal name wins over a name that differs in case, and two alike are refused."""
    assert place_of(["Tel", "tel"], "tel", "column") == 1
    assert place_of(["id", " TEL "], "tel", "column") == 1
    assert place_of(["id", "2"], "2", "column") == 1
    for names, number in ((["tel", "tel"], 2), (["Tel", "TEL"], 2), (["te"], 0), ([], 0)):
        error = refused(names, "tel")
        assert error.rule == "must be the name of one column"
        assert str(error.actual).startswith(f"{number} such in ")


@given(mobiles.flatmap(lambda mobile: st.tuples(st.just(mobile), dressed(mobile))))
def test_numbers_are_not_listed(both: tuple[str, str]) -> None:
    """Without a header, the numbers in the place of names are hidden, in any notation."""
    mobile, written = both
    assert refused([mobile, "王小明", written], None).actual == "0 such in ****, '王小明', ****"


def test_lists_are_short() -> None:
    """At most twenty names are listed, on a single line, with at most twenty characters each."""
    actual = str(refused(["a\n" * 5000] * 3000, None).actual)
    assert len(actual) < 1000
    assert actual.endswith(", ...")
    assert "\n" not in actual
    assert not str(refused(["a"] * 20, None).actual).endswith("...")
