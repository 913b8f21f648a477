"""Settings of all tests."""

import pytest
from hypothesis import settings
from program import Program

# A busy machine is no reason to fail; how fast things are is measured elsewhere.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Program:
    """Run the command line in this process."""
    return Program(monkeypatch, capsys)
