"""Standard output that cannot be written."""

from pathlib import Path

import pytest
from support.cli_runner import Program


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is always full")
def test_abandoned_output(program: Program) -> None:
    """Data that could not be written is not written again at exit."""
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        result = program("balance", "--json", stdout=full)
        assert (result.code, result.error_line) == (7, "emay-voice: standard output: No space left on device")
