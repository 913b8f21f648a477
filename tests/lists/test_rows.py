"""Rows of files to entries: three formats, and the problem of a bad row."""

import csv
import io
import json
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples.strategies import CHARACTERS, JSON, custom_ids, dressed, mobiles

from emay_voice_async.errors import InvalidRequestError
from emay_voice_async.lists.entries import Entry
from emay_voice_async.lists.rows import MAX_LINE, csv_entries, jsonl_entries, txt_entries
from emay_voice_async.model.numbers import normalised
from emay_voice_async.model.recipients import Recipient, check_recipient

ONE, TWO, THREE = "13800000001", "13800000002", "13800000003"
MOBILE_RULE = "mobile: must be 11 digits and begin with 1"

cells = st.text(CHARACTERS, max_size=8) | st.text('",;\t\n 1', max_size=6)


def told(entries: Iterable[Entry]) -> list[tuple[int, str]]:
    """List each entry as the line with the number, or with the problem."""
    return [(one.line, one.recipient.mobile if one.problem is None else str(one.problem)) for one in entries]


def checked(entries: Iterable[Entry]) -> Iterator[Entry]:
    """Yield the entries after a check: an entry has a problem exactly when a send would refuse it."""
    last = 0
    for entry in entries:
        assert entry.line > last
        last = entry.line
        if entry.problem is None:
            check_recipient(entry.recipient)
        else:
            assert entry.problem.__traceback__ is None
            with pytest.raises(InvalidRequestError):
                check_recipient(entry.recipient)
        yield entry


def spoiled(entries: Iterable[Entry]) -> str:
    """Return the error that is raised before the first entry."""
    with pytest.raises(InvalidRequestError) as caught:
        next(iter(entries))
    return str(caught.value)


def written(rows: list[list[str]], delimiter: str = ",") -> list[str]:
    """Write rows as CSV, and return the lines."""
    file = io.StringIO()
    csv.writer(file, delimiter=delimiter, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows(rows)
    return file.getvalue().split("\n")[:-1]


class TestTxt:
    """A number per line."""

    def test_lines(self) -> None:
        """Numbers come with their lines; blank lines and comments are counted and skipped."""
        lines = [
            "\ufeff# list",
            "",
            ONE,
            " \u3000",
            f" +86 {TWO} ",
            "#1",
            "  # no",
            "\u200b",
            f"{ONE},x",
            "1.38E+10",
        ]
        assert told(checked(txt_entries(lines))) == [
            (3, ONE),
            (5, TWO),
            (9, f"{MOBILE_RULE} (found 13 characters)"),
            (10, f"{MOBILE_RULE} (found 8 characters in scientific notation, which has lost digits)"),
        ]

    def test_nuls(self) -> None:
        """A line with NUL is bad, and the next line is read."""
        assert told(txt_entries([f"\0{ONE}", "\0\0", TWO])) == [
            (1, f"{MOBILE_RULE} (found 12 characters)"),
            (2, f"{MOBILE_RULE} (found 2 characters)"),
            (3, TWO),
        ]

    @given(st.lists(st.text(CHARACTERS, max_size=30) | mobiles.flatmap(dressed), max_size=8))
    def test_any_lines(self, lines: list[str]) -> None:
        """Any line is an entry with or without a problem, or is skipped."""
        found = {entry.line: entry for entry in checked(txt_entries(lines))}
        for place, line in enumerate(lines, 1):
            if place in found:
                assert found[place].recipient == Recipient(normalised(line))
            else:
                assert ONE[:1] not in line[:1]


class TestCsv:
    """Rows under a header."""

    @given(
        st.lists(
            st.tuples(cells, mobiles.flatmap(dressed), custom_ids.filter(lambda one: "\0" not in one)),
            max_size=6,
        ),
        st.sampled_from(",;\t"),
    )
    def test_what_was_written_is_read(self, rows: list[tuple[str, str, str]], delimiter: str) -> None:
        """Numbers and custom ids are read as written, whatever the other cells are."""
        lines = written([["name", "mobile", "order"], *map(list, rows)], delimiter)
        for column, ids in ((None, "order"), (2, 3), ("Mobile", "ORDER")):
            entries = list(checked(csv_entries(lines, column, ids)))
            expected = [Recipient(normalised(mobile), custom_id) for _, mobile, custom_id in rows]
            assert [entry.recipient for entry in entries] == expected
        assert [entry.recipient.custom_id for entry in csv_entries(lines)] == [None] * len(rows)

    def test_lines_of_rows(self) -> None:
        """An entry has the first line of the row; the problem of several lines names the last as well."""
        lines = [
            "",
            " ",
            '"mobile',
            '",note',
            f'{ONE},"a',
            "",
            'b"',
            f"{TWO},",
            "",
            ",",
            '"1',
            '3",x',
            THREE + ",",
        ]
        assert told(checked(csv_entries(lines, 1))) == [
            (5, ONE),
            (8, TWO),
            (11, f"{MOBILE_RULE} (found 3 characters, in lines 11 to 12)"),
            (13, THREE),
        ]

    @pytest.mark.parametrize("lines", [[], [""], ["", " ", ""]], ids=repr)
    def test_a_file_without_text(self, lines: list[str]) -> None:
        """A file without any text has no entries, for any column."""
        assert list(csv_entries(lines, "tel", "id")) == []

    def test_a_header_alone(self) -> None:
        """A header alone has no entries, and is checked."""
        assert list(csv_entries(["name,mobile"])) == []
        assert spoiled(csv_entries(["name,address"])).endswith("(found the columns 'name', 'address')")
        assert spoiled(csv_entries(["name,mobile"], None, "id")).startswith(
            "custom_id_column: must be the name"
        )

    def test_no_header(self) -> None:
        """A first row with a number in the column at that position is a row, not a header."""
        lines = [f"a,{ONE}", f"b,{TWO}"]
        assert told(csv_entries(lines, 2)) == [(1, ONE), (2, TWO)]
        assert told(csv_entries(["", *lines], 2)) == [(2, ONE), (3, TWO)]
        assert [one.recipient.custom_id for one in csv_entries(lines, 2, 1)] == ["a", "b"]
        assert spoiled(csv_entries(lines)).endswith(
            "(command line: --column 2) (found the columns 'a', ****)"
        )
        assert told(csv_entries(["a,b", *lines], 2)) == [(2, ONE), (3, TWO)]

    @pytest.mark.parametrize(
        ("first", "found"),
        [
            ("1380000000", 10),
            ("13800000000x", 12),
            ("l3800000000", 11),
            ("138O0000000", 11),
            ("", 0),
            ("-", 1),
        ],
    )
    def test_a_mistyped_number_is_no_header(self, first: str, found: int) -> None:
        """Without a header, a mistyped number in the first row is an entry with a problem."""
        assert told(checked(csv_entries([f"{first},x", f"{TWO},y"], 1))) == [
            (1, f"{MOBILE_RULE} (found {found} characters)"),
            (2, TWO),
        ]

    def test_a_number_in_another_column_is_no_header(self) -> None:
        """A first row with a mobile number in any column is a row, even if the column has text there."""
        rows = [f"unknown,{ONE}", f"{TWO},{THREE}"]
        assert told(checked(csv_entries(rows, 1))) == [(1, f"{MOBILE_RULE} (found 7 characters)"), (2, TWO)]

    @pytest.mark.parametrize("header", ["phone1", "手机", "电话2", "a", "Mobile (11 digits)"])
    def test_a_header_is_no_row(self, header: str) -> None:
        """The name of a column is a header, also with digits."""
        assert told(csv_entries([f"{header},x", f"{TWO},y"], 1)) == [(2, TWO)]

    def test_rows_of_other_lengths(self) -> None:
        """A row that is too short is bad, and so is a row with text after the last column."""
        lines = [
            "name,mobile,id",
            f"a,{ONE}",
            f"b,{ONE},7",
            f"Li, Lei,{ONE},{TWO}",
            f"c,{TWO},8,,",
            "d",
            f"e,{ONE},9, ",
        ]
        rule = "row: must have the columns of the header"
        short = [(6, f"{rule} (found 1 columns)")]
        assert told(checked(csv_entries(lines))) == [
            (2, ONE),
            (3, ONE),
            (4, f"{rule} (found 4 columns)"),
            (5, TWO),
            *short,
            (7, ONE),
        ]
        with_ids = told(checked(csv_entries(lines, None, "id")))
        assert with_ids[0] == (2, f"{rule} (found 2 columns)")
        assert told(csv_entries(["id,mobile", "7"], "mobile", "id")) == [(2, f"{rule} (found 1 columns)")]

    def test_custom_ids(self) -> None:
        """Custom ids are taken as written; a missing custom id is a problem."""
        lines = ["mobile,id", f"{ONE}, a ", f"{TWO},", f'{THREE},"a,b"']
        assert told(checked(csv_entries(lines, None, "id"))) == [
            (2, ONE),
            (3, "custom_id: must not be empty or blank (found 0 characters)"),
            (4, "custom_id: must not contain a comma (found one in place 1)"),
        ]
        assert next(csv_entries(lines, None, "id")).recipient == Recipient(ONE, " a ")

    def test_fields(self) -> None:
        """Chosen columns, or all, become fields of the recipients, bad numbers included."""
        lines = ["姓名,手机,金额", f"张三,{ONE},10", f'"李,四",{TWO}', "王五,138,7"]
        entries = list(checked(csv_entries(lines, None, None, ["姓名"])))
        assert [one.recipient.fields for one in entries] == [
            {"姓名": "张三"},
            {"姓名": "李,四"},
            {"姓名": "王五"},
        ]
        [first, *_] = csv_entries(lines, None, None, True)
        assert first.recipient.fields == {"姓名": "张三", "手机": ONE, "金额": "10"}
        assert spoiled(csv_entries(lines, None, None, ["名"])) == (
            "field '名': must be the name of one column (found the columns '姓名', '手机', '金额')"
        )
        rows = list(csv_entries(lines[1:], 2, None, True))
        assert rows[0].recipient.fields == {"column 1": "张三", "column 2": ONE, "column 3": "10"}

    def test_stray_quotes(self) -> None:
        """The problem of a stray quote names all the lines that the quote swallowed."""
        lines = [
            "mobile,note",
            f'{ONE},"so',
            f"{TWO},a",
            f'{THREE},"b"',
            f'{ONE},"c"d',
            TWO,
            f'{THREE},"e',
            ONE,
        ]
        assert told(checked(csv_entries(lines))) == [
            (2, "row: must be CSV (found ',' expected after '\"', in lines 2 to 4)"),
            (5, "row: must be CSV (found ',' expected after '\"')"),
            (6, TWO),
            (7, "row: must be CSV (found unexpected end of data, in lines 7 to 8)"),
        ]
        assert told(csv_entries(["note,mobile", f'5" disk,{ONE}'])) == [(2, ONE)]

    def test_a_stray_quote_in_the_header(self) -> None:
        """A header that never ends is an error of the file."""
        assert spoiled(csv_entries(["", 'mobile,"note', ONE])) == (
            "file: must begin with a header in CSV (found unexpected end of data, from line 2 on)"
        )

    @pytest.mark.parametrize("header", ["mobile", "mobile,note"])
    def test_a_row_without_end(self, header: str) -> None:
        """A row over many lines has the same limit of characters as a line."""
        rows = [header, TWO, '"' + "1" * 1000] + [f'{"1" * 1000}","'] * 70
        entries = csv_entries(rows, "mobile")
        assert next(entries).recipient.mobile == TWO
        assert spoiled(entries) == (
            f"file: must have rows of at most {MAX_LINE} characters (found a longer one from line 3 on)"
        )
        many = [header, *[f"{ONE}{',' if ',' in header else ''}"] * 10_000]
        assert len(list(csv_entries(many))) == 10_000

    @pytest.mark.parametrize(
        ("header", "delimiter"),
        [
            ("mobile", ","),
            ("a,b,mobile", ","),
            ("a;b;mobile", ";"),
            ("a\tb\tmobile", "\t"),
            ('"a,b,c,d";mobile', ";"),
            ("a;b;c,mobile", ";"),
            ('"a;;;;""b;;;",mobile', ","),
        ],
    )
    def test_the_delimiter(self, header: str, delimiter: str) -> None:
        """The delimiter is the most frequent candidate in the header, outside of quotes."""
        [names] = csv.reader([header], delimiter=delimiter)
        row = [ONE if name.endswith("mobile") else "x" for name in names]
        assert told(csv_entries([header, *written([row], delimiter)], len(names))) == [(2, ONE)]

    @given(st.lists(st.text('",;\t\n 13800000000mobile', max_size=30) | cells, max_size=8))
    def test_any_lines(self, lines: list[str]) -> None:
        """Any lines give entries, or an InvalidRequestError."""
        lines = [part for line in lines for part in line.split("\n")]
        for column, ids in ((None, None), (1, None), ("mobile", 1)):
            for head in ([], ["mobile,x"]):
                entries = checked(csv_entries(head + lines, column, ids))
                spoiled_by = ""
                try:
                    number = len(list(entries))
                except InvalidRequestError as error:
                    number, spoiled_by = 0, error.field
                assert number <= len(lines)
                assert spoiled_by in ("", "column", "custom_id_column", "file")


class TestNumbers:
    """Cells with other notations, or with several numbers."""

    @pytest.mark.parametrize(
        "between",
        [
            *(
                "、",
                ",",
                "，",
                ";",
                "；",
                "/",
                "|",
                " ",
                "  ",
                "\u3000",
                "\n",
                " / ",
                ", ",
                "和",
                "或",
                " or ",
                " and ",
                "&",
            ),
            *("-", " - ", "", "、+86 ", "，0086-", "或者", "\\", "。", "："),
        ],
    )
    def test_two_numbers(self, between: str) -> None:
        """A cell with two numbers is a problem that says so, in every format."""
        cell = f"{ONE}{between}{TWO}"
        problem = "mobile: must be one number; give each number a row of its own (found 2 numbers)"
        assert told(checked(jsonl_entries([json.dumps(cell)]))) == [(1, problem)]
        assert told(checked(txt_entries([cell.replace("\n", " ")]))) == [(1, problem)]
        [(_, text)] = told(checked(csv_entries(written([["mobile"], [cell]]))))
        assert "must be one number; give each number a row of its own (found 2 numbers" in text

    @pytest.mark.parametrize(
        ("cell", "count"),
        [
            ("13800000001、13800000002、13800000003", 3),
            ("13800000001、010-87654321", 2),
            ("138 0000 0001 138 0000 0002", 2),
            ("138-0000-0001, 138-0000-0002", 2),
            ("(+86)13800000001;(+86)13800000002", 2),
            ("１３８００００００００１，１３８０００００００２", 2),
        ],
    )
    def test_several_numbers(self, cell: str, count: int) -> None:
        """Numbers in any notation are counted, landlines included."""
        [(_, text)] = told(checked(txt_entries([cell])))
        assert text.endswith(f"(found {count} numbers)")

    @pytest.mark.parametrize(
        "cell",
        ["138000000001", "13800000001x", "13800000001 转 12", "400-800-8888", "1" * 1001, "1/2", "12345678"],
    )
    def test_a_bad_number_is_a_single_number(self, cell: str) -> None:
        """A wrong number, or a number with other text, is not counted as several numbers."""
        [(_, text)] = told(checked(txt_entries([cell])))
        assert text == f"{MOBILE_RULE} (found {len(cell)} characters)"

    def test_a_bad_custom_id_is_told_as_such(self) -> None:
        """The problem of a custom id is not a problem of the number."""
        [(_, text)] = told(csv_entries(["mobile,id", f"{ONE},"], None, "id"))
        assert text.startswith("custom_id: ")

    @pytest.mark.parametrize(
        "cell",
        [
            *(
                "1.3812345678E10",
                "1.3812345678e+10",
                "13812345678E0",
                "1,3812345678E+10",
                "1.38123456780E+10",
            ),
            *(
                "138123456.78E2",
                "0.13812345678E11",
                "13812345678.0E0",
                " 1.3812345678E+10 ",
                "'1.3812345678E+10",
            ),
            *("+86 138 1234 5678", "0086-13812345678", "8613812345678", "(+86)13812345678", "13812345678.0"),
        ],
    )
    def test_no_digit_is_lost(self, cell: str) -> None:
        """Scientific notation with all eleven digits is read, as are the country code and .0."""
        assert told(checked(txt_entries([cell]))) == [(1, "13812345678")]

    @pytest.mark.parametrize(
        "cell",
        ["1.38E10", "1.38E+10", "1,38E+10", "1.381234567E10", "1.3812345678E11", "1.38123456789E9", "1E99"],
    )
    def test_lost_digits(self, cell: str) -> None:
        """Scientific notation with fewer digits is refused with the reason."""
        [(_, text)] = told(checked(txt_entries([cell])))
        assert (
            text
            == f"{MOBILE_RULE} (found {len(cell)} characters in scientific notation, which has lost digits)"
        )


class TestJsonl:
    """A JSON value per line."""

    def test_lines(self) -> None:
        """Objects and numbers may be mixed, numbers may be strings, and blank lines are skipped."""
        lines = [
            f'"{ONE}"',
            "",
            TWO,
            f'{{"id": 1, "phone": "+86 {THREE}"}}',
            f'{{"phone": {ONE}.0}}',
            " \t",
            ' "1" ',
        ]
        assert told(checked(jsonl_entries(lines))) == [
            (1, ONE),
            (3, TWO),
            (4, THREE),
            (5, ONE),
            (7, f"{MOBILE_RULE} (found 1 characters)"),
        ]

    def test_bad_rows(self) -> None:
        """Each kind of bad row is a problem of that line, and the next line is read."""
        lines = [
            f'{{"mobile": {ONE}}}',
            '{"mobile": 1.38E+10}',
            '{"mobile": null}',
            '{"mobile": [13800000001]}',
            '{"mobile": true}',
            '{"mobile": NaN}',
            '{"phone": 13800000001}',
            '{"mobile": "13800000001"',
            "[1]",
            "null",
            "[" * 60_000,
            "1" * 10_000,
            '"\\ud800"',
            '"1\0"',
            TWO,
        ]
        found = told(checked(jsonl_entries(lines)))
        # The nesting limit: Python 3.14 reports the end of the line.
        assert found.pop(10) in [
            (11, f"row: must be JSON (found an error in place {at})") for at in (0, 60_000)
        ]
        assert found == [
            (1, ONE),
            (2, f"{MOBILE_RULE} (found 8 characters in scientific notation, which has lost digits)"),
            (3, "mobile: must be a text or a number (found NoneType)"),
            (4, "mobile: must be a text or a number (found list)"),
            (5, "mobile: must be a text or a number (found bool)"),
            (6, f"{MOBILE_RULE} (found 3 characters)"),
            (7, "mobile: must be a field of every row"),
            (8, "row: must be JSON (found an error in place 24)"),
            (9, "mobile: must be a text or a number (found list)"),
            (10, "mobile: must be a text or a number (found NoneType)"),
            (12, f"{MOBILE_RULE} (found 10000 characters)"),
            (13, f"{MOBILE_RULE} (found 1 characters)"),
            (14, "row: must be JSON (found an error in place 2)"),
            (15, TWO),
        ]

    def test_custom_ids(self) -> None:
        """Custom ids may be strings or numbers; with ``custom_id_column`` each row must have one."""
        lines = [
            f'{{"mobile": {ONE}, "ID": "a"}}',
            f'{{"mobile": {TWO}, "ID": 7}}',
            f'{{"mobile": {THREE}}}',
            f'{{"mobile": {THREE}, "ID": null}}',
            f'{{"mobile": {THREE}, "ID": ""}}',
            ONE,
        ]
        entries = list(checked(jsonl_entries(lines, None, "id")))
        assert [one.recipient for one in entries[:2]] == [Recipient(ONE, "a"), Recipient(TWO, "7")]
        assert told(entries[2:]) == [
            (3, "custom_id: must be a field of every row"),
            (4, "custom_id: must be a text or a number (found NoneType)"),
            (5, "custom_id: must not be empty or blank (found 0 characters)"),
            (6, "custom_id: must be a field of every row"),
        ]

    def test_the_first_object_decides(self) -> None:
        """A field missing in the first object is an error of the file, with a list of the fields."""
        assert spoiled(jsonl_entries([f'{{"a": {ONE}, "{ONE}": 1}}'])).endswith(
            "(found the columns 'a', ****)"
        )
        assert spoiled(jsonl_entries(['{"tel": 1}'], "mobile")).startswith("column: must be the name of one")
        assert spoiled(jsonl_entries(['{"tel": 1}'], "tel", "id")).startswith("custom_id_column: must be")
        assert told(jsonl_entries([f'{{"tel": {ONE}}}', f'{{"Tel": {ONE}}}'], "TEL")) == [
            (1, ONE),
            (2, "mobile: must be a field of every row"),
        ]

    @given(st.lists(st.builds(json.dumps, JSON) | st.text(CHARACTERS, max_size=20), max_size=6))
    def test_any_lines(self, lines: list[str]) -> None:
        """Any line is an entry, and a blank line is none."""
        for ids in (None, "id"):
            entries = list(checked(jsonl_entries(['{"mobile": 1, "id": "a"}', *lines], "mobile", ids)))
            assert len(entries) == 1 + sum(bool(line.strip()) for line in lines)

    def test_fields(self) -> None:
        """Chosen fields are texts or numbers in every object; of all fields each value is a text."""
        lines = [
            f'{{"mobile": {ONE}, "name": "Li", "amount": 10.50}}',
            f'{{"mobile": "{TWO}", "name": null, "amount": 7, "more": [true, {{"a": "张"}}]}}',
            f'{{"mobile": "{THREE}", "amount": 7}}',
            THREE,
        ]
        entries = list(checked(jsonl_entries(lines, None, None, ["name", "amount"])))
        assert entries[0].recipient == Recipient(ONE, fields={"name": "Li", "amount": "10.50"})
        assert told(entries[1:]) == [
            (2, "field 'name': must be a text or a number (found NoneType)"),
            (3, "field 'name': must be a field of every row"),
            (4, THREE),
        ]
        entries = list(checked(jsonl_entries(lines, None, None, True)))
        assert entries[1].recipient.fields == {
            "mobile": TWO,
            "name": "",
            "amount": "7",
            "more": '[true, {"a": "张"}]',
        }
        assert [len(one.recipient.fields) for one in entries] == [3, 4, 2, 0]


@given(mobiles)
def test_no_problem_shows_a_number(mobile: str) -> None:
    """Neither an entry nor its problem shows a whole number, right or wrong."""
    wrong = f"{mobile}9"
    sources: list[Iterator[Entry]] = [
        txt_entries([mobile, wrong]),
        csv_entries(
            ["mobile,x", f"{mobile},{mobile}", f"{wrong},{wrong}", f'{wrong},"a"b', f"{wrong},,{wrong}"]
        ),
        jsonl_entries([mobile, wrong, f'{{"mobile": "{wrong}"}}', f'{{"mobile": "{wrong}'], "mobile"),
    ]
    for entries in sources:
        for entry in entries:
            shown: list[Any] = [entry, entry.problem, getattr(entry.problem, "args", ())]
            assert mobile not in f"{shown!r} {entry} {entry.problem}"
