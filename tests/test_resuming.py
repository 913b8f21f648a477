"""A campaign whose process is killed several times, over a socket."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent.parent / "benchmarks" / "kill_and_resume.py"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
@pytest.mark.parametrize("copied", [False, True])
def test_nobody_is_called_twice_or_forgotten(copied: bool) -> None:
    """A campaign that is killed and resumed, from a copy without side files as well, calls no number twice."""
    command = [
        sys.executable,
        str(SCRIPT),
        "--numbers",
        "6000",
        "--kills",
        "4",
        *(["--alone"] if copied else []),
    ]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    figures = dict(line.split() for line in ran.stdout.splitlines()[1:-1])
    assert (figures["twice"], figures["unaccounted"], figures["lost"]) == ("0", "0", "0")
    assert int(figures["kills"]) > 0
