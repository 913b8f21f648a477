"""Export of a journal to a file or standard output; the memory does not grow with the journal."""

import asyncio
import csv
import os
import re
import secrets
import sys
from collections.abc import Callable, Collection, Sequence
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final

from emay_voice_async.cli.terminal.exit_codes import CommandError, ExitCode
from emay_voice_async.cli.terminal.formatting import escaped
from emay_voice_async.cli.terminal.json_rows import CALL_FIELDS, Row, row_of_line
from emay_voice_async.cli.terminal.output import json_lines, output_error
from emay_voice_async.journal.protocol import State
from emay_voice_async.journal.sqlite import SqliteJournal

__all__ = ["FORMATS", "export_calls"]

FORMATS: Final = ("csv", "jsonl")
_PAGE: Final = 500
_LINE_END: Final = "\r\n"
_FORMULA: Final = re.compile("[\\s\ufeff]*[=+@＝＋＠－-]|[\\t\\r\\n]")
_Encode = Callable[[Sequence[Row]], bytes]


def export_calls(
    journal: SqliteJournal, states: Collection[State], export_format: str, output: Path | None
) -> int:
    """Write the calls in these states; return their number."""
    if output is not None:
        return _write_file(journal, states, export_format, output)
    try:
        return asyncio.run(_write(journal, states, export_format, sys.stdout.buffer))
    except OSError as error:
        raise output_error(error) from error


def _write_file(journal: SqliteJournal, states: Collection[State], export_format: str, output: Path) -> int:
    """Write a file that only its owner can read; an existing file is replaced when the export is complete."""
    # A device or a pipe cannot be replaced, so the export writes to it directly.
    is_device = output.exists() and not output.is_file()
    part = output if is_device else output.with_name(f"{output.name}.{secrets.token_hex(4)}.part")
    try:
        with open(part, "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            number = asyncio.run(_write(journal, states, export_format, file))
        if not is_device:
            part.replace(output)
    except OSError as error:
        raise CommandError(f"{output}: {error.strerror or error}", ExitCode.OUTPUT) from None
    finally:
        if not is_device:
            part.unlink(missing_ok=True)
    return number


async def _write(
    journal: SqliteJournal, states: Collection[State], export_format: str, file: BinaryIO
) -> int:
    to_terminal = file.isatty()
    encode: _Encode = json_lines if export_format == "jsonl" else partial(_csv, to_terminal=to_terminal)
    header: list[Row] = [dict(zip(CALL_FIELDS, CALL_FIELDS, strict=True))] if export_format == "csv" else []
    number, page = 0, list[Row]()
    async for line in journal.lines():
        if line.state in states:
            number += 1
            page.append(row_of_line(line))
            if len(page) == _PAGE:
                file.write(encode([*header, *page]))
                header, page = [], []
    # The header is written after the first read: a journal that cannot be read leaves an empty output.
    file.write(encode([*header, *page]))
    file.flush()
    return number


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
