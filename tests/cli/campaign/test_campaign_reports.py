"""``send --collect``: from the list to the reports in one command."""

import json
import signal
import sys
import time
from decimal import Decimal
from pathlib import Path

import pytest
from support.cli_runner import CommandResult, Interruption, Program, notice

from emay_voice_async.cli.campaign import campaign_reports, report_counts
from emay_voice_async.cli.campaign.report_file import file_beside, spool_beside
from emay_voice_async.errors import JournalError
from emay_voice_async.journal import SqliteJournal, Summary
from emay_voice_async.sandbox import Fault, Sandbox

SILENT = "13800000013"
"""A number whose call never gets a report."""
PEOPLE = [f"138{number:08}" for number in range(100, 700)]
"""Numbers whose calls all get a report."""


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask and count without pauses."""
    monkeypatch.setattr(campaign_reports, "INTERVAL", 0.01)
    monkeypatch.setattr(report_counts, "_LEAST_PAUSE", 0.01)


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """Make a list of 600 numbers."""
    path = tmp_path / "people.txt"
    path.write_text("\n".join(PEOPLE))
    return path


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """Return the path of a journal that is not made yet."""
    return tmp_path / "run.db"


def rows_of(journal: Path) -> list[dict[str, object]]:
    """Return the collected reports."""
    return [json.loads(line) for line in file_beside(journal).read_text("utf-8").splitlines()]


class TestCollect:
    """Reports are collected until all are in, the time is over, or a signal."""

    def test_all(self, program: Program, people: Path, journal: Path) -> None:
        """Each call gets its report in the journal and in the private file; the export is named."""
        result = program(*notice(people, "--yes", "--journal", journal, "--collect"))
        assert result.code == 0
        assert len(result.rows) == 600
        assert sorted(str(row["mobile"]) for row in rows_of(journal)) == PEOPLE
        assert file_beside(journal).stat().st_mode & 0o077 == 0
        assert "All calls are sent. Waiting for reports for up to 30:00 min" in result.text
        assert "reports: answered" in result.text
        assert f"journal export {journal} --output {journal}.csv" in result.text
        assert "To collect the other reports" not in result.err
        [row] = program("journal", "show", journal, "--json").rows
        assert sum(row["reported"].values()) == 600

    def test_resumed(self, program: Program, people: Path, journal: Path) -> None:
        """The same command again sends nothing, and collects what is missing."""
        program.sandbox.report_delay = 1.0
        arguments = notice(people, "--yes", "--journal", journal, "--collect", "0.001")
        result = program(*arguments)
        assert result.code == 0
        assert "600 calls without a report so far" in result.text
        assert f"reports --follow --journal {journal} --spool {spool_beside(journal)}" in result.text
        result = program(*notice(people, "--yes", "--journal", journal, "--collect"))
        assert (result.code, len(program.called)) == (0, 600)
        assert "600 accepted in an earlier run" in result.text
        assert "calls without a report" not in result.text

    def test_missing(self, program: Program, journal: Path) -> None:
        """After the time, the calls without a report are counted, and the next step is printed."""
        result = program(*notice(SILENT, "--yes", "--journal", journal, "--collect", "0.002"))
        assert result.code == 0
        assert "1 calls without a report so far" in result.text
        assert not file_beside(journal).exists()

    def test_states(self, program: Program, journal: Path) -> None:
        """The summary counts the reports by state, and joins the rare states."""
        numbers = "\n".join(f"1380000{number:04}" for number in range(12)).encode()
        result = program(*notice("-", "--yes", "--journal", journal, "--collect", "1"), input=numbers)
        assert result.code == 0
        assert "3  reports: answered" in result.err
        assert "5  reports: other results" in result.err

    def test_join(self, program: Program, journal: Path) -> None:
        """The reports of a voice SMS are asked for as those of its product."""
        message = ("--content", "您好", "--sms-content", "您好", "--on-key", "1", "--yes")
        to = ("--to", "13800000100", "--to", SILENT)
        result = program("send", "voice-sms", *to, *message, "--journal", journal, "--collect", "0.01")
        assert result.code == 0
        assert [row["product"] for row in rows_of(journal)] == ["join"]
        assert "reports --follow --product join" in result.text

    @pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot raise SIGTERM for a handler")
    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_signal(self, program: Program, journal: Path, number: int) -> None:
        """A signal after the last call is a good end: the exit code is that of the send."""
        asked = 0
        interrupt = Interruption(number)

        def latency() -> float:
            nonlocal asked
            asked += (
                program.sandbox.received[-1].path.endswith("getReport") if program.sandbox.received else 0
            )
            if asked == 20:
                interrupt()
            return 0.0

        program.sandbox = Sandbox(balance=Decimal(100), latency=latency)
        began = time.monotonic()
        result = program(*notice(SILENT, "--yes", "--journal", journal, "--collect", "5"))
        assert result.code == 0
        assert time.monotonic() - began < 60
        assert "Done in" in result.err
        assert "1 calls without a report so far" in result.text

    @pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot raise SIGTERM for a handler")
    def test_signal_while_sending(self, program: Program, people: Path, journal: Path) -> None:
        """A signal before the last call ends both, with 130; what was collected is in the journal."""
        people.write_text("\n".join(f"138{number:08}" for number in range(100, 10_100)))
        interrupt = Interruption()

        def latency() -> float:
            if len(program.called) > 1500:
                interrupt()
            return 0.0

        program.sandbox = Sandbox(balance=Decimal(10**6), latency=latency)
        result = program("--concurrency", 1, *notice(people, "--yes", "--journal", journal, "--collect"))
        assert result.code == 130
        assert "All calls are sent" not in result.err
        assert "emay-voice: " not in result.err

    def test_progress(self, program: Program, people: Path, journal: Path) -> None:
        """On a terminal, one display has both bars."""
        program.sandbox.fail_next(Fault.delay(after=0.5), on="send")
        result = program(*notice(people, "--yes", "--journal", journal, "--collect"), terminal=True)
        assert result.code == 0
        assert "Calls" in result.err
        assert "Reports" in result.err


class TestFailures:
    """A failure of the collection never stops the send."""

    @pytest.fixture
    def arguments(self, people: Path, journal: Path) -> tuple[object, ...]:
        """Return the arguments of a send that collects."""
        return notice(people, "--yes", "--journal", journal, "--collect", "0.1")

    def failed(self, program: Program, arguments: tuple[object, ...], code: int) -> CommandResult:
        """Run a send whose collection fails; all calls are made."""
        result = program(*arguments)
        assert result.code == code
        assert len(program.called) == 600
        return result

    def test_account(self, program: Program, arguments: tuple[object, ...]) -> None:
        """An account that may not read reports is an error of the command."""
        program.sandbox.fail_next(Fault.code("ERROR_CLIENT_IP"), on="reports", times=50)
        assert "ERROR_CLIENT_IP" in self.failed(program, arguments, 4).error_line

    def test_file(self, program: Program, arguments: tuple[object, ...], journal: Path) -> None:
        """A file that cannot be written leaves the reports in the spool, for the next run."""
        file_beside(journal).mkdir()
        self.failed(program, arguments, 7)
        file_beside(journal).rmdir()
        assert program(*arguments).code == 0
        assert len(rows_of(journal)) == 600

    def test_unreadable(self, program: Program, arguments: tuple[object, ...], journal: Path) -> None:
        """An unreadable report is in the file, and is pointed at."""
        program.sandbox.fail_next(Fault.answer(b'{"code":"SUCCESS","data":[7]}'), on="reports")
        result = self.failed(program, arguments, 0)
        assert "1 report is unreadable" in result.err
        assert any("unreadable" in row and "reason" in row for row in rows_of(journal))

    def test_without_journal(self, program: Program, people: Path) -> None:
        """--collect needs --journal, and a number of minutes above 0."""
        assert program(*notice(people, "--yes", "--collect")).code == 2
        for minutes in ("0", "x", "-1"):
            result = program(*notice(people, "--yes", "--collect", minutes, "--journal", "run.db"))
            assert result.code == 2
        assert not program.called

    def test_journal(
        self,
        program: Program,
        arguments: tuple[object, ...],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """A journal that cannot be counted ends the collection."""

        async def summary(self: SqliteJournal) -> Summary:
            raise JournalError("the disk is full", "run.db")

        monkeypatch.setattr(SqliteJournal, "summary", summary)
        assert "the disk is full" in self.failed(program, arguments, 5).err

    def test_failed_send(self, program: Program, people: Path, journal: Path) -> None:
        """A send that fails as a whole is not followed by a collection."""

        def latency() -> float:
            journal.mkdir(exist_ok=True)
            return 0.0

        program.sandbox = Sandbox(balance=Decimal(1000), latency=latency)
        result = program(*notice(people, "--yes", "--journal", journal, "--collect", "1"))
        assert result.code == 5
        assert "it is not a file" in result.err
        assert "All calls are sent" not in result.err
        assert not program.called
