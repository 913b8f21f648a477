"""``journal show``: the summary of a journal."""

import asyncio
from pathlib import Path

from support.cli_runner import Program, Unwritable

from emay_voice_async import Product, Report
from emay_voice_async.journal import SqliteJournal
from emay_voice_async.sandbox import Fault


class TestShow:
    """The summary for people and for machines."""

    def test_for_people(self, program: Program, journal: Path) -> None:
        """The table fits 80 columns and has no blanks at the ends of lines."""
        result = program("journal", "show", journal)
        words = " ".join(result.out.split())
        assert "voice notice of EUCP-EMY-SANDBOX-00001" in words
        assert "100 accepted called" in words
        assert "500 refused not called; the next run sends them" in words
        assert "600 in all" in words
        assert "100 reported" in words
        assert "100 SUCCESS answered" in words
        assert "unknown" not in words
        assert result.out == "\n".join(map(str.rstrip, result.out.split("\n")))

    def test_reasons_of_unknown_calls(self, program: Program, tmp_path: Path) -> None:
        """Unknown calls are shown with their reason, and with what to do about them."""
        path = tmp_path / "run.db"
        program.sandbox.fail_next(Fault.reset(acts=True), on="send")
        arguments = ("send", "notice", "--to", "-", "--content", "您好", "--yes", "--journal", path)
        program(*arguments, input=b"13800000000\n13800000001")
        words = " ".join(program("journal", "show", path).out.split())
        assert "2 unknown perhaps called; their reports show which: without a report 24 h later," in words
        assert "use --resend-unknown" in words
        [row] = program("journal", "show", path, "--json").rows
        [(reason, count)] = row["reasons"].items()
        assert count == 2
        assert f"2: {reason}" in words

    def test_without_reports(self, program: Program, tmp_path: Path) -> None:
        """Without reports, the summary has no part for them."""
        path = tmp_path / "run.db"
        arguments = ("send", "notice", "--to", "-", "--content", "您好", "--yes", "--journal", path)
        program(*arguments, input=b"13800000000")
        result = program("journal", "show", path)
        assert result.code == 0
        assert "reported" not in result.out

    def test_for_machines(self, program: Program, journal: Path) -> None:
        """--json prints the whole summary as one JSON object."""
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

    def test_keys(self, program: Program, journal: Path) -> None:
        """Pressed keys and missing reports are counted."""

        async def record() -> None:
            async with SqliteJournal(journal) as opened:
                calls = [line async for line in opened.lines() if line.message_id]
                reports = [
                    Report(
                        Product.VOICE,
                        message_id=call.message_id,
                        mobile=call.mobile,
                        raw_state="SUCCESS",
                        key_pressed=key,
                    )
                    for call, key in zip(calls, "112", strict=False)
                ]
                assert await opened.record(reports) == 3

        asyncio.run(record())
        words = " ".join(program("journal", "show", journal).out.split())
        assert "3 pressed a key 2 1 1 2" in words
        [row] = program("journal", "show", journal, "--json").rows
        assert row["keys"] == {"1": 2, "2": 1}

    def test_missing_reports(self, program: Program, journal: Path) -> None:
        """Accepted calls without a report are counted once some reports have come."""
        more = ("send", "notice", "--to", "13999999999", "--content", "您好", "--yes", "--journal", journal)
        assert program(*more).code == 0
        assert "1 missing accepted, without a report so far" in " ".join(
            program("journal", "show", journal).out.split()
        )
        assert program("journal", "show", journal, "--json").rows[0]["missing_reports"] == 1

    def test_duplicates(self, program: Program, tmp_path: Path) -> None:
        """Allowed duplicates are named, and an undocumented state is shown as received."""
        path = tmp_path / "run.db"
        arguments = ("send", "notice", "--to", "-", "--content", "您好", "--yes", "--journal", path)
        program(*arguments, "--allow-duplicates", input=b"13800000012\n13800000012")
        program("reports", "--journal", path)
        result = program("journal", "show", path)
        assert "duplicates are called" in result.out
        assert "2 reported" in " ".join(result.out.split())

    def test_no_journal(self, program: Program, tmp_path: Path) -> None:
        """Another file, or a missing file, is one error line."""
        (tmp_path / "x").write_bytes(b"nothing like a database" * 99)
        result = program("journal", "show", tmp_path / "x")
        assert (result.code, result.out) == (5, "")
        assert "not a journal" in result.error_line
        assert "does not exist" in program("journal", "export", tmp_path / "y").error_line

    def test_broken_pipe(self, program: Program, journal: Path) -> None:
        """A broken pipe exits with 141 and prints no error."""
        result = program("journal", "show", journal, stdout=Unwritable(BrokenPipeError(32, "Broken pipe")))
        assert (result.code, result.err) == (141, "")

    def test_hostile_names(self, program: Program, journal: Path) -> None:
        """Control characters in the file name, and in the state of a report, are visible text."""
        hostile = "\x1b]52;c;aGk=\x07\x9b2J\u202e[red]"

        async def record() -> None:
            async with SqliteJournal(journal) as opened:
                [call, *_] = [line async for line in opened.lines() if line.message_id]
                report = Report(
                    Product.VOICE, message_id=call.message_id, mobile=call.mobile, raw_state=hostile
                )
                assert await opened.record([report]) == 1

        asyncio.run(record())
        path = journal.rename(journal.with_name("a\x1b[2Jb\u202e.db"))
        for ended in (program("journal", "show", path), program("journal", "show", f"{path}x")):
            text = ended.out + ended.err
            assert not set("\x1b\x07\x9b\u202e") & set(text)
            # A long path is wrapped.
            assert "a\\x1b[2Jb\\u202e.db" in "".join(text.split())
        assert "]52;c;aGk=" in program("journal", "show", path).out
        assert "\x9b" not in program("journal", "show", path, "--json").out
