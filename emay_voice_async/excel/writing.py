"""A workbook with a summary and sheets of rows, written row by row: the memory stays flat."""

from collections.abc import Iterable, Sequence
from typing import Any, BinaryIO, Final

import xlsxwriter

__all__ = ["MAX_ROWS", "WorkbookWriter"]

MAX_ROWS: Final = 1_048_575
"""Rows of a sheet under its header."""
_LONGEST: Final = 32_767
"""Characters of a cell."""
_OPTIONS: Final = {
    # Each row is written out before the next one; no text becomes a number, a formula or a link.
    "constant_memory": True,
    "strings_to_numbers": False,
    "strings_to_formulas": False,
    "strings_to_urls": False,
}


class WorkbookWriter:
    """Writes a workbook into a file of bytes: the sheet ``summary_name``, then rows under a frozen header.

    ``columns``: the names of the columns and their widths in characters. A str is always text, also if it looks like a
    number, a formula or an address; an int or a float is a number, None an empty cell. More than :data:`MAX_ROWS` rows
    go on in further sheets. The file is complete after :meth:`close`.
    """

    def __init__(
        self, file: BinaryIO, columns: Sequence[tuple[str, int]], *, name: str, summary_name: str
    ) -> None:
        self._book: Any = xlsxwriter.Workbook(file, _OPTIONS)
        self._bold = self._book.add_format({"bold": True})
        self._header = self._book.add_format({"bold": True, "bg_color": "#E8EEF2", "bottom": 1})
        self._number = self._book.add_format({"num_format": "#,##0"})
        self._summary = self._book.add_worksheet(summary_name)
        self._columns = columns
        self._name = name
        self._sheets = 0
        self._begin_sheet()

    def write(self, row: Sequence[object]) -> None:
        """Write the next row."""
        if self._row == MAX_ROWS:
            self._begin_sheet()
        self._row += 1
        _write(self._sheet, self._row, row)

    def close(self, summary: Iterable[Sequence[object]]) -> None:
        """Write the summary, of which rows with one cell are headings, and end the file."""
        self._summary.set_column(0, 0, 60)
        self._summary.set_column(1, 1, 16, self._number)
        self._summary.fit_to_pages(1, 0)
        for place, row in enumerate(summary):
            _write(self._summary, place, row, self._bold if len(row) == 1 else None)
        self._book.close()

    def _begin_sheet(self) -> None:
        self._sheets += 1
        self._row = 0
        self._sheet = self._book.add_worksheet(
            self._name if self._sheets == 1 else f"{self._name} {self._sheets}"
        )
        for place, (title, width) in enumerate(self._columns):
            self._sheet.set_column(place, place, width)
            self._sheet.write_string(0, place, title[:_LONGEST], self._header)
        self._sheet.freeze_panes(1, 1)
        self._sheet.set_landscape()
        self._sheet.fit_to_pages(1, 0)
        self._sheet.repeat_rows(0)


def _write(sheet: Any, at: int, row: Sequence[object], style: object = None) -> None:
    for place, cell in enumerate(row):
        if isinstance(cell, str):
            if cell:
                sheet.write_string(at, place, cell[:_LONGEST], style)
        elif cell is not None:
            sheet.write_number(at, place, cell, style)
