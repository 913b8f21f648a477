"""Rows of texts from a sheet of a workbook; the whole sheet is in memory while it is read.

A damaged workbook can end the process: ``reading_process`` reads in a process of its own.
"""

import datetime
import io
from collections.abc import Iterable, Iterator
from typing import Final, Protocol

from attrs import frozen
from python_calamine import (
    CalamineError,
    CalamineSheet,
    CalamineWorkbook,
    PasswordError,
    SheetTypeEnum,
    SheetVisibleEnum,
    WorksheetNotFound,
)

from emay_voice_async.errors import InvalidRequestError

__all__ = ["WORKBOOK_RULE", "BytesReader", "SheetRows", "cell_text", "check_bytes", "open_sheet"]

SheetCell = int | float | str | bool | datetime.time | datetime.date | datetime.datetime | datetime.timedelta

WORKBOOK_RULE: Final = "must be a workbook of Excel (.xlsx or .xls)"
_ZIP: Final = b"PK\x03\x04"
_OLE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_MAX_EXACT: Final = 10**15
"""Excel keeps 15 digits of a number."""
_SHOWN: Final = 10


class BytesReader(Protocol):
    """A file; one that reads text is refused."""

    def read(self, size: int, /) -> bytes | str:
        """Return up to ``size`` bytes, or the whole file for -1; empty at the end."""
        ...


@frozen
class SheetRows:
    """The rows of a sheet: its name, and the cells that are merged, as first and last row and column from 0."""

    name: str
    merged: tuple[tuple[tuple[int, int], tuple[int, int]], ...]
    _sheet: CalamineSheet

    def __iter__(self) -> Iterator[tuple[int, list[str]]]:
        """Yield the number, from 1, and the texts of the cells of each row."""
        start = self._sheet.start
        if start is None:
            return
        for number, cells in enumerate(self._sheet.iter_rows(), 1):
            yield number, [cell_text(cell) for cell in cells]


def open_sheet(file: BytesReader, sheet: str | int | None) -> SheetRows:
    """Open a sheet by name or position, from 1; None: the only visible sheet with cells.

    ``file`` is a file that reads bytes. Raises :class:`InvalidRequestError` for a file that is no workbook, is
    damaged or encrypted, and for a sheet that does not exist or must be named.
    """
    data = _bytes(file)
    try:
        workbook = CalamineWorkbook.from_filelike(io.BytesIO(data))
        found = _sheet(workbook, sheet)
        merged = tuple(found.merged_cell_ranges or ())
    except CalamineError as error:
        raise _unreadable(data, is_encrypted=isinstance(error, PasswordError)) from None
    except BaseException as error:
        # The library is in Rust; a failed assertion inside of it is no Exception.
        if type(error).__name__ != "PanicException":
            raise
        raise _unreadable(data) from None
    return SheetRows(found.name, merged, found)


def cell_text(cell: SheetCell) -> str:
    """Return the text of a cell: whole numbers without a point, dates as in ISO 8601, TRUE and FALSE."""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, bool):
        return "TRUE" if cell else "FALSE"
    if isinstance(cell, float):
        if cell.is_integer() and abs(cell) < _MAX_EXACT:
            return str(int(cell))
        return format(cell, ".15g")
    if isinstance(cell, datetime.datetime):
        return cell.isoformat(" ", "seconds")
    return str(cell)


def check_bytes(data: bytes | str) -> bytes:
    """Raise :class:`InvalidRequestError` for text."""
    if not isinstance(data, bytes):
        raise InvalidRequestError("source", "must read bytes for a workbook", None, type(data).__name__)
    return data


def _bytes(file: BytesReader) -> bytes:
    data = check_bytes(file.read(-1))
    if not data:
        raise _refused(WORKBOOK_RULE, "an empty file")
    return data


def _sheet(workbook: CalamineWorkbook, wanted: str | int | None) -> CalamineSheet:
    names = workbook.sheet_names
    if isinstance(wanted, int):
        if not 1 <= wanted <= len(names):
            rule = f"must be a name, or a position from 1 to {len(names)}"
            raise InvalidRequestError("sheet", rule, len(names), wanted)
        return workbook.get_sheet_by_index(wanted - 1)
    if wanted is not None:
        try:
            return workbook.get_sheet_by_name(wanted)
        except WorksheetNotFound:
            rule = "must be the name of a sheet (command line: --sheet)"
            raise InvalidRequestError("sheet", rule, None, _listed(names)) from None
    visible = [
        one.name
        for one in workbook.sheets_metadata
        if one.typ == SheetTypeEnum.WorkSheet and one.visible == SheetVisibleEnum.Visible
    ]
    sheets = [workbook.get_sheet_by_name(name) for name in visible]
    filled = [one for one in sheets if one.start is not None] or sheets[:1]
    if len(filled) != 1:
        rule = "must be given (command line: --sheet), unless a single visible sheet has cells"
        raise InvalidRequestError("sheet", rule, None, _listed([one.name for one in filled]))
    return filled[0]


def _listed(names: Iterable[str]) -> str:
    shown = [repr(name[:40]) for name in names]
    more = ["..."] if len(shown) > _SHOWN else []
    return f"the sheets {', '.join([*shown[:_SHOWN], *more])}" if shown else "no sheet"


def _unreadable(data: bytes, *, is_encrypted: bool = False) -> InvalidRequestError:
    """Name what the file seems to be."""
    if is_encrypted or "EncryptedPackage".encode("utf-16-le") in data:
        return _refused("must be without a password: save the workbook without encryption")
    if data.startswith(_ZIP):
        found = "a damaged workbook" if b"xl/" in data else "an archive of something else"
    elif data.startswith(_OLE):
        found = "a damaged workbook, or a document of another program"
    elif data.lstrip()[:1] == b"<":
        found = "a page of HTML or XML with the name of a workbook: open it in Excel and save it as .xlsx"
    elif b"\0" not in data[:1000]:
        found = "text with the name of a workbook: save it as .xlsx, or name its format csv"
    else:
        found = "other bytes"
    return _refused(WORKBOOK_RULE, found)


def _refused(rule: str, found: str | None = None) -> InvalidRequestError:
    return InvalidRequestError("file", rule, None, found)
