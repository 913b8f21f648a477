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
from python_calamine import CalamineWorkbook
from support.cli_runner import Program, Unwritable

from emay_voice_async import AsyncEmayVoice, Notice, Product, Report
from emay_voice_async.cli.terminal.json_rows import CALL_FIELDS
from emay_voice_async.journal import Claim, Key, Purpose, SqliteJournal, State
from emay_voice_async.sql import SqlJournal


class TestExport:
    """The formats, the file and its failures."""

    def test_csv(self, program: Program, journal: Path) -> None:
        """Every call has a row under a header, with its whole number."""
        result = program("journal", "export", journal)
        assert result.out.startswith("\ufeff")
        rows = list(csv.DictReader(result.out[1:].splitlines()))
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
            result = program("journal", "export", journal, "--output", path, "--force")
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


class TestWorkbook:
    """Exports for Excel."""

    def test_sheets(self, program: Program, journal: Path, tmp_path: Path) -> None:
        """The calls are texts and numbers under a header; the summary counts them."""
        record(journal, ["=1+1"])
        path = tmp_path / "calls.xlsx"
        result = program("journal", "export", journal, "--format", "xlsx", "--output", path)
        assert (result.code, result.text) == (0, "600 calls.")
        book = CalamineWorkbook.from_path(path)
        assert book.sheet_names == ["Summary", "Calls"]
        [header, *rows] = book.get_sheet_by_name("Calls").iter_rows()
        assert header == list(CALL_FIELDS)
        assert [row[0] for row in rows] == [f"138{number:08}" for number in range(600)]
        assert isinstance(rows[-1][9], float)
        assert rows[500][7] == "=1+1"
        summary = {row[0]: row[1] for row in book.get_sheet_by_name("Summary").iter_rows()}
        assert summary["refused by the service, not called"] == 500

    def test_output(self, program: Program, journal: Path) -> None:
        """A workbook or a page goes to a file or a pipe, and to no terminal."""
        for export_format in ("xlsx", "html"):
            result = program("journal", "export", journal, "--format", export_format, stdout=Terminal())
            assert result.code == 2
            assert "not for a terminal" in result.error_line


class TestPage:
    """Exports as a page of HTML."""

    def test_content(self, program: Program, journal: Path, tmp_path: Path) -> None:
        """The page has what was said, if the journal's calls said it, and masked numbers."""
        (tmp_path / "text").write_text("您好\n", "utf-8")
        arguments = ("journal", "export", journal, "--format", "html")
        page = program(*arguments, "--content-file", tmp_path / "text").out
        assert "您好" in page
        assert "138****0000" in page
        assert "13800000000" not in page
        assert "13800000000" in program(*arguments, "--show-numbers", "--state", "refused").out
        for wrong in (("--content", "再见"), ("--content", "您好", "--interactive-content", "请按键")):
            result = program(*arguments, *wrong)
            assert (result.code, result.out) == (2, "")
            assert "said another text" in result.error_line

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (("--content", "a", "--content-file", "b"), "give either --content or --content-file"),
            (("--content-file", "no such file"), "no such file: No such file"),
            (("--content-file", "binary"), "binary: must be text in UTF-8"),
        ],
    )
    def test_wrong_content(
        self,
        program: Program,
        journal: Path,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        arguments: tuple[str, ...],
        words: str,
    ) -> None:
        """A text that cannot be read is one sentence."""
        monkeypatch.chdir(tmp_path)
        Path("binary").write_bytes(b"\xff")
        result = program("journal", "export", journal, "--format", "html", *arguments)
        assert result.code == 2
        assert words in result.error_line

    def test_template(self, program: Program, tmp_path: Path) -> None:
        """The text of a template is compared as such, and that of a voice SMS not at all."""
        (tmp_path / "a.csv").write_text("手机号,name\n13800000000,Li\n", "utf-8")
        path = tmp_path / "run.db"
        send = ("--to", tmp_path / "a.csv", "--content", "你好{name}", "--yes", "--journal", path)
        assert program("send", "notice", *send, "--template").code == 0
        export = ("journal", "export", path, "--format", "html", "--content")
        assert (
            "你好{name}"
            in program(*export, "你好{name}", "--interactive-content", "").err
            + program(*export, "你好{name}").out
        )
        other = tmp_path / "sms.db"
        sms = ("--to", "13800000000", "--content", "您好", "--on-key", "1", "--yes", "--journal", other)
        assert program("send", "voice-sms", *sms, "--sms-content", "谢谢").code == 0
        result = program(
            "journal",
            "export",
            other,
            "--format",
            "html",
            "--content",
            "您好",
            "--interactive-content",
            "请按1",
        )
        assert "请按1" in result.out


class TestJoin:
    """The other columns of the list."""

    def test_by_number(self, program: Program, journal: Path, tmp_path: Path) -> None:
        """The columns of the list follow those of the journal; a call that is not in the list has empty cells."""
        path = tmp_path / "list.csv"
        path.write_text("姓名,手机号,state\n张三,138 0000 0000,=1\n重复,13800000000,x\n坏,1,y\n", "utf-8")
        arguments = ("journal", "export", journal, "--join", path)
        [first, second, *_] = csv.DictReader(program(*arguments).out[1:].splitlines())
        assert (first["姓名"], first["state"], first["state (list)"]) == ("张三", "refused", "'=1")
        assert (second["姓名"], second["state (list)"]) == ("", "")
        rows = program(*arguments, "--format", "jsonl").rows
        assert (rows[0]["姓名"], rows[0]["state (list)"]) == ("张三", "=1")
        book = tmp_path / "calls.xlsx"
        assert program(*arguments, "--format", "xlsx", "--output", book).code == 0
        [header, row, *_] = CalamineWorkbook.from_path(book).get_sheet_by_name("Calls").iter_rows()
        assert header[-2:] == ["姓名", "state (list)"]
        assert row[-2:] == ["张三", "=1"]

    def test_by_id(self, program: Program, tmp_path: Path) -> None:
        """With a column of ids, the ids decide."""
        path, journal = tmp_path / "list.csv", tmp_path / "run.db"
        path.write_text("手机号,id,name\n13800000000,a,Li\n13800000001,b,Wu\n", "utf-8")
        ids = ("--custom-id-column", "id")
        send = ("send", "notice", "--to", path, "--content", "您好", "--yes", "--journal", journal, *ids)
        assert program(*send).code == 0
        path.write_text("手机号,id,name\n13800000001,a,Li\n13800000000,b,Wu\n", "utf-8")
        rows = program("journal", "export", journal, "--join", path, *ids, "--format", "jsonl").rows
        assert [(row["mobile"], row["name"]) for row in rows] == [
            ("13800000000", "Li"),
            ("13800000001", "Wu"),
        ]

    def test_unreadable(self, program: Program, journal: Path, tmp_path: Path) -> None:
        """A list that cannot be read is one sentence with its name."""
        (tmp_path / "a.csv").write_text("a,b\n1,2\n", "utf-8")
        for name, words in (("a.csv", "a.csv: column: must be given"), ("b.csv", "b.csv: No such file")):
            result = program("journal", "export", journal, "--join", tmp_path / name)
            assert (result.code, result.out) == (2, "")
            assert words in result.error_line


class TestExistingFile:
    """A file that exists already."""

    def test_refused(self, program: Program, journal: Path, tmp_path: Path) -> None:
        """Without a terminal the file stays; --force replaces it."""
        path = tmp_path / "calls.csv"
        path.write_text("before")
        arguments = ("journal", "export", journal, "--output", path)
        result = program(*arguments)
        assert result.code == 2
        assert "calls.csv exists: --force replaces it" in result.error_line
        assert path.read_text() == "before"
        assert program(*arguments, "--force").code == 0
        assert path.read_text("utf-8").startswith("\ufeffmobile")

    @pytest.mark.parametrize(("answer", "code"), [(b"y\n", 0), (b"n\n", 2)])
    def test_asked(self, program: Program, journal: Path, tmp_path: Path, answer: bytes, code: int) -> None:
        """On a terminal the file is replaced after a yes only."""
        path = tmp_path / "calls.csv"
        path.write_text("before")
        result = program("journal", "export", journal, "--output", path, terminal=True, input=answer)
        assert result.code == code
        assert (path.read_text("utf-8") == "before") is bool(code)


class TestDatabase:
    """The journal of a campaign in a database."""

    def test_url(self, program: Program, tmp_path: Path) -> None:
        """A URL and a campaign name a journal; each needs the other."""
        url = f"sqlite+aiosqlite:///{tmp_path / 'all.db'}"

        async def send() -> None:
            journal = SqlJournal(url, "spring", create=True)
            async with AsyncEmayVoice("http://emay.example", app_id="x" * 8, secret_key="k" * 16) as voice:
                await voice.plan(Notice("您好"), ["13800000000"], journal=journal, ask_balance=False)
            run = await journal.start(Purpose("app", Notice("您好")))
            claim = Claim("t", (Key("13800000000"),), ("id",), 30.0)
            assert await run.begin(claim)
            await run.close(claim, State.ACCEPTED, message_ids=["m"])
            await run.end()
            await journal.aclose()

        asyncio.run(send())
        result = program("journal", "export", url, "--campaign", "spring", "--format", "jsonl")
        assert [row["mobile"] for row in result.rows] == ["13800000000"]
        shown = program("journal", "show", url, "--campaign", "spring")
        assert shown.out.startswith("spring\n")
        assert "1 accepted" in " ".join(shown.out.split())
        assert "name one with --campaign" in program("journal", "show", url).error_line
        path = tmp_path / "run.db"
        assert (
            "is for the URL of a database" in program("journal", "show", path, "--campaign", "x").error_line
        )


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
