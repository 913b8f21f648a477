"""Entries: the columns of rows under a header, and the fields of recipients."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples.strategies import mobiles

from emay_voice_async.errors import InvalidRequestError
from emay_voice_async.lists.entries import RowColumns, bad_entry, make_entry
from emay_voice_async.model.recipients import Recipient

ONE, TWO = "13800000001", "13800000002"


class TestRowColumns:
    """Rows under a header."""

    @given(st.lists(st.text(max_size=6), max_size=6), mobiles)
    def test_all_fields(self, names: list[str], mobile: str) -> None:
        """With True, every cell of a row is a field under a name of its own."""
        columns = RowColumns.under(["mobile", *names], "mobile" if "mobile" not in names else 1, None, True)
        cells = [mobile, *(f"cell {place}" for place in range(len(names)))]
        recipient = columns.entry(2, cells).recipient
        assert recipient.mobile == mobile
        assert list(recipient.fields.values()) == cells

    def test_chosen_fields(self) -> None:
        """Chosen columns are found by name, like the column of the numbers, and keep the name that was asked for."""
        columns = RowColumns.under(["Name", "mobile", "amount"], fields=["name"])
        assert columns.entry(2, ["Li", ONE, "7"]).recipient == Recipient(ONE, fields={"name": "Li"})
        assert columns.entry(3, ["", TWO]).recipient == Recipient(TWO, fields={"name": ""})

    def test_a_short_row(self) -> None:
        """A missing cell at the end of a row is an empty field."""
        columns = RowColumns.under(["mobile", "name", "amount"], fields=True)
        fields = {"mobile": ONE, "name": "Li", "amount": ""}
        assert columns.entry(2, [ONE, "Li"]).recipient == Recipient(ONE, fields=fields)

    @pytest.mark.parametrize("header", [["mobile", "nmae"], ["mobile", "name", "Name "], ["mobile"]])
    def test_a_missing_field(self, header: list[str]) -> None:
        """A column that is missing, or there twice, is refused with the name and the columns of the file."""
        with pytest.raises(InvalidRequestError) as caught:
            RowColumns.under(header, fields=["NAME"])
        error = caught.value
        assert error.field == "field 'NAME'"
        assert error.rule.startswith("must be the name of one column")
        assert "--" not in error.rule
        assert str(error.actual).startswith("the columns 'mobile'")

    def test_a_first_row(self) -> None:
        """Without a header, columns are named by position, and a column cannot be chosen by name."""
        columns, is_header = RowColumns.of_first_row(["Li", ONE], 2, None, True)
        assert not is_header
        assert columns.entry(1, ["Li", ONE]).recipient.fields == {"column 1": "Li", "column 2": ONE}
        with pytest.raises(InvalidRequestError, match="field 'Li': must be the name of one column"):
            RowColumns.of_first_row(["Li", ONE], 2, None, ["Li"])
        columns, is_header = RowColumns.of_first_row(["name", "mobile"], 2, 1, ["name"])
        assert is_header
        assert columns.entry(2, ["Li", ONE]).recipient == Recipient(ONE, "Li", {"name": "Li"})

    def test_a_bad_number_keeps_its_fields(self) -> None:
        """An entry with a bad number still has the other columns, but an unreadable row has none."""
        columns = RowColumns.under(["mobile", "name"], fields=["name"])
        entry = columns.entry(2, ["138", "Li"])
        assert entry.problem is not None
        assert entry.recipient.fields == {"name": "Li"}
        assert not columns.entry(3, []).recipient.fields


def test_entries() -> None:
    """A good number has no problem; a bad one has the error of the check, without a traceback."""
    assert make_entry(1, f"+86 {ONE}", "a", {"name": "Li"}).recipient == Recipient(ONE, "a", {"name": "Li"})
    assert make_entry(1, ONE).problem is None
    bad = make_entry(2, "138").problem
    assert bad is not None
    assert bad.__traceback__ is None
    problem = InvalidRequestError("row", "must be CSV")
    assert bad_entry(3, problem).problem is problem
    assert bad_entry(3, problem).recipient == Recipient("")
