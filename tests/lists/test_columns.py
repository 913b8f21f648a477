"""Columns: by name, by position, by a usual name, and the list in an error."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples.strategies import dressed, mobiles

from emay_voice_async.errors import InvalidRequestError
from emay_voice_async.lists.columns import (
    USUAL_NAMES,
    Column,
    index_of,
    is_header_cell,
    unique_names,
)


def refused(names: list[str], wanted: Column | None) -> InvalidRequestError:
    """Return the error for a missing column."""
    with pytest.raises(InvalidRequestError) as caught:
        index_of(names, wanted, "column")
    assert caught.value.field == "column"
    return caught.value


@given(st.lists(st.text(max_size=5), min_size=1, max_size=8), st.data())
def test_positions_count_from_one(names: list[str], data: st.DataObject) -> None:
    """Each position from 1 to the number of columns is found, and no other."""
    wanted = data.draw(st.integers(1, len(names)))
    assert index_of(names, wanted, "column") == wanted - 1
    for other in (0, -1, len(names) + 1):
        error = refused(names, other)
        assert error.rule == f"must be a name, or a position from 1 to {len(names)}"
        assert (error.limit, error.actual) == (len(names), other)


@pytest.mark.parametrize("name", sorted(USUAL_NAMES))
def test_usual_names(name: str) -> None:
    """A column with a usual name is found in any case and with surrounding blanks."""
    assert index_of(["id", name, "city"], None, "column") == 1
    assert index_of(["id", f"\ufeff {name.upper()}\u3000"], None, "column") == 1


def test_two_usual_names_are_refused() -> None:
    """With two usual names or none, the column must be given; the error lists the columns."""
    error = refused(["手机", "phone", "city"], None)
    assert error.rule == "must be given (command line: --column), as 2 columns have usual names"
    assert error.actual == "the columns '手机', 'phone', 'city'"
    error = refused(["id", "address"], None)
    assert error.rule == (
        "must be given (command line: --column), as no column has a usual name such as mobile or 手机号"
    )
    assert error.actual == "the columns 'id', 'address'"


@pytest.mark.parametrize(
    "name",
    [
        *(
            "联系电话",
            "电话号码",
            "phone_number",
            "手机号码",
            "tel",
            "Tel.",
            "TELEPHONE",
            "Phone-Number",
            "Mobile No.",
        ),
        *(
            "Mobile Phone",
            "Cell Phone",
            "手机号（必填）",
            "*手机号",
            "手机号码(11位)",
            "联系方式",
            "收件人手机号",
            "客户联系电话",
        ),
        *(
            "Recipient Phone",
            "contact_number",
            "MSISDN",
            "手機號碼",
            "聯絡電話",
            "电话1",
            "号码",
            "被叫号码",
            "ｐｈｏｎｅ",
        ),
        *(
            "mobileNumber",
            "手机/电话",
            "联系电话（手机）",
            "您的手机号",
            "手机号码：",
            "家长电话",
            "\ufeffphone no",
            "Phone #",
        ),
    ],
)
def test_common_names(name: str) -> None:
    """A column with a common name, in English or Chinese, with any signs and remarks, is found."""
    assert index_of(["id", name, "city"], None, "column") == 1


@pytest.mark.parametrize(
    "name",
    [
        *(
            "id",
            "姓名",
            "订单号",
            "订单号码",
            "身份证号码",
            "紧急联系人电话",
            "公司电话",
            "固定电话",
            "座机",
            "传真号码",
        ),
        *(
            "order_number",
            "account number",
            "fax",
            "headphone",
            "mobility",
            "telegram",
            "address",
            "",
            "客服电话",
        ),
    ],
)
def test_other_names(name: str) -> None:
    """A column for other numbers, such as an emergency contact, is never chosen."""
    assert refused(["x", name], None).field == "column"


def test_a_usual_name_wins_over_a_common_name() -> None:
    """A usual name is chosen beside any common names; two common names alone are refused."""
    assert index_of(["联系电话", "手机号", "telephone"], None, "column") == 1
    assert "2 columns have usual names" in refused(["tel", "联系电话"], None).rule


def test_a_file_without_a_header() -> None:
    """If the header has a number, the error says the position of the numbers."""
    error = refused(["张三", "1380000000"], None)
    assert error.rule == (
        "must be a position where the file has no header, such as column=2 (command line: --column 2)"
    )
    assert error.actual == "the columns '张三', ****"


def test_the_column_of_the_custom_ids() -> None:
    """The error of another argument names the option of that argument."""
    with pytest.raises(InvalidRequestError, match=r"^custom_id_column: .*--custom-id-column\)"):
        index_of(["mobile"], "id", "custom_id_column")


@pytest.mark.parametrize(
    ("cell", "is_name"),
    [
        *(
            (cell, False)
            for cell in ("1380000000", "13800000000x", "l3800000000", "138O0000000", "", "-", "138x")
        ),
        *(
            (cell, False)
            for cell in ("1.38E+10", "２３８００００００００", "+86 138-0000-000", "138****0000")
        ),
        *(
            (cell, True)
            for cell in ("手机", "phone1", "a", "电话2", "Mobile (11 digits)", "名单", "customer no. 1")
        ),
    ],
)
def test_names_are_told_from_mistyped_numbers(cell: str, is_name: bool) -> None:
    """A cell with more digits than letters, or without letters, is no name of a column."""
    assert is_header_cell(cell) is is_name


def test_names() -> None:
    """An equal name wins over a name that differs in case, and two alike are refused."""
    assert index_of(["Tel", "tel"], "tel", "column") == 1
    assert index_of(["id", " TEL "], "tel", "column") == 1
    assert index_of(["id", "2"], "2", "column") == 1
    for names, number in ((["tel", "tel"], 2), (["Tel", "TEL"], 2), (["te"], 0), ([], 0)):
        error = refused(names, "tel")
        many = f", and {number} columns have this name" if number else ""
        assert error.rule == f"must be the name of one column (command line: --column){many}"
        assert str(error.actual).startswith("the columns ")


@given(mobiles.flatmap(lambda mobile: st.tuples(st.just(mobile), dressed(mobile))))
def test_numbers_are_not_listed(both: tuple[str, str]) -> None:
    """Without a header, the numbers in the place of names are hidden, in any notation."""
    mobile, written = both
    assert refused([mobile, "王小明", written], None).actual == "the columns ****, '王小明', ****"


@pytest.mark.slow
def test_lists_are_short() -> None:
    """At most twenty names are listed, on a single line, with at most twenty characters each."""
    actual = str(refused(["a\n" * 5000] * 3000, None).actual)
    assert len(actual) < 1000
    assert actual.endswith(", ...")
    assert "\n" not in actual
    assert not str(refused(["a"] * 20, None).actual).endswith("...")


@given(st.lists(st.text(" ab", max_size=2) | st.sampled_from(["column 1", "a (2)"]), max_size=8))
def test_unique_names(header: list[str]) -> None:
    """Each column has a name of its own, the first of equal names unchanged."""
    names = unique_names(header)
    assert len(set(names)) == len(names) == len(header)
    for place, (name, cell) in enumerate(zip(names, header, strict=True)):
        if cell.strip() and cell.strip() not in names[:place]:
            assert name == cell.strip()


def test_blank_names() -> None:
    """A blank or repeated name is made different by the position."""
    assert unique_names(["name", "", " name ", "column 2"]) == [
        "name",
        "column 2",
        "name (3)",
        "column 2 (4)",
    ]
