"""Recipients from files, as a stream: only a piece of a file is in memory at any time."""

import asyncio
import os
import threading
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Collection, Generator, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Final

from attrs import define, field

from emay_voice_async.errors import InvalidRequestError
from emay_voice_async.lists.columns import Column
from emay_voice_async.lists.decoding import Readable, check_encoding, lines_of
from emay_voice_async.lists.entries import Entry, FieldChoice
from emay_voice_async.lists.rows import csv_entries, jsonl_entries, txt_entries
from emay_voice_async.lists.sheets import NumberedRows, sheet_entries
from emay_voice_async.model.recipients import Recipient

__all__ = ["FORMATS", "WORKBOOK", "Entries", "Entry", "Recipients", "read_recipients", "recipients_of"]

FORMATS: Final[dict[str, tuple[str, ...]]] = {
    "txt": ("txt",),
    "csv": ("csv", "tsv"),
    "jsonl": ("jsonl", "ndjson"),
    "xlsx": ("xlsx", "xlsm", "xls", "et"),
}
"""The formats, and the file name endings of each."""

_CHOICE: Final = "txt, csv, jsonl or xlsx"
WORKBOOK: Final = "xlsx"
"""The format of workbooks."""
_Notify = Callable[[str], object]
_Stop = Callable[[], object]
_OnStart = Callable[[_Stop], object]
_AT_ONCE: Final = 500
"""Rows that a thread reads before the event loop hands them out."""


@define
class _Stops:
    """What must be ended at once when the entries are closed while a thread reads them."""

    _stops: list[_Stop] = field(factory=list)
    _is_closed: bool = False

    def add(self, stop: _Stop) -> None:
        # In this order, no stop is missed: close() does the same the other way round.
        self._stops.append(stop)
        if self._is_closed:
            stop()

    def close(self) -> None:
        self._is_closed = True
        for stop in self._stops:
            stop()


class Entries(Iterator[Entry]):
    """The entries of a file, for ``for`` and ``async for``; close it to close the file early.

    ``async for`` reads and parses in threads, a few hundred rows at a time, so that the event loop
    goes on; ``for`` reads in place.
    """

    def __init__(self, entries: Callable[[_Notify, _Notify, _OnStart], Generator[Entry, None, None]]) -> None:
        self._encodings: list[str] = []
        self._sheets: list[str] = []
        self._stops = _Stops()
        # Not methods of this object: a reference cycle would keep an abandoned file open.
        self._entries = entries(self._encodings.append, self._sheets.append, self._stops.add)
        self._failure: Exception | None = None
        self._closing = False
        self._reading = threading.Lock()

    @property
    def encoding(self) -> str | None:
        """The encoding of the file: "utf-8", "gb18030", or as a byte order mark or the argument says.

        None before the first entry, for a file that reads text, and for a workbook. It is certain after the last
        entry; a file that begins with ASCII can still turn out to be GB18030.
        """
        return self._encodings[-1] if self._encodings else None

    @property
    def sheet(self) -> str | None:
        """The name of the sheet of a workbook; None before the first entry, and for other files."""
        return self._sheets[-1] if self._sheets else None

    def __iter__(self) -> Iterator[Entry]:  # noqa: PYI034 - the generator itself is faster
        return self._entries

    def __next__(self) -> Entry:
        return next(self._entries)

    async def __aiter__(self) -> AsyncGenerator[Entry, None]:
        try:
            while entries := await asyncio.to_thread(self._read):
                for entry in entries:
                    yield entry
            if self._failure is not None:
                raise self._failure
        finally:
            self.close()

    def close(self) -> None:
        """End the stream, and close a file that was opened for it.

        If a thread still reads for a task that was cancelled, that thread closes the file afterwards; a process that
        reads a workbook is ended at once.
        """
        self._closing = True
        if self._reading.acquire(blocking=False):
            try:
                self._entries.close()
            finally:
                self._reading.release()
        else:
            self._stops.close()

    def _read(self) -> list[Entry]:
        """Read the next entries; an error is kept until the entries before it were handed out."""
        entries: list[Entry] = []
        with self._reading:
            try:
                entries.extend(islice(self._entries, _AT_ONCE))
            except Exception as error:
                self._failure = error
        if self._closing:
            self.close()
        return entries


class Recipients(Iterator[Recipient]):
    """The recipients of entries, for ``for`` and ``async for``."""

    def __init__(self, entries: Iterable[Entry], on_problem: Callable[[Entry], object] | None) -> None:
        self._entries = entries
        self._on_problem = on_problem
        self._recipients = _recipients(entries, on_problem)

    def __iter__(self) -> Iterator[Recipient]:  # noqa: PYI034 - the generator itself is faster
        return self._recipients

    def __next__(self) -> Recipient:
        return next(self._recipients)

    async def __aiter__(self) -> AsyncGenerator[Recipient, None]:
        if isinstance(self._entries, AsyncIterable):
            async for entry in self._entries:
                if _is_wanted(entry, self._on_problem):
                    yield entry.recipient
            return
        for number, entry in enumerate(self._entries, 1):
            if _is_wanted(entry, self._on_problem):
                yield entry.recipient
            if number % _AT_ONCE == 0:
                await asyncio.sleep(0)


def _recipients(
    entries: Iterable[Entry], on_problem: Callable[[Entry], object] | None
) -> Generator[Recipient, None, None]:
    for entry in entries:
        if _is_wanted(entry, on_problem):
            yield entry.recipient


def _is_wanted(entry: Entry, on_problem: Callable[[Entry], object] | None) -> bool:
    if entry.problem is None or on_problem is None:
        return True
    on_problem(entry)
    return False


def read_recipients(
    source: str | os.PathLike[str] | Readable,
    *,
    format: str | None = None,  # noqa: A002 - the standard word
    column: Column | None = None,
    custom_id_column: Column | None = None,
    fields: FieldChoice = False,
    encoding: str | None = None,
    sheet: str | int | None = None,
) -> Entries:
    """Return the entries of a file: an :class:`Entry` for each row, with its line number.

    - ``source``: a path, or an open file, which is not closed.
    - ``format``: "txt" (a number per line; blank lines and lines that begin with # are skipped), "csv"
      (rows under a header, delimited by commas, semicolons or tabs), "jsonl" (an object or a number
      per line) or "xlsx" (a workbook of Excel, .xlsx or .xls, with rows under a header; needs the extra ``excel``).
      None: by the ending of the file's name.
    - ``column``: the column of the numbers: a name, or in "csv" and "xlsx" a position counted from 1. None: the only
      column with a usual name, such as mobile, phone_number, 手机号 or 联系电话.
    - ``custom_id_column``: the column of the custom ids. None: no custom ids.
    - ``fields``: the columns that become ``fields`` of the recipients: a collection of names, such as
      ``template.fields``, or True for all columns.
    - ``encoding``: None is UTF-8, or GB18030 where the bytes are no UTF-8. A byte order mark in the file
      overrides the argument. :attr:`Entries.encoding` tells which encoding was used. To tell the two
      apart, 64 KiB are read from the first character beyond ASCII on before the next entry comes.
    - ``sheet``: the sheet of a workbook, by name or position from 1. None: the only visible sheet with cells.

    The file is opened when the first entry is asked for, and read a piece at a time; only the sheet of a workbook is
    in memory as a whole (about 100 bytes for each cell, 500 MB for 1,048,576 rows of 5 columns). ``for`` reads in
    place, with blocking reads; in an event loop use ``async for``, as the client does with
    :func:`recipients_of`. A bad row is an entry with ``problem`` set. :class:`InvalidRequestError` is
    raised at once for bad arguments, and while reading for a fault of the whole file: a missing column,
    bytes in another encoding, an endless line. :class:`OSError` comes from the operating system.
    """
    if not isinstance(source, str | os.PathLike) and not hasattr(source, "read"):
        raise InvalidRequestError("source", "must be a path or an open file", None, type(source).__name__)
    _check_fields(fields)
    chosen = _format(source) if format is None else format
    if chosen == WORKBOOK:
        if encoding is not None:
            raise InvalidRequestError("encoding", "must be left out for a workbook")
        rows = partial(sheet_entries, column=column, custom_id_column=custom_id_column, fields=fields)
        return Entries(partial(_workbook_entries, source, rows, sheet))
    if sheet is not None:
        raise InvalidRequestError("sheet", "must be left out for a file that is no workbook")
    reader = _reader(chosen, column, custom_id_column, fields)
    if encoding is not None:
        check_encoding(encoding)
    return Entries(partial(_entries, source, reader, encoding))


def _check_fields(fields: object) -> None:
    if isinstance(fields, bool):
        return
    names = fields if isinstance(fields, Collection) and not isinstance(fields, str) else (None,)
    if not all(isinstance(name, str) for name in names):
        rule = 'must be True, or a collection of names, such as ["name"]'
        raise InvalidRequestError("fields", rule, None, type(fields).__name__)


def recipients_of(
    entries: Iterable[Entry], *, on_problem: Callable[[Entry], object] | None = None
) -> Recipients:
    """Return the recipients to send to; each bad entry is passed to ``on_problem`` and skipped.

    Without ``on_problem`` the bad entries are yielded as well: each becomes an outcome of its own, a
    :class:`~emay_voice_async.model.results.NotSent`. An exception of ``on_problem`` ends the stream.
    ``async for``, which the client uses, lets the event loop go on while a file is read.
    """
    return Recipients(entries, on_problem)


def _format(source: object) -> str:
    """Return the format by the ending of the file's name."""
    name = source if isinstance(source, str | os.PathLike) else getattr(source, "name", "")
    ending = Path(name).suffix[1:].lower() if isinstance(name, str | os.PathLike) else ""
    for known, endings in FORMATS.items():
        if ending in endings:
            return known
    raise InvalidRequestError("format", f"must be {_CHOICE}: the file's name does not tell")


def _reader(
    format: str,  # noqa: A002
    column: Column | None,
    custom_id_column: Column | None,
    fields: FieldChoice,
) -> Callable[[Iterable[str]], Iterator[Entry]]:
    if format == "csv":
        return partial(csv_entries, column=column, custom_id_column=custom_id_column, fields=fields)
    if format == "jsonl":
        if isinstance(column, int) or isinstance(custom_id_column, int):
            raise InvalidRequestError("column", "must be a name in jsonl, where fields have no positions")
        return partial(jsonl_entries, column=column, custom_id_column=custom_id_column, fields=fields)
    if format != "txt":
        raise InvalidRequestError("format", f"must be {_CHOICE}")
    if fields:
        raise InvalidRequestError("fields", "must be left out for txt, which has one number a line")
    if column is not None or custom_id_column is not None:
        raise InvalidRequestError("column", "must be left out for txt, which has one number a line")
    return txt_entries


def _entries(
    source: str | os.PathLike[str] | Readable,
    reader: Callable[[Iterable[str]], Iterator[Entry]],
    encoding: str | None,
    on_encoding: _Notify,
    _: _Notify,
    __: object,
) -> Generator[Entry, None, None]:
    with _opened(source) as file:
        yield from reader(lines_of(file, encoding, on_encoding))


def _workbook_entries(
    source: str | os.PathLike[str] | Readable,
    reader: Callable[[NumberedRows], Iterator[Entry]],
    sheet: str | int | None,
    _: _Notify,
    on_sheet: _Notify,
    on_start: _OnStart,
) -> Generator[Entry, None, None]:
    from emay_voice_async.excel.reading_process import sheet_rows  # noqa: PLC0415 - an extra

    with _opened(source) as file, sheet_rows(file, sheet, on_start) as rows:
        on_sheet(rows.name)
        yield from reader(rows)


def _opened(source: str | os.PathLike[str] | Readable) -> AbstractContextManager[Readable]:
    if isinstance(source, str | os.PathLike):
        return Path(source).open("rb", buffering=0)
    return nullcontext(source)
