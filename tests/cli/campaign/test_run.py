"""The run of a send: outcomes, exit codes and stops."""

import re
import signal
import sys
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest
from support.cli_runner import Interruption, Program, Unwritable, notice

from emay_voice_async.model.beijing import BEIJING
from emay_voice_async.sandbox import Fault, Sandbox


class TestOutcomes:
    """One JSON row for each number, and one exit code."""

    @pytest.mark.parametrize(
        ("fault", "code", "outcome", "result_code"),
        [
            (Fault.code("ERROR_CONTENT_EMPTY"), 1, "refused", "ERROR_CONTENT_EMPTY"),
            (Fault.code("ERROR_NEW"), 1, "refused", "ERROR_NEW"),
            (Fault.code("ERROR_CLIENT_IP"), 4, "refused", "ERROR_CLIENT_IP"),
            (Fault.code("ERROR_NEEDMORE_BALANCE"), 4, "refused", "ERROR_NEEDMORE_BALANCE"),
            (Fault.html(acts=True), 3, "unknown", None),
            (Fault.status(500), 3, "unknown", None),
        ],
        ids=lambda value: getattr(value, "name", None),
    )
    def test_failed_batch(
        self, program: Program, people: Path, fault: Fault, code: int, outcome: str, result_code: str | None
    ) -> None:
        """The exit code names the kind of failure, each row the outcome."""
        program.sandbox.fail_next(fault, on="send")
        result = program("--concurrency", 1, *notice(people, "--yes"))
        assert result.code == code
        assert {(row["outcome"], row["code"]) for row in result.rows[:500]} == {(outcome, result_code)}
        assert all(row["reason"] for row in result.rows[:500])
        assert len(result.rows) == 600

    def test_worst_exit_code(self, program: Program, people: Path) -> None:
        """Unknown outcomes win over refusals in the exit code."""
        program.sandbox.fail_next(Fault.code("ERROR_CONTENT_EMPTY"), on="send")
        program.sandbox.fail_next(Fault.html(acts=True), on="send")
        result = program("--concurrency", 1, *notice(people, "--yes"))
        assert result.code == 3
        assert "reports --product voice" in result.err

    def test_duplicate(self, program: Program, tmp_path: Path) -> None:
        """A duplicate number is called once, with or without a journal, and is no failure."""
        path = tmp_path / "twice.txt"
        path.write_text("13800000000\n13800000001\n138 0000 0000\n")
        result = program(*notice(path, "--yes"))
        assert result.code == 0
        assert program.called == ["13800000000", "13800000001"]
        assert sorted(row["outcome"] for row in result.rows) == ["accepted", "accepted", "duplicate"]
        assert "1 entry, left out: each number is called once" in result.err
        assert program(*notice(path, "--yes", "--journal", tmp_path / "run.db")).code == 0
        assert len(program.called) == 4

    def test_allowed_duplicates(self, program: Program, tmp_path: Path) -> None:
        """--allow-duplicates calls a number as often as the list names it."""
        path = tmp_path / "twice.txt"
        path.write_text("13800000000\n13800000000\n")
        result = program(*notice(path, "--yes", "--allow-duplicates"))
        assert program.called == ["13800000000"] * 2
        assert "2 calls in 1 request" in result.text
        assert "called again" in result.err
        assert "2 entries" in result.text

    def test_hours(self, program: Program, people: Path) -> None:
        """Outside the calling hours, the send waits, says until when, and respects the deadline."""
        hour = datetime.now(BEIJING).hour
        begins = (hour + 12) % 24
        hours = f"{begins:02}:00-{begins:02}:59"
        result = program(*notice(people, "--yes", "--hours", hours, "--deadline", "0.2"))
        assert result.code == 6
        assert re.search(
            rf"Outside the calling hours {hours} .*sending resumes at 20\S+ {begins:02}:00\.", result.text
        )
        assert "600: /voice/send was not sent: the deadline passed" in result.text
        assert not program.called


class TestStopping:
    """Stops by signals and by a failed output."""

    @pytest.mark.slow
    @pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot raise SIGTERM for a handler")
    @pytest.mark.parametrize(("number", "journal"), [(signal.SIGINT, True), (signal.SIGTERM, False)])
    def test_signal(self, program: Program, people: Path, tmp_path: Path, number: int, journal: bool) -> None:
        """A signal stops the send; requests in flight finish; with a journal, the same command sends the rest."""
        people.write_text("\n".join(f"138{number:08}" for number in range(10_000)))
        sandbox = program.sandbox
        interrupt = Interruption(number)

        def latency() -> float:
            if len(sandbox.received) == 4:
                interrupt()
            return 0.0

        program.sandbox = Sandbox(balance=Decimal(10**6), latency=latency)
        sandbox = program.sandbox
        arguments = notice(people, "--yes", *(("--journal", tmp_path / "run.db") if journal else ()))
        arguments = ("--concurrency", 3, *arguments)
        before = signal.getsignal(number)
        result = program(*arguments)
        assert signal.getsignal(number) is before
        assert result.code == 130
        assert "Stopping" in result.err
        assert "the client was closed" not in result.err
        accepted = [row["mobile"] for row in result.rows if row["outcome"] == "accepted"]
        assert sorted(accepted) == sorted(program.called)
        assert 0 < len(accepted) <= 3000
        assert f"{10_000 - len(accepted):,}  not sent" in result.err
        # The rest of the list is not even read.
        assert len(result.rows) <= 5000
        if not journal:
            assert "would call every number again" in result.err
            return
        assert f"To make the other {10_000 - len(accepted):,} calls" in result.err
        assert program("--limit", "off", *arguments).code == 0
        assert sorted(program.called) == people.read_text().split()

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("error", "code"), [(BrokenPipeError(32, "Broken pipe"), 141), (OSError(28, "No space left"), 7)]
    )
    def test_failed_output(
        self, program: Program, people: Path, tmp_path: Path, error: OSError, code: int
    ) -> None:
        """A failed output stops the send; the same command sends the rest, and no number is called twice."""
        people.write_text("\n".join(f"138{number:08}" for number in range(10_000)))
        arguments = notice(people, "--journal", tmp_path / "run.db", "--yes")
        result = program("--concurrency", 2, *arguments, stdout=Unwritable(error, after=1))
        assert result.code == code
        assert ("emay-voice: standard output: No space left" in result.err) is (code == 7)
        assert 500 <= len(program.called) < 10_000
        assert program("--limit", "off", *arguments).code == 0
        assert sorted(program.called) == people.read_text().split()
