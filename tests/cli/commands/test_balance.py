"""``balance``: the account's balance."""

import sys

import pytest
from support.cli_runner import Program

from emay_voice_async.sandbox import Fault


class TestBalance:
    """The printed balance, and failed queries."""

    def test_formats(self, program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
        """The balance is a plain number, on a terminal with separators, or JSON."""
        assert program("balance").out == "1000000\n"
        assert program("balance", "--product", "join", "--json").rows == [
            {"product": "join", "balance": "1000000"}
        ]
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
        assert program("balance").out == "1,000,000\n"

    def test_no_usable_answer(self, program: Program) -> None:
        """A failed query exits with 6: no call was made, so no outcome is unknown."""
        program.sandbox.fail_next(Fault.html(), on="balance", times=None)
        result = program("balance")
        assert result.code == 6
        assert "no usable answer" in result.error_line
