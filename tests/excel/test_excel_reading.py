"""Rows of texts from a sheet: files that are no readable workbook."""

import datetime
import importlib
import io
import random
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter

import emay_voice_async.excel.reading as reading
from emay_voice_async.errors import InvalidRequestError
from emay_voice_async.excel.reading import cell_text, open_sheet

LISTS = Path(__file__).parent.parent / "samples" / "lists"


def refused(data: bytes) -> str:
    """Return the sentence by which a file is refused."""
    with pytest.raises(InvalidRequestError) as caught:
        list(open_sheet(io.BytesIO(data), None))
    return str(caught.value)


def archive() -> bytes:
    """Make a zip of something else."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        made.writestr("a.txt", "hello")
    return file.getvalue()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "an empty file"),
        (archive(), "an archive of something else"),
        ((LISTS / "people-libreoffice.xlsx").read_bytes()[:3000], "a damaged workbook"),
        ((LISTS / "people-libreoffice.xls").read_bytes()[:600], "a damaged workbook, or"),
        (b"mobile,name\n13800000000,Li\n", "text with the name of a workbook"),
        (b" <html><table></table></html>", "a page of HTML"),
        (bytes(range(256)), "other bytes"),
        ((LISTS / "encrypted.xlsx").read_bytes(), "must be without a password"),
    ],
)
def test_no_workbook(data: bytes, words: str) -> None:
    """A file that cannot be read is one sentence that says what it seems to be, without its content."""
    sentence = refused(data)
    assert words in sentence
    assert sentence.startswith("file: must be")
    assert "13800000000" not in sentence


def test_missing_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its libraries, the package says how to install them."""
    monkeypatch.setitem(sys.modules, "python_calamine", None)
    monkeypatch.delitem(sys.modules, "emay_voice_async.excel")
    with pytest.raises(ImportError, match=r"python_calamine is missing: .*\[excel\]"):
        importlib.import_module("emay_voice_async.excel")


def test_text() -> None:
    """A file that reads text is refused."""
    with pytest.raises(InvalidRequestError, match="must read bytes for a workbook"):
        open_sheet(io.StringIO("x"), None)


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ("x", "x"),
        (True, "TRUE"),
        (False, "FALSE"),
        (13800000001.0, "13800000001"),
        (0.1 + 0.2, "0.3"),
        (1e20, "1e+20"),
        (datetime.datetime(2026, 3, 1, 9, 30), "2026-03-01 09:30:00"),  # noqa: DTZ001 - Excel has no zones
        (datetime.date(2026, 3, 1), "2026-03-01"),
        (datetime.time(9, 30), "09:30:00"),
    ],
)
def test_cells(cell: Any, text: str) -> None:
    """A cell is a text without digits that the cell does not have."""
    assert cell_text(cell) == text


def test_sheets() -> None:
    """A sheet is chosen by its name or position; else only one visible sheet may have cells."""
    file = io.BytesIO()
    with xlsxwriter.Workbook(file) as book:
        for name in ("one", "two"):
            book.add_worksheet(name).write(0, 0, name)
    for sheet, name in (("one", "one"), (2, "two")):
        rows = open_sheet(io.BytesIO(file.getvalue()), sheet)
        assert (rows.name, list(rows)) == (name, [(1, [name])])
    for missing in (0, 3, "three", None):
        with pytest.raises(InvalidRequestError, match="sheet: must be"):
            open_sheet(io.BytesIO(file.getvalue()), missing)


@pytest.mark.parametrize("name", ["people-libreoffice.xlsx", "encrypted.xlsx"])
def test_damage(name: str) -> None:
    """A workbook with some wrong bytes is read or refused; no other error comes."""
    data, chance = (LISTS / name).read_bytes(), random.Random(name)
    refusals = set[str]()
    for _ in range(150):
        damaged = bytearray(data)
        for _ in range(chance.randrange(1, 20)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        try:
            for _, cells in open_sheet(
                io.BytesIO(bytes(damaged[: chance.randrange(1, len(data) * 2)])), None
            ):
                assert all(isinstance(cell, str) for cell in cells)
        except InvalidRequestError as error:
            refusals.add(error.field)
    assert refusals <= {"file", "sheet"}


def test_failures_of_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """A failed assertion inside of the library is a damaged workbook; another error is not hidden."""

    class PanicException(BaseException):
        pass

    class Workbook:
        error: type[BaseException] = PanicException

        @classmethod
        def from_filelike(cls, _: object) -> Any:
            raise cls.error

    monkeypatch.setattr(reading, "CalamineWorkbook", Workbook)
    assert "a damaged workbook" in refused((LISTS / "people-libreoffice.xlsx").read_bytes())
    Workbook.error = KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt):
        open_sheet(io.BytesIO(b"x"), None)


def test_no_sheet_with_cells() -> None:
    """Of several sheets without cells, the first one is read; it has no rows."""
    file = io.BytesIO()
    with xlsxwriter.Workbook(file) as book:
        book.add_worksheet()
        book.add_worksheet()
    assert list(open_sheet(io.BytesIO(file.getvalue()), None)) == []
