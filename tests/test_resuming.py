"""A campaign whose process is killed several times, over a socket."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent.parent / "benchmarks" / "kill_and_resume.py"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_nobody_is_called_twice_or_forgotten() -> None:
    """A campaign that is killed at random moments and resumed calls no number twice and accounts for every number."""
    command = [sys.executable, str(SCRIPT), "--numbers", "6000", "--kills", "4"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    figures = dict(line.split() for line in ran.stdout.splitlines()[1:-1])
    assert (figures["twice"], figures["unaccounted"], figures["lost"]) == ("0", "0", "0")
    assert int(figures["kills"]) > 0
