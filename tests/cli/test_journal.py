"""``journal``: what a journal knows, for people and for machines."""

import csv
import importlib
import os
import stat
import sys
from pathlib import Path

import pytest
from support.cli_runner import Program, Unwritable

from emay_voice_async.sandbox import Fault


@pytest.fixture
def journal(program: Program, tmp_path: Path) -> Path:
    """Make the journal of a send of which one batch was refused, with its reports."""
    path = tmp_path / "run.db"
    numbers = "\n".join(f"138{number:08}" for number in range(600)).encode()
    program.sandbox.fail_next(Fault.code("ERROR_CONTENT_EMPTY"), on="send")
    arguments = ("send", "notice", "--to", "-", "--content", "您好", "--yes", "--journal", path)
    assert program("--concurrency", 1, *arguments, input=numbers).code == 1
    assert program("reports", "--journal", path).code == 0
    return path


class TestShow:
    """``journal show``."""

    def test_for_people(self, program: Program, journal: Path) -> None:
        """A table that fits 80 columns, without blanks at the ends of lines."""
        ended = program("journal", "show", journal)
        words = " ".join(ended.out.split())
        assert "a Notice of EUCP-EMY-SANDBOX-00001" in words
        assert "100 accepted they are called" in words
        assert "500 refused nobody is called; the next run sends them" in words
        assert "600 in all" in words
        assert "100 reported" in words
        assert "100 SUCCESS answered" in words
        assert "unknown" not in words
        assert ended.out == "\n".join(map(str.rstrip, ended.out.split("\n")))

    def test_before_any_report(self, program: Program, tmp_path: Path) -> None:
        """There is nothing of reports then."""
        path = tmp_path / "run.db"
        arguments = ("send", "notice", "--to", "-", "--content", "您好", "--yes", "--journal", path)
        program(*arguments, input=b"13800000000")
        ended = program("journal", "show", path)
        assert ended.code == 0
        assert "reported" not in ended.out

    def test_for_machines(self, program: Program, journal: Path) -> None:
        """All of it as a JSON object."""
        [row] = program("journal", "show", journal, "--json").rows
        assert row["states"] == {
            "accepted": 100,
            "refused": 500,
            "not sent": 0,
            "unknown": 0,
            "under way": 0,
        }
        assert (row["kind"], row["allow_duplicates"]) == ("Notice", False)
        assert row["reported"] == {"SUCCESS": 100}

    def test_other_states(self, program: Program, tmp_path: Path) -> None:
        """Repeats are told, and a state that nobody knows is shown as it came."""
        path = tmp_path / "run.db"
        arguments = ("send", "notice", "--to", "-", "--content", "您好", "--yes", "--journal", path)
        program(*arguments, "--allow-duplicates", input=b"13800000012\n13800000012")
        program("reports", "--journal", path)
        ended = program("journal", "show", path)
        assert "repeats are called" in ended.out
        assert "2 reported" in " ".join(ended.out.split())

    def test_a_journal_that_is_none(self, program: Program, tmp_path: Path) -> None:
        """Another file, and none at all, are one line each."""
        (tmp_path / "x").write_bytes(b"nothing like a database" * 99)
        ended = program("journal", "show", tmp_path / "x")
        assert (ended.code, ended.out) == (5, "")
        assert "not a journal" in ended.complaint
        assert "does not exist" in program("journal", "export", tmp_path / "y").complaint

    def test_nobody_reads_it(self, program: Program, journal: Path) -> None:
        """A broken pipe says nothing."""
        ended = program("journal", "show", journal, stdout=Unwritable(BrokenPipeError(32, "Broken pipe")))
        assert (ended.code, ended.err) == (141, "")


class TestExport:
    """``journal export``."""

    def test_csv(self, program: Program, journal: Path) -> None:
        """Every call has a row under a header, with its number in full."""
        ended = program("journal", "export", journal)
        rows = list(csv.DictReader(ended.out.splitlines()))
        assert len(rows) == 600
        assert [row["mobile"] for row in rows] == [f"138{number:08}" for number in range(600)]
        assert {row["state"] for row in rows[:500]} == {"refused"}
        assert {row["reason"] for row in rows[:500]} == {"ERROR_CONTENT_EMPTY"}
        assert {row["report_state"] for row in rows[500:]} == {"SUCCESS"}
        assert ended.words == "600 calls."

    def test_jsonl(self, program: Program, journal: Path) -> None:
        """The same as JSON, of the states that are asked for."""
        ended = program("journal", "export", journal, "--format", "jsonl", "--state", "accepted")
        assert len(ended.rows) == 100
        assert {row["state"] for row in ended.rows} == {"accepted"}
        assert ended.rows[0]["duration"] > 0
        ended = program("journal", "export", journal, "--state", "not-sent", "--format", "jsonl")
        assert (ended.code, ended.out) == (0, "")

    def test_a_file(self, program: Program, journal: Path, tmp_path: Path) -> None:
        """It is for its owner's eyes only, and can be sent to again."""
        path = tmp_path / "calls.csv"
        ended = program("journal", "export", journal, "--state", "refused", "--output", path)
        assert (ended.code, ended.out) == (0, "")
        if os.name == "posix":
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
        before = len(program.sandbox.calls)
        assert program("send", "notice", "--to", path, "--content", "您好", "--yes").code == 0
        assert len(program.sandbox.calls) - before == 500

    @pytest.mark.skipif(not Path("/dev/null").exists(), reason="there is no such device")
    def test_a_device(self, program: Program, journal: Path) -> None:
        """A device is written to, and stays one."""
        ended = program("journal", "export", journal, "--output", "/dev/null")
        assert (ended.code, ended.words) == (0, "600 calls.")
        assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)

    def test_a_file_that_cannot_be_written(self, program: Program, journal: Path, tmp_path: Path) -> None:
        """It is named, and nothing is left of it."""
        ended = program("journal", "export", journal, "--output", tmp_path / "no" / "calls.csv")
        assert ended.code == 7
        assert "calls.csv: No such file" in ended.complaint

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is always full")
    def test_a_full_disk(self, program: Program, journal: Path) -> None:
        """A device is written to, not replaced; that it is full is one line."""
        ended = program("journal", "export", journal, "--output", "/dev/full")
        assert (ended.code, ended.complaint) == (7, "emay-voice: /dev/full: No space left on device")
        assert stat.S_ISCHR(Path("/dev/full").stat().st_mode)

    @pytest.mark.skipif(sys.platform == "win32", reason="Windows does not limit the size of files")
    def test_a_file_that_grows_too_large(self, program: Program, journal: Path, tmp_path: Path) -> None:
        """What could not be written whole leaves the file as it was."""
        resource = importlib.import_module("resource")

        path = tmp_path / "calls.csv"
        path.write_text("before")
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, before[1]))
        try:
            ended = program("journal", "export", journal, "--output", path)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert ended.code == 7
        assert path.read_text() == "before"
        assert sorted(one.name for one in tmp_path.iterdir() if "part" in one.name) == []

    def test_nobody_reads_it(self, program: Program, journal: Path) -> None:
        """A broken pipe says nothing."""
        ended = program("journal", "export", journal, stdout=Unwritable(BrokenPipeError(32, "Broken pipe")))
        assert (ended.code, ended.err) == (141, "")
