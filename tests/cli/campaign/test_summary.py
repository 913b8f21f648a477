"""The summary of a send and its next step."""

from pathlib import Path

from support.cli_runner import NUMBERS, Program, notice

from emay_voice_async.sandbox import Fault


class TestSummary:
    """Counts, reasons and the next step."""

    def test_cap(self, program: Program, people: Path) -> None:
        """--max-calls limits the calls, and the exit code says that some numbers were not sent."""
        result = program(*notice(people, "--yes", "--max-calls", 3))
        assert result.code == 6
        assert program.called == NUMBERS[:3]
        assert "597 calls left out by --max-calls" in result.err

    def test_cap_with_journal(self, program: Program, people: Path, tmp_path: Path) -> None:
        """The same command sends the numbers that the cap left out."""
        arguments = notice(people, "--yes", "--max-calls", 400, "--journal", tmp_path / "run.db")
        result = program(*arguments)
        assert "To make the other 200 calls, run the command again" in result.text
        assert program(*arguments).code == 0
        assert program.called == NUMBERS

    def test_many_reasons(self, program: Program, people: Path) -> None:
        """Only the most frequent reasons are printed one by one."""
        people.write_text("\n".join(f"138{number:08}" for number in range(3500)))
        for number in range(7):
            program.sandbox.fail_next(Fault.code(f"ERROR_{number}"), on="send")
        result = program("--concurrency", 1, "--limit", "off", *notice(people, "--yes"))
        assert result.code == 1
        assert "500: /voice/send was refused: ERROR_4" in result.err
        assert "and 2 other reasons" in result.err


class TestNextStep:
    """The command that sends the rest."""

    def test_list_on_standard_input(self, program: Program, tmp_path: Path) -> None:
        """The printed command asks for the same list on standard input."""
        program.sandbox.fail_next(Fault.code("ERROR_CONTENT_EMPTY"), on="send")
        result = program(*notice("-", "--journal", tmp_path / "run.db", "--yes"), input=b"13800000000\n")
        assert "(with the same list)" in result.err
