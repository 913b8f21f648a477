"""The option ``--version``, and the time until the version is printed."""

import importlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.cli_runner import Unwritable

import emay_voice_async
from emay_voice_async import cli


def test_a_copied_folder(tmp_path: Path) -> None:
    """A copy of the package's folder, without metadata of a distribution, knows its version."""
    package = Path(emay_voice_async.__file__).parent
    shutil.copytree(package, tmp_path / "emay_voice_async", ignore=shutil.ignore_patterns("__pycache__"))
    # Isolated, without the folders of installed packages: only --version works there.
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from emay_voice_async import cli; cli.main()"
    command = [sys.executable, "-I", "-S", "-c", code, "--version"]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert out == f"emay-voice {emay_voice_async.__version__}\n"


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
