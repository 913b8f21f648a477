"""``reports``: each one is written before it counts as taken, and none is lost without a word."""

import json
import signal
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.cli_runner import Ended, Program, Unwritable

from emay_voice_async.sandbox import Fault, Sandbox

NUMBERS = ["13800000000", "13800000001", "13800000010"]


def send(program: Program, *more: object, kind: tuple[str, ...] = ("notice",)) -> Ended:
    """Call three people."""
    ended = program(
        "send", *kind, "--to", "-", "--content", "您好", "--yes", *more, input="\n".join(NUMBERS).encode()
    )
    assert ended.code == 0
    return ended


class TestReports:
    """What is printed."""

    def test_the_lines(self, program: Program) -> None:
        """All of a report is on its line, the recording in base64."""
        sent = send(program)
        ended = program("reports")
        assert ended.code == 0
        assert [row["mobile"] for row in ended.rows] == NUMBERS
        assert [row["message_id"] for row in ended.rows] == [row["message_id"] for row in sent.rows]
        assert [row["state"] for row in ended.rows] == ["SUCCESS", "FAIL_CALL", "SUCCESS"]
        assert [row["product"] for row in ended.rows] == ["voice"] * 3
        assert ended.rows[0]["recording"] is None
        assert ended.rows[2]["recording"]
        assert ended.rows[2]["key_pressed"] == "1"
        assert ended.rows[0]["called_at"].endswith("+08:00")
        assert ended.words == "3 reports."
        assert program("reports").rows == []

    def test_both_products(self, program: Program) -> None:
        """``both`` asks for both; by itself, each asks for one."""
        send(program)
        send(program, kind=("voice-sms", "--on-key", "1"))
        assert {row["product"] for row in program("reports", "--product", "join").rows} == {"join"}
        send(program, kind=("voice-sms", "--on-key", "1"))
        ended = program("reports", "--product", "both")
        assert sorted(row["product"] for row in ended.rows) == ["join"] * 3 + ["voice"] * 3

    def test_what_cannot_be_read(self, program: Program) -> None:
        """Its raw value is printed, since the service has it no more."""
        raw = {"voiceId": "1", "voiceSign": "!"}
        body = json.dumps({"code": "SUCCESS", "data": [raw]}).encode()
        program.sandbox.fail_next(Fault.answer(body), on="reports")
        ended = program("reports")
        assert [row["unreadable"] for row in ended.rows] == [raw]
        assert "1 could not be read" in ended.complaint
        program.sandbox.fail_next(Fault.answer(b"<html>\xff"), on="reports")
        ended = program("reports")
        assert ended.code == 3
        assert ended.rows[0]["unreadable"] == "<html>\\xff"
        assert "outcome of /voice/getReport is unknown" in ended.err

    def test_a_refusal(self, program: Program) -> None:
        """An account that may not ask is told so."""
        program.sandbox.fail_next(Fault.code("ERROR_CLIENT_IP"), on="reports")
        ended = program("reports")
        assert ended.code == 4
        assert "ERROR_CLIENT_IP" in ended.complaint

    def test_a_service_that_is_gone(self, program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without --follow, no connection ends it."""

        async def refuse(*_: object) -> httpx.Response:
            raise httpx.ConnectError("refused")

        monkeypatch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", refuse)
        ended = program("reports")
        assert ended.code == 6
        assert "was not sent" in ended.complaint


class TestWriting:
    """An output that fails."""

    def test_with_a_spool(self, program: Program, tmp_path: Path) -> None:
        """What was not written comes again, with the rest of its page."""
        send(program)
        spool = tmp_path / "the spool"
        output = Unwritable(BrokenPipeError(32, "Broken pipe"), after=1)
        ended = program("reports", "--spool", spool, stdout=output)
        assert ended.code == 141
        assert json.loads(output.lines)["mobile"] == NUMBERS[0]
        assert (
            f"2 reports were not written; they come again with: emay-voice reports --spool '{spool}'"
            in ended.err
        )
        assert [row["mobile"] for row in program("reports", "--spool", spool).rows] == NUMBERS
        assert list(spool.iterdir()) == []

    def test_even_the_last_one(self, program: Program, tmp_path: Path) -> None:
        """The last report of a page is not lost either."""
        send(program)
        output = Unwritable(OSError(28, "No space left on device"), after=2)
        ended = program("reports", "--spool", tmp_path, stdout=output)
        assert ended.code == 7
        assert ended.complaint == "emay-voice: standard output: No space left on device"
        assert [row["mobile"] for row in program("reports", "--spool", tmp_path).rows][-1] == NUMBERS[-1]

    def test_without_a_spool(self, program: Program) -> None:
        """How many are lost is said, and is the exit code."""
        send(program)
        ended = program("reports", stdout=Unwritable(BrokenPipeError(32, "Broken pipe"), after=1))
        assert ended.code == 3
        assert "2 reports were taken from the service and are lost: use --spool" in ended.complaint

    def test_what_cannot_be_read_nor_written(self, program: Program) -> None:
        """An output that fails there is told by the exit code."""
        program.sandbox.fail_next(Fault.answer(b"{}"), on="reports")
        ended = program("reports", stdout=Unwritable(OSError(28, "No space left on device")))
        assert ended.code == 3


class TestJournal:
    """``--journal``: what became of the calls of a send."""

    def test_recording(self, program: Program, tmp_path: Path) -> None:
        """Reports are joined in, and how many belong to it is said."""
        journal = tmp_path / "run.db"
        send(program, "--journal", journal)
        program("send", "notice", "--to", "-", "--content", "早", "--yes", input=b"13900000000")
        ended = program("reports", "--journal", journal)
        assert ended.words == "4 reports, 3 of them of calls in the journal."
        assert "call failed" in program("journal", "show", journal).out

    def test_a_journal_that_is_not_there(self, program: Program, tmp_path: Path) -> None:
        """It ends before any report is taken from the service."""
        send(program)
        ended = program("reports", "--journal", tmp_path / "none.db")
        assert ended.code == 5
        assert "does not exist" in ended.complaint
        assert len(program("reports").rows) == 3


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot raise SIGTERM for a handler")
class TestFollowing:
    """``--follow``, until a signal."""

    @pytest.mark.parametrize(("follow", "code"), [(("--follow", "--interval", 3600), 0), ((), 130)])
    def test_until_a_signal(self, program: Program, follow: tuple[object, ...], code: int) -> None:
        """Ctrl-C ends it well: everything that came is written; it is the end only where nothing else is."""
        state: dict[str, Any] = {}

        def latency() -> float:
            if state.pop("armed", False):
                signal.raise_signal(signal.SIGINT)
            return 0.0

        program.sandbox = Sandbox(latency=latency)
        send(program)
        # It comes while the first question for reports is under way: its answer is still written.
        state["armed"] = True
        ended = program("reports", *follow)
        assert ended.code == code
        assert [row["mobile"] for row in ended.rows] == NUMBERS
        assert "lost" not in ended.err
