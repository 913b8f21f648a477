"""``send``: plan, confirmation and outcomes of the whole command."""

from pathlib import Path

from support.cli_runner import NUMBERS, Program, notice


class TestSend:
    """A send from plan to summary."""

    def test_all_accepted(self, program: Program, people: Path) -> None:
        """Each number is called once and has a JSON row, in the order of the list."""
        result = program(*notice(people, "--yes"))
        assert result.code == 0
        assert program.called == [row["mobile"] for row in result.rows] == NUMBERS
        assert {(row["outcome"], row["code"], row["reason"], row["recorded"]) for row in result.rows} == {
            ("accepted", None, None, False)
        }
        assert [row["message_id"] for row in result.rows] == [c.message_id for c in program.sandbox.calls]
        assert "600  accepted" in result.err

    def test_quiet(self, program: Program, people: Path) -> None:
        """-q prints errors only."""
        result = program("-q", *notice(people, "--yes"))
        assert (result.code, result.err) == (0, "")


class TestSteps:
    """The steps before the first request."""

    def test_plan(self, program: Program, people: Path) -> None:
        """--plan prints the whole plan and sends nothing."""
        result = program(*notice(people, "--plan", "--price", "0.1", "--hours", "00:00-24:00"))
        assert (result.code, result.out) == (0, "")
        for words in (
            "您好",
            "600 calls in 2 requests",
            "60 at 0.1",
            "1,000,000",
            "00:00-24:00",
            "--journal",
        ):
            assert words in result.err
        assert not program.called
        assert max(map(len, result.err.splitlines())) <= 80

    def test_nothing_left(self, program: Program, people: Path, tmp_path: Path) -> None:
        """A journal without open numbers skips the question and sends nothing."""
        arguments = notice(people, "--journal", tmp_path / "run.db")
        assert program(*arguments, "--yes").code == 0
        result = program(*arguments, terminal=True)
        assert result.code == 0
        assert "600 calls, according to the journal" in result.err
        assert "600 accepted in an earlier run" in result.text
        assert program.called == NUMBERS
