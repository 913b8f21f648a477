"""Export of a journal to a file or standard output; the memory does not grow with the journal."""

import asyncio
import csv
import os
import re
import secrets
import sys
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final

from attrs import frozen

from emay_voice_async.cli.commands.journal_joining import JoinedList
from emay_voice_async.cli.report.results import CampaignResults, CampaignTally
from emay_voice_async.cli.report.summary_sheet import summary_rows
from emay_voice_async.cli.terminal.exit_codes import CommandError, ExitCode
from emay_voice_async.cli.terminal.formatting import escaped
from emay_voice_async.cli.terminal.json_rows import CALL_FIELDS, Row, row_of_line
from emay_voice_async.cli.terminal.language import gettext
from emay_voice_async.cli.terminal.output import json_lines, output_error
from emay_voice_async.journal.protocol import Journal, Line, State
from emay_voice_async.model.beijing import BEIJING

__all__ = ["FORMATS", "ExportOptions", "export_calls"]

FORMATS: Final = ("csv", "xlsx", "jsonl", "html")
_PAGE: Final = 500
_LINE_END: Final = "\r\n"
_BOM: Final = "\ufeff".encode()
"""By this mark, Excel reads a CSV file as UTF-8."""
_FORMULA: Final = re.compile("[\\s\ufeff]*[=+@＝＋＠－-]|[\\t\\r\\n]")
_Encode = Callable[[Sequence[Row]], bytes]
_WIDTHS: Final = {
    "mobile": 14,
    "custom_id": 34,
    "message_id": 34,
    "reason": 30,
    "begun_at": 26,
    "report_description": 24,
    "called_at": 26,
}
_WIDTH: Final = 14


@frozen
class ExportOptions:
    """What is exported, and how; ``texts`` are what was said, as pairs of a name and a text."""

    states: Collection[State]
    format: str = "csv"
    texts: Sequence[tuple[str, str]] = ()
    show_numbers: bool = False
    joined: JoinedList | None = None

    @property
    def fields(self) -> list[str]:
        """The names of the columns."""
        return [*CALL_FIELDS, *(self.joined.names if self.joined else ())]

    def row(self, call: Line) -> Row:
        """Return the row of a call, with the columns of the joined list."""
        row = row_of_line(call)
        if self.joined is not None:
            row |= zip(self.joined.names, self.joined.cells(call), strict=True)
        return row


def export_calls(journal: Journal, options: ExportOptions, output: Path | None) -> int:
    """Write the calls in these states; return their number."""
    if output is not None:
        return _write_file(journal, options, output)
    try:
        return asyncio.run(_write(journal, options, sys.stdout.buffer))
    except OSError as error:
        raise output_error(error) from error


def _write_file(journal: Journal, options: ExportOptions, output: Path) -> int:
    """Write a file that only its owner can read; an existing file is replaced when the export is complete."""
    # A device or a pipe cannot be replaced, so the export writes to it directly.
    is_device = output.exists() and not output.is_file()
    part = output if is_device else output.with_name(f"{output.name}.{secrets.token_hex(4)}.part")
    try:
        with open(part, "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            number = asyncio.run(_write(journal, options, file))
        if not is_device:
            part.replace(output)
    except OSError as error:
        raise CommandError(f"{output}: {error.strerror or error}", ExitCode.OUTPUT) from None
    finally:
        if not is_device:
            part.unlink(missing_ok=True)
    return number


async def _write(journal: Journal, options: ExportOptions, file: BinaryIO) -> int:
    """Write an export in any format; return the number of calls."""
    async with journal:
        if options.format == "html":
            return await _write_page(journal, options, file)
        if options.format == "xlsx":
            return await _write_workbook(journal, options, file)
        return await _write_text(journal, options, file)


async def _calls(journal: Journal, states: Collection[State]) -> AsyncIterator[Line]:
    async for call in journal.lines():
        if call.state in states:
            yield call


async def _write_text(journal: Journal, options: ExportOptions, file: BinaryIO) -> int:
    to_terminal = file.isatty()
    encode: _Encode = partial(_csv, to_terminal=to_terminal) if options.format == "csv" else json_lines
    header: list[Row] = [dict(zip(options.fields, options.fields, strict=True))]
    begun = _BOM if not to_terminal else b""
    if options.format != "csv":
        header, begun = [], b""
    number, page = 0, list[Row]()
    async for call in _calls(journal, options.states):
        number += 1
        page.append(options.row(call))
        if len(page) == _PAGE:
            file.write(begun + encode([*header, *page]))
            begun, header, page = b"", [], []
    # The header is written after the first read: a journal that cannot be read leaves an empty output.
    file.write(begun + encode([*header, *page]))
    file.flush()
    return number


async def _write_workbook(journal: Journal, options: ExportOptions, file: BinaryIO) -> int:
    from emay_voice_async.excel.writing import WorkbookWriter  # noqa: PLC0415 - an extra

    _check_not_terminal(file)
    summary, tally, number = await journal.summary(), CampaignTally(), 0
    columns = [(name, _WIDTHS.get(name, _WIDTH)) for name in options.fields]
    writer = WorkbookWriter(file, columns, name=gettext("Calls"), summary_name=gettext("Summary"))
    async for call in _calls(journal, options.states):
        number += 1
        tally.add(call)
        writer.write([_plain(value) for value in options.row(call).values()])
    writer.close(summary_rows(tally.results(summary), options.texts))
    file.flush()
    return number


async def _write_page(journal: Journal, options: ExportOptions, file: BinaryIO) -> int:
    from emay_voice_async.cli.report.page import campaign_page  # noqa: PLC0415 - an extra

    _check_not_terminal(file)
    summary, tally = await journal.summary(), CampaignTally()
    async for call in _calls(journal, options.states):
        tally.add(call)
    results: CampaignResults = tally.results(summary)
    page = campaign_page(
        results, made_at=datetime.now(BEIJING), texts=options.texts, show_numbers=options.show_numbers
    )
    file.write(page.encode("utf-8", "backslashreplace"))
    file.flush()
    return results.total


def _check_not_terminal(file: BinaryIO) -> None:
    if file.isatty():
        raise CommandError(gettext("this format is not for a terminal: name a file with --output"))


def _plain(value: object) -> object:
    """Return a value for a cell; a lone surrogate from a report has no form in a workbook."""
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value


class _Lines:
    """Takes the rows of a CSV writer; a writer with CR and LF as line end quotes both inside of a cell."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def write(self, line: str) -> None:
        self.lines.append(f"{line.removesuffix(_LINE_END)}\n")


def _csv(rows: Sequence[Row], *, to_terminal: bool) -> bytes:
    found = _Lines()
    writer = csv.writer(found, lineterminator=_LINE_END)
    for row in rows:
        writer.writerow([_cell(value, to_terminal=to_terminal) for value in row.values()])
    return "".join(found.lines).encode("utf-8", "backslashreplace")


def _cell(value: object, *, to_terminal: bool) -> object:
    """Put an apostrophe in front of a text that a spreadsheet would run as a formula; escape it for a terminal."""
    if not isinstance(value, str):
        return value
    cell = f"'{value}" if _FORMULA.match(value) else value
    return escaped(cell) if to_terminal else cell
