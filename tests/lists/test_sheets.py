"""Entries of a workbook's sheet: the header, the cells, and what is refused."""

import io
from collections.abc import Callable, Sequence
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter

from emay_voice_async.errors import InvalidRequestError
from emay_voice_async.lists.reading import read_recipients

LISTS = Path(__file__).parent.parent / "samples" / "lists"
MORNING = datetime(2026, 3, 1, 9, 30)  # noqa: DTZ001 - Excel has no zones
ONE, TWO, THREE = "13800000001", "13800000002", "13800000003"


def workbook(
    rows: Sequence[Sequence[Any]], change: Callable[[Any, Any], object] = lambda *_: None
) -> io.BytesIO:
    """Write a workbook with a sheet of these rows; ``change`` gets workbook and sheet."""
    file = io.BytesIO()
    with xlsxwriter.Workbook(file, {"default_date_format": "yyyy-mm-dd"}) as book:
        sheet = book.add_worksheet("people")
        for place, row in enumerate(rows):
            for column, cell in enumerate(row):
                sheet.write(place, column, cell)
        change(book, sheet)
    file.seek(0)
    return file


def told(source: Any, **options: Any) -> list[tuple[int, str]]:
    """List each entry as the row with the number, or with the problem."""
    return [
        (one.line, one.recipient.mobile if one.problem is None else f"{one.problem.field} {one.problem.rule}")
        for one in read_recipients(source, format="xlsx", **options)
    ]


def refused(source: Any, **options: Any) -> str:
    """Return the sentence by which a whole file is refused."""
    with pytest.raises(InvalidRequestError) as caught:
        list(read_recipients(source, format="xlsx", **options))
    return str(caught.value)


class TestCells:
    """Texts, numbers, dates and booleans."""

    @pytest.mark.parametrize(
        "name", ["people-libreoffice.xlsx", "people-libreoffice.xls", "people-gbk.csv", "people-utf-16.csv"]
    )
    def test_other_programs(self, name: str) -> None:
        """The same list is the same recipients, whatever program wrote it and in whatever format."""
        entries = list(read_recipients(LISTS / name, fields=True, custom_id_column="订单号"))
        assert [one.line for one in entries] == [2, 3, 4, 5]
        assert [one.problem for one in entries] == [None] * 4
        assert [one.recipient.mobile for one in entries] == [f"1380000000{number}" for number in (1, 2, 3, 4)]
        assert [one.recipient.custom_id for one in entries] == ["A-001", "A-002", "A-003", "A-004"]
        fields = entries[2].recipient.fields
        assert (fields["姓名"], fields["金额"], fields["到期"]) == ("王五", "0.1", "2026-03-03")

    def test_numbers(self) -> None:
        """A number is read from a number, a text, and 1.38E10; blank rows are skipped, lines are those of Excel."""
        rows: list[list[Any]] = [
            ["手机号"],
            [13800000001],
            ["+86 138-0000-0002"],
            [],
            ["1.3800000003E10"],
            [1.38e10],
        ]
        assert told(workbook(rows)) == [(2, ONE), (3, TWO), (5, THREE), (6, "13800000000")]

    def test_fields(self) -> None:
        """Fields are texts: whole numbers without a point, 15 digits, times as in ISO 8601, TRUE and FALSE."""
        cells = [
            ONE,
            7,
            0.1 + 0.2,
            1e20,
            date(2026, 3, 1),
            MORNING,
            True,
            False,
            "x",
            None,
        ]
        names = ["mobile", *"abcdefghi"]

        def add_times(book: Any, sheet: Any) -> None:
            sheet.write_datetime(1, 5, MORNING, book.add_format({"num_format": "yyyy-mm-dd hh:mm"}))
            sheet.write_datetime(1, 10, time(9, 30), book.add_format({"num_format": "hh:mm"}))

        [entry] = read_recipients(workbook([[*names, "j"], cells], add_times), format="xlsx", fields=True)
        values = entry.recipient.fields
        assert [values[name] for name in "abcdefghij"] == [
            "7",
            "0.3",
            "1e+20",
            "2026-03-01",
            "2026-03-01 09:30:00",
            "TRUE",
            "FALSE",
            "x",
            "",
            "09:30:00",
        ]

    @pytest.mark.parametrize(
        "cell",
        [True, date(2026, 3, 1), 1.38, 138e9, "1.38E+10", "='x'!A1", "", -13800000001, 13800000001.5],
        ids=repr,
    )
    def test_no_numbers(self, cell: object) -> None:
        """A boolean, a date, a rounded number or a formula without a value is an entry with a problem."""
        [(line, problem)] = told(workbook([["name", "mobile"], ["Li", cell]]))
        assert line == 2
        assert problem.startswith("mobile must")

    def test_wide_rows(self) -> None:
        """Cells to the right of the header are no part of the list."""
        rows = [["mobile"], *[[ONE]] * 12, [TWO, "a note"]]
        assert told(workbook(rows))[-1] == (14, TWO)


class TestHeader:
    """The header, in one row."""

    def test_positions(self) -> None:
        """A column is named by its name or position; with a position, a first row of numbers is no header."""
        assert told(workbook([["x", "n"], ["", ONE]]), column="n") == [(2, ONE)]
        assert told(workbook([["x", "n"], ["", ONE]]), column=2) == [(2, ONE)]
        assert told(workbook([["Li", ONE], ["Wu", TWO]]), column=2) == [(1, ONE), (2, TWO)]

    def test_rows_above(self) -> None:
        """The first row with a text is the header; blank rows above it do not count."""
        assert told(workbook([[], [], ["", "电话"], ["", ONE]])) == [(4, ONE)]

    def test_title(self) -> None:
        """A title above the header is refused, with the places of both."""
        found = refused(workbook([["三月名单"], [], ["姓名", "手机号"], ["Li", ONE]]))
        assert "must have its header in one row" in found
        assert "a title in row 1, and a header in row 3" in found

    def test_two_rows(self) -> None:
        """A header of two rows is refused, with merged cells and without."""
        rows = [["姓名", "手机号"], ["name", "mobile"], ["Li", ONE]]
        assert "headers in row 1 and in row 2" in refused(workbook(rows))
        merged = workbook([[], ["Li", ONE]], lambda _, sheet: sheet.merge_range(0, 1, 1, 1, "手机号"))
        assert "cells that are merged over rows 1 to 2" in refused(merged)

    def test_merged_numbers(self) -> None:
        """A merged cell has one number; the other rows have problems."""
        rows = [["name", "mobile"], ["a"], ["b"]]
        found = told(workbook(rows, lambda _, sheet: sheet.merge_range(1, 1, 2, 1, ONE)))
        assert found[0] == (2, ONE)
        assert found[1][1].startswith("mobile must")

    def test_no_column(self) -> None:
        """The sentence names the columns and the option."""
        found = refused(workbook([["name", "size"], ["Li", "x"]]))
        assert "--column" in found
        assert "'name', 'size'" in found

    def test_nothing(self) -> None:
        """A sheet without cells is an empty list."""
        assert told(workbook([])) == []


class TestSheet:
    """The sheet of a workbook."""

    @staticmethod
    def two(*, hidden: bool = False, text: str = "mobile") -> io.BytesIO:
        """Write a workbook of two sheets."""

        def add(book: Any, sheet: Any) -> None:
            other = book.add_worksheet("其他")
            if text:
                other.write_column(0, 0, [text, TWO])
            if hidden:
                sheet.activate()
                other.hide()

        return workbook([["mobile"], [ONE]], add)

    def test_chosen(self) -> None:
        """A sheet is chosen by its name or position; the entries tell which it was."""
        assert told(self.two(), sheet="其他") == [(2, TWO)]
        assert told(self.two(), sheet=2) == [(2, TWO)]
        entries = read_recipients(self.two(), format="xlsx", sheet=1)
        assert entries.sheet is None
        assert [one.recipient.mobile for one in entries] == [ONE]
        assert [entries.sheet, entries.encoding] == ["people", None]

    def test_default(self) -> None:
        """The only visible sheet with cells need not be named."""
        assert told(self.two(hidden=True)) == [(2, ONE)]
        assert told(self.two(text="")) == [(2, ONE)]

    def test_ambiguous(self) -> None:
        """Of two sheets with cells, one must be named."""
        found = refused(self.two())
        assert "sheet: must be given (command line: --sheet)" in found
        assert "'people', '其他'" in found

    @pytest.mark.parametrize("sheet", [0, 3, "no", ""])
    def test_missing(self, sheet: str | int) -> None:
        """A sheet that does not exist is refused."""
        assert refused(self.two(), sheet=sheet).startswith("sheet: must be")

    def test_text_files(self) -> None:
        """A text file has no sheets."""
        with pytest.raises(InvalidRequestError, match="sheet: must be left out"):
            read_recipients("people.csv", sheet=1)

    def test_encoding(self) -> None:
        """A workbook has no encoding."""
        with pytest.raises(InvalidRequestError, match="encoding: must be left out for a workbook"):
            read_recipients("people.xlsx", encoding="utf-8")
