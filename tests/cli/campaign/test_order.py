"""The order of a send: its journal and its options."""

import asyncio
from pathlib import Path

import pytest
from support.cli_runner import NUMBERS, Program, notice

from emay_voice_async import Notice
from emay_voice_async.journal.protocol import Claim, JournalRun, Key
from emay_voice_async.journal.purpose import Purpose
from emay_voice_async.journal.sqlite import SqliteJournal
from emay_voice_async.sandbox import Fault


class TestJournal:
    """No number is called twice; each journal error is one line."""

    def test_second_run(self, program: Program, people: Path, tmp_path: Path) -> None:
        """The printed command sends the refused numbers again, and no others."""
        program.sandbox.fail_next(Fault.code("ERROR_CONTENT_EMPTY"), on="send")
        journal = tmp_path / "the run.db"
        arguments = ("--concurrency", 1, *notice(people, "--journal", journal, "--yes"))
        result = program(*arguments)
        assert result.code == 1
        assert len(program.called) == 100
        assert "To make the other 500 calls, run the command again; no number is called twice:" in result.err
        assert f"--journal '{journal}' --yes" in result.err
        again = program(*arguments)
        assert again.code == 0
        assert sorted(program.called) == NUMBERS
        assert sum(row["recorded"] for row in again.rows) == 100

    def test_unknown(self, program: Program, people: Path, tmp_path: Path) -> None:
        """Unknown numbers are sent again only with --resend-unknown; until then the exit code is 3."""
        program.sandbox.fail_next(Fault.html(), on="send")
        journal = tmp_path / "the run.db"
        arguments = ("--concurrency", 1, *notice(people, "--journal", journal, "--yes"))
        first = program(*arguments)
        assert first.code == 3
        assert f"reports --product voice --journal '{journal}'" in first.err
        again = program(*arguments)
        assert again.code == 3
        assert "500: a response outside" in again.text or "500: " in again.text
        assert 'Record their reports with "reports --journal"' in again.text
        assert "Without a report 24 h later, --resend-unknown calls them again" in again.text
        shown = " ".join(program("journal", "show", journal).out.split())
        assert "500 unknown perhaps called; their reports show which" in shown
        assert "500: " in shown
        assert "24 h later" in shown
        assert "500 calls perhaps made by an earlier run: not sent again" in again.err
        assert len(program.called) == 100
        assert program(*arguments, "--resend-unknown").code == 0
        assert sorted(program.called) == NUMBERS

    def test_concurrent_run(self, program: Program, tmp_path: Path) -> None:
        """Numbers in the hands of a concurrent run are not sent, even with --resend-unknown."""
        journal = SqliteJournal(tmp_path / "run.db")

        async def claim() -> JournalRun:
            run = await journal.start(Purpose(program.sandbox.app_id, Notice("您好")))
            assert await run.begin(Claim("token", (Key("13800000000"),), ("a",), 60.0))
            return run

        run = asyncio.run(claim())
        arguments = notice("-", "--yes", "--journal", journal.path, "--resend-unknown")
        result = program(*arguments, input=b"13800000000\n13800000001\n")
        assert result.code == 3
        assert program.called == ["13800000001"]
        assert "1 call: another run may be sending them" in result.text
        asyncio.run(run.end())

    def test_resend_without_journal(self, program: Program, people: Path) -> None:
        """--resend-unknown without a journal is refused."""
        assert "--journal" in program(*notice(people, "--resend-unknown")).error_line

    @pytest.mark.parametrize(
        ("data", "words"),
        [(b"not a database at all" * 9, "not a journal, or damaged"), (None, "made for another")],
    )
    def test_unusable_journal(
        self, program: Program, people: Path, tmp_path: Path, data: bytes | None, words: str
    ) -> None:
        """A damaged journal, or the journal of another message, ends the command before the first request."""
        journal = tmp_path / "run.db"
        if data is None:
            assert program(*notice(people, "--journal", journal, "--yes", content="早")).code == 0
            program.sandbox.forget()
        else:
            journal.write_bytes(data)
        result = program(*notice(people, "--journal", journal, "--yes"))
        assert result.code == 5
        assert words in result.error_line
        assert not program.called

    def test_journal_in_missing_folder(self, program: Program, people: Path, tmp_path: Path) -> None:
        """A journal that cannot be created ends the command before the first request."""
        result = program(*notice(people, "--journal", tmp_path / "no" / "run.db", "--yes"))
        assert result.code == 5
        assert "No such file" in result.error_line
        assert not program.called
