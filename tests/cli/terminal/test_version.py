"""The version of the program, and the time until it is printed."""

import importlib
import subprocess
import sys
from importlib import metadata

import pytest
from support.cli_runner import Unwritable

from emay_voice_async import cli
from emay_voice_async.cli.terminal.version import program_version


def test_without_metadata(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plain folder on the path, without metadata, has an unknown version."""

    def fail(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", fail)
    assert program_version() == "unknown"


def test_full_disk(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A version that cannot be written is an error like any other."""
    monkeypatch.setattr(sys, "stdout", Unwritable(OSError(28, "No space left on device")))
    assert cli.main(["--version"]) == 7
    assert capsys.readouterr().err == "emay-voice: standard output: No space left on device\n"


def test_imports() -> None:
    """--version imports neither click nor rich nor the client."""
    code = (
        "import sys; from emay_voice_async.cli import main; main(['--version']); "
        "print([name for name in ('click', 'rich', 'httpx', 'attrs') if name in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.splitlines()[1] == "[]"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not count the time of children")
def test_time() -> None:
    """--version takes at most 1.5 times the processor time of an import of click (and a margin of a fifth)."""
    resource = importlib.import_module("resource")

    def best(*arguments: str) -> float:
        times = []
        for _ in range(7):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run([sys.executable, *arguments], capture_output=True, check=True)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            times.append(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)
        return float(min(times))

    assert best("-m", "emay_voice_async", "--version") <= 1.8 * best("-c", "import click")
