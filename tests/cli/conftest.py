"""What the tests of the command line share."""

import pytest
from support.cli_runner import Program


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Program:
    """Run the command line in this process."""
    return Program(monkeypatch, capsys)
