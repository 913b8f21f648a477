"""``journal export``: every call of a journal as CSV or JSON lines."""

import asyncio
import csv
import importlib
import io
import os
import stat
import sys
from pathlib import Path
from typing import Any

import pytest
from support.cli_runner import Program, Unwritable

from emay_voice_async import Product, Report
from emay_voice_async.journal import SqliteJournal


class TestExport:
    """The formats, the file and its failures."""

    def test_csv(self, program: Program, journal: Path) -> None:
        """Every call has a row under a header, with its whole number."""
        result = program("journal", "export", journal)
        rows = list(csv.DictReader(result.out.splitlines()))
        assert len(rows) == 600
        assert [row["mobile"] for row in rows] == [f"138{number:08}" for number in range(600)]
        assert {row["state"] for row in rows[:500]} == {"refused"}
        assert {row["reason"] for row in rows[:500]} == {"ERROR_CONTENT_EMPTY"}
        assert {row["report_state"] for row in rows[500:]} == {"SUCCESS"}
        assert result.text == "600 calls."

    def test_jsonl(self, program: Program, journal: Path) -> None:
        """JSON lines of the chosen states."""
        result = program("journal", "export", journal, "--format", "jsonl", "--state", "accepted")
        assert len(result.rows) == 100
        assert {row["state"] for row in result.rows} == {"accepted"}
        assert result.rows[0]["duration"] > 0
        result = program("journal", "export", journal, "--state", "not-sent", "--format", "jsonl")
        assert (result.code, result.out) == (0, "")

    def test_file(self, program: Program, journal: Path, tmp_path: Path) -> None:
        """The file is readable by its owner only, and is a list for another send."""
        path = tmp_path / "calls.csv"
        result = program("journal", "export", journal, "--state", "refused", "--output", path)
        assert (result.code, result.out) == (0, "")
        if os.name == "posix":
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
        before = len(program.sandbox.calls)
        assert program("send", "notice", "--to", path, "--content", "您好", "--yes").code == 0
        assert len(program.sandbox.calls) - before == 500

    @pytest.mark.skipif(not Path("/dev/null").exists(), reason="there is no such device")
    def test_device(self, program: Program, journal: Path) -> None:
        """A device is written to and not replaced."""
        result = program("journal", "export", journal, "--output", "/dev/null")
        assert (result.code, result.text) == (0, "600 calls.")
        assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)

    def test_missing_folder(self, program: Program, journal: Path, tmp_path: Path) -> None:
        """The error line names a file that cannot be created."""
        result = program("journal", "export", journal, "--output", tmp_path / "no" / "calls.csv")
        assert result.code == 7
        assert "calls.csv: No such file" in result.error_line

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is always full")
    def test_full_device(self, program: Program, journal: Path) -> None:
        """A full device is one error line."""
        result = program("journal", "export", journal, "--output", "/dev/full")
        assert (result.code, result.error_line) == (7, "emay-voice: /dev/full: No space left on device")
        assert stat.S_ISCHR(Path("/dev/full").stat().st_mode)

    @pytest.mark.skipif(sys.platform == "win32", reason="Windows does not limit the size of files")
    def test_incomplete_export(self, program: Program, journal: Path, tmp_path: Path) -> None:
        """An incomplete export leaves the existing file as before, and no part of the new one."""
        resource = importlib.import_module("resource")

        path = tmp_path / "calls.csv"
        path.write_text("before")
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, before[1]))
        try:
            result = program("journal", "export", journal, "--output", path)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert result.code == 7
        assert path.read_text() == "before"
        assert sorted(one.name for one in tmp_path.iterdir() if "part" in one.name) == []

    def test_broken_pipe(self, program: Program, journal: Path) -> None:
        """A broken pipe exits with 141 and prints no error."""
        result = program("journal", "export", journal, stdout=Unwritable(BrokenPipeError(32, "Broken pipe")))
        assert (result.code, result.err) == (141, "")

    def test_formulas(self, program: Program, journal: Path) -> None:
        """In CSV, a text that a spreadsheet would run gets an apostrophe; in jsonl it is as it came."""
        texts = ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1", "＝1", " =1", "plain", "1-1"]
        record(journal, texts)
        out = program("journal", "export", journal, "--state", "accepted").out
        cells = csv.reader(io.StringIO(out, newline=""))
        column = {row[7] for row in cells}
        assert column >= {f"'{text}" for text in texts[:-2]} | set(texts[-2:])
        rows = program("journal", "export", journal, "--state", "accepted", "--format", "jsonl").rows
        assert {row["report_description"] for row in rows} >= set(texts)

    def test_terminal(self, program: Program, journal: Path) -> None:
        """On a terminal, control characters of a report are visible text; in a file they are as they came."""
        hostile = "\x1b]52;c;aGk=\x07\x9b2J\u202e"
        record(journal, [hostile])
        assert hostile in program("journal", "export", journal).out
        for export_format in ("csv", "jsonl"):
            out = Terminal()
            program("journal", "export", journal, "--format", export_format, stdout=out)
            assert len(out.lines.splitlines()) >= 600
            assert not set("\x1b\x07\x9b\u202e") & set(out.lines.decode())

    def test_unreadable_journal(self, program: Program, tmp_path: Path) -> None:
        """A journal that cannot be read leaves standard output empty, without a header."""
        (tmp_path / "x.db").write_bytes(b"not a journal" * 99)
        for path in (tmp_path / "x.db", tmp_path / "missing.db", tmp_path):
            result = program("journal", "export", path)
            assert (result.code, result.out) == (5, "")

    def test_reader_leaves(self, program: Program, journal: Path) -> None:
        """A broken pipe in the middle exits with 141 and prints no error."""

        class Limited(Unwritable):
            def write(self, data: Any) -> int:
                if self._pending:
                    raise BrokenPipeError(32, "Broken pipe")
                return super().write(data)

        result = program("journal", "export", journal, stdout=Limited(OSError(), after=9))
        assert (result.code, result.err) == (141, "")


class Terminal(Unwritable):
    """A standard output that is a terminal."""

    def __init__(self) -> None:
        super().__init__(OSError(), after=10**6)

    def isatty(self) -> bool:
        """Tell that this is a terminal."""
        return True


def record(journal: Path, texts: list[str]) -> None:
    """Record a report with each description for the first calls of the journal."""

    async def main() -> None:
        async with SqliteJournal(journal) as opened:
            calls = [line async for line in opened.lines() if line.message_id]
            reports = [
                Report(
                    Product.VOICE,
                    message_id=call.message_id,
                    custom_id=call.custom_id,
                    mobile=call.mobile,
                    description=text,
                )
                for call, text in zip(calls, texts, strict=False)
            ]
            assert await opened.record(reports) == len(texts)

    asyncio.run(main())
