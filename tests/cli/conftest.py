"""Fixtures of the command line's tests."""

from pathlib import Path

import pytest
from support.cli_runner import NUMBERS, Program

from emay_voice_async.sandbox import Fault


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Program:
    """Run the command line in this process."""
    return Program(monkeypatch, capsys)


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """Make a list of 600 numbers."""
    path = tmp_path / "people.txt"
    path.write_text("\n".join(NUMBERS))
    return path


@pytest.fixture
def journal(program: Program, tmp_path: Path) -> Path:
    """Make the journal of 600 calls: 500 refused, 100 accepted and reported."""
    path = tmp_path / "run.db"
    program.sandbox.fail_next(Fault.code("ERROR_CONTENT_EMPTY"), on="send")
    arguments = ("send", "notice", "--to", "-", "--content", "您好", "--yes", "--journal", path)
    assert program("--concurrency", 1, *arguments, input="\n".join(NUMBERS).encode()).code == 1
    assert program("reports", "--journal", path).code == 0
    return path
