"""A workbook with a summary and sheets of rows."""

import io

import pytest
from python_calamine import CalamineWorkbook

import emay_voice_async.excel.writing as writing
from emay_voice_async.excel.writing import WorkbookWriter


def written(rows: list[list[object]], summary: list[list[object]]) -> CalamineWorkbook:
    """Write a workbook, and open it again."""
    file = io.BytesIO()
    writer = WorkbookWriter(file, [("号码", 14), ("value", 20)], name="通话", summary_name="汇总")
    for row in rows:
        writer.write(row)
    writer.close(summary)
    return CalamineWorkbook.from_filelike(io.BytesIO(file.getvalue()))


def test_cells() -> None:
    """Texts stay texts, whatever they look like; numbers are numbers; a long text is cut."""
    texts = ["13800000000", "007", "=1+1", "@x", "http://a.example", "x" * 40_000]
    book = written([[text, 1.5] for text in texts] + [["", None], ["a", 7]], [["title"], ["calls", 12]])
    assert book.sheet_names == ["汇总", "通话"]
    assert list(book.get_sheet_by_index(0).iter_rows()) == [["title", ""], ["calls", 12.0]]
    [header, *rows] = book.get_sheet_by_index(1).iter_rows()
    assert header == ["号码", "value"]
    assert [row[0] for row in rows] == [*texts[:-1], "x" * 32_767, "", "a"]
    assert [row[1] for row in rows] == [1.5] * 6 + ["", 7.0]


def test_many_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows beyond the limit of a sheet go on in further sheets, each with the header."""
    monkeypatch.setattr(writing, "MAX_ROWS", 3)
    book = written([[str(number)] for number in range(7)], [])
    assert book.sheet_names == ["汇总", "通话", "通话 2", "通话 3"]
    assert [len(list(book.get_sheet_by_index(place).iter_rows())) for place in (1, 2, 3)] == [4, 4, 2]
