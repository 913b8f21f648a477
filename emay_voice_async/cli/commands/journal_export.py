"""Export of a journal to a file or standard output; the memory does not grow with the journal."""

import asyncio
import csv
import io
import os
import secrets
import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import BinaryIO, Final

from emay_voice_async.cli.terminal.exit_codes import CommandError, ExitCode
from emay_voice_async.cli.terminal.json_rows import CALL_FIELDS, Row, row_of_line
from emay_voice_async.cli.terminal.output import json_lines, output_error
from emay_voice_async.journal.protocol import State
from emay_voice_async.journal.sqlite import SqliteJournal

__all__ = ["FORMATS", "export_calls"]

FORMATS: Final = ("csv", "jsonl")
_PAGE: Final = 500


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
    if export_format == "csv":
        file.write(_csv([dict(zip(CALL_FIELDS, CALL_FIELDS, strict=True))]))
    number, page = 0, list[Row]()
    encode = _csv if export_format == "csv" else json_lines
    async for line in journal.lines():
        if line.state in states:
            number += 1
            page.append(row_of_line(line))
            if len(page) == _PAGE:
                file.write(encode(page))
                page.clear()
    file.write(encode(page))
    file.flush()
    return number


def _csv(rows: Sequence[Row]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(row.values() for row in rows)
    return text.getvalue().encode("utf-8", "backslashreplace")
