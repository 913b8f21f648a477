"""``reports``: each report is written before it counts as taken."""

import io
import json
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.cli_runner import CommandResult, Interruption, Program, Unwritable

from emay_voice_async.sandbox import Fault, Sandbox

NUMBERS = ["13800000000", "13800000001", "13800000010"]


def send(program: Program, *more: object, kind: tuple[str, ...] = ("notice",)) -> CommandResult:
    """Call three numbers."""
    result = program(
        "send", *kind, "--to", "-", "--content", "您好", "--yes", *more, input="\n".join(NUMBERS).encode()
    )
    assert result.code == 0
    return result


class TestReports:
    """The printed reports, and failed requests."""

    def test_rows(self, program: Program) -> None:
        """A row holds the whole report, the recording in base64."""
        sent = send(program)
        result = program("reports")
        assert result.code == 0
        assert [row["mobile"] for row in result.rows] == NUMBERS
        assert [row["message_id"] for row in result.rows] == [row["message_id"] for row in sent.rows]
        assert [row["state"] for row in result.rows] == ["SUCCESS", "FAIL_CALL", "SUCCESS"]
        assert [row["product"] for row in result.rows] == ["voice"] * 3
        assert result.rows[0]["recording"] is None
        assert result.rows[2]["recording"]
        assert result.rows[2]["key_pressed"] == "1"
        assert result.rows[0]["called_at"].endswith("+08:00")
        assert result.text == "3 reports."
        assert program("reports").rows == []

    def test_both_products(self, program: Program) -> None:
        """--product both takes the reports of both products."""
        send(program)
        send(program, kind=("voice-sms", "--on-key", "1"))
        assert {row["product"] for row in program("reports", "--product", "join").rows} == {"join"}
        send(program, kind=("voice-sms", "--on-key", "1"))
        result = program("reports", "--product", "both")
        assert sorted(row["product"] for row in result.rows) == ["join"] * 3 + ["voice"] * 3

    def test_unreadable(self, program: Program) -> None:
        """The raw value of an unreadable report or field is printed, because the service keeps no copy."""
        raw = {"voiceSign": "!"}
        body = json.dumps({"code": "SUCCESS", "data": [raw]}).encode()
        program.sandbox.fail_next(Fault.answer(body), on="reports")
        result = program("reports")
        assert [row["unreadable"] for row in result.rows] == [raw]
        assert "1 report is unreadable" in result.error_line
        body = json.dumps({"code": "SUCCESS", "data": [{**raw, "voiceId": "1"}]}).encode()
        program.sandbox.fail_next(Fault.answer(body), on="reports")
        result = program("reports")
        assert (result.code, result.text) == (0, "1 report.")
        assert [(row["message_id"], row["unreadable"]) for row in result.rows] == [("1", raw)]
        program.sandbox.fail_next(Fault.answer(b"<html>\xff"), on="reports")
        result = program("reports")
        assert result.code == 3
        assert result.rows[0]["unreadable"] == "<html>\\xff"
        assert "outcome of /voice/getReport is unknown" in result.err

    def test_refusal(self, program: Program) -> None:
        """A refused account exits with 4."""
        program.sandbox.fail_next(Fault.code("ERROR_CLIENT_IP"), on="reports")
        result = program("reports")
        assert result.code == 4
        assert "ERROR_CLIENT_IP" in result.error_line

    def test_no_connection(self, program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without --follow, a failed connection exits with 6."""

        async def refuse(*_: object) -> httpx.Response:
            raise httpx.ConnectError("refused")

        monkeypatch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", refuse)
        result = program("reports")
        assert result.code == 6
        assert "was not sent" in result.error_line


class TestWriting:
    """Failed outputs."""

    def test_spool(self, program: Program, tmp_path: Path) -> None:
        """The next run prints the reports that were not written, and the rest of their page."""
        send(program)
        spool = tmp_path / "the spool"
        output = Unwritable(BrokenPipeError(32, "Broken pipe"))
        result = program("reports", "--spool", spool, stdout=output)
        assert result.code == 141
        assert (
            f"3 reports not written; the next run prints them: emay-voice reports --spool '{spool}'"
            in result.err
        )
        assert [row["mobile"] for row in program("reports", "--spool", spool).rows] == NUMBERS
        assert list(spool.iterdir()) == []

    def test_second_page(self, program: Program, tmp_path: Path) -> None:
        """A page is written at once; a failure at the second page loses no report of either."""
        numbers = [f"139{number:08}" for number in range(1000, 2200)]
        lists = "\n".join(numbers).encode()
        program("send", "notice", "--to", "-", "--content", "您好", "--yes", input=lists)
        output = Unwritable(OSError(28, "No space left on device"), after=1)
        result = program("reports", "--spool", tmp_path, stdout=output)
        assert result.code == 7
        assert result.error_line == "emay-voice: standard output: No space left on device"
        written = [json.loads(line)["mobile"] for line in output.lines.splitlines()]
        assert len(written) == 1000
        rest = [row["mobile"] for row in program("reports", "--spool", tmp_path).rows]
        assert written + rest == numbers

    def test_no_spool(self, program: Program) -> None:
        """Without a spool, the number of lost reports is printed, and the exit code is 3."""
        send(program)
        result = program("reports", stdout=Unwritable(BrokenPipeError(32, "Broken pipe")))
        assert result.code == 3
        assert "3 reports taken from the service and lost: use --spool" in result.error_line

    def test_unreadable_and_failed_output(self, program: Program) -> None:
        """An output that fails on unreadable reports ends with an exit code."""
        program.sandbox.fail_next(Fault.answer(b"{}"), on="reports")
        result = program("reports", stdout=Unwritable(OSError(28, "No space left on device")))
        assert result.code == 3


class TestJournal:
    """Reports recorded in the journal of a send."""

    def test_recorded(self, program: Program, tmp_path: Path) -> None:
        """The summary counts the reports that belong to calls in the journal."""
        journal = tmp_path / "run.db"
        send(program, "--journal", journal)
        program("send", "notice", "--to", "-", "--content", "早", "--yes", input=b"13900000000")
        result = program("reports", "--journal", journal)
        assert result.text == "4 reports, 3 of them for calls in the journal."
        assert "call failed" in program("journal", "show", journal).out

    def test_missing_journal(self, program: Program, tmp_path: Path) -> None:
        """A missing journal ends the command before a report is taken."""
        send(program)
        result = program("reports", "--journal", tmp_path / "none.db")
        assert result.code == 5
        assert "does not exist" in result.error_line
        assert len(program("reports").rows) == 3


class ScreenOutput(io.TextIOWrapper):
    """A standard output that is a terminal."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), "utf-8", write_through=True)

    def isatty(self) -> bool:
        """Return that this is a terminal."""
        return True

    @property
    def printed(self) -> bytes:
        """What was printed."""
        assert isinstance(self.buffer, io.BytesIO)
        return self.buffer.getvalue()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot raise SIGTERM for a handler")
class TestOnTerminal:
    """Counts instead of JSON, when a terminal follows the reports of a journal."""

    @pytest.fixture
    def journal(self, program: Program, tmp_path: Path) -> Path:
        """Make a journal; Ctrl-C comes with the third request for reports."""
        interrupt = Interruption()

        def latency() -> float:
            if sum(request.path == "/voice/getReport" for request in program.sandbox.received) == 3:
                interrupt()
            return 0.0

        program.sandbox = Sandbox(latency=latency)
        send(program, "--journal", tmp_path / "run.db")
        return tmp_path / "run.db"

    def test_counts(self, program: Program, journal: Path) -> None:
        """A bar is shown; the reports with their recordings are in a file beside the journal."""
        output = ScreenOutput()
        arguments = ("reports", "--follow", "--interval", "0.01", "--journal", journal)
        result = program(*arguments, terminal=True, stdout=output)
        assert (result.code, output.printed) == (0, b"")
        file = journal.with_name("run.db.reports.jsonl")
        # A long path is wrapped.
        assert f"Reports are kept in {file}.".replace(" ", "") in "".join(result.text.split())
        assert "3 reports, 3 of them for calls in the journal." in result.text
        assert "Reports" in result.err
        rows = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
        assert [row["mobile"] for row in rows] == NUMBERS
        assert rows[2]["recording"]

    @pytest.mark.parametrize("options", [("--json",), ("-q",)])
    def test_json(self, program: Program, journal: Path, options: tuple[str, ...]) -> None:
        """JSON is printed on a terminal with --json, and for a quiet run."""
        output = ScreenOutput()
        before, after = (options, ()) if options == ("-q",) else ((), options)
        arguments = ("reports", "--follow", "--interval", "0.01", "--journal", journal)
        assert program(*before, *arguments, *after, terminal=True, stdout=output).code == 0
        assert len(output.printed.splitlines()) == 3


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot raise SIGTERM for a handler")
class TestFollowing:
    """Endless reading, ended by a signal."""

    @pytest.mark.parametrize(("follow", "code"), [(("--follow", "--interval", 3600), 0), ((), 130)])
    def test_signal(self, program: Program, follow: tuple[object, ...], code: int) -> None:
        """Ctrl-C writes every received report; it is an error only without --follow."""
        state: dict[str, Any] = {}
        interrupt = Interruption()

        def latency() -> float:
            if state.get("armed"):
                interrupt()
            return 0.0

        program.sandbox = Sandbox(latency=latency)
        send(program)
        # It comes while the first question for reports is under way: its answer is still written.
        state["armed"] = True
        result = program("reports", *follow)
        assert result.code == code
        assert [row["mobile"] for row in result.rows] == NUMBERS
        assert "lost" not in result.err

    @pytest.mark.parametrize("fault", [Fault.status(502), Fault.status(503), Fault.html(), Fault.reset()])
    def test_transient_errors(self, program: Program, fault: Fault) -> None:
        """--follow goes on after a failed request, and says so on standard error."""
        state: dict[str, Any] = {}
        interrupt = Interruption()

        def latency() -> float:
            asked = sum(request.path == "/voice/getReport" for request in program.sandbox.received)
            if state.get("armed") and asked >= 2:
                interrupt()
            return 0.0

        program.sandbox = Sandbox(latency=latency)
        send(program)
        program.sandbox.fail_next(fault, on="reports")
        state["armed"] = True
        result = program("reports", "--follow", "--interval", "0.01")
        assert result.code == 0
        assert [row["mobile"] for row in result.rows if "mobile" in row] == NUMBERS
        assert "asking for reports goes on in " in result.err
        assert "3 reports." in result.err
