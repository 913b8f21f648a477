"""The program's name in printed commands."""

import os
import sys
from pathlib import Path

import pytest

from emay_voice_async.cli.terminal.program import commands_of_shell, program_name

PYTHON = Path(sys.executable)


def test_python_on_the_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """``python`` is printed only if the shell finds this Python under the name."""
    monkeypatch.delenv("NOX_CURRENT_SESSION", raising=False)
    folder = tmp_path / "bin"
    folder.mkdir()
    python = folder / ("python.exe" if sys.platform == "win32" else "python")
    python.symlink_to(PYTHON)
    monkeypatch.setattr(sys, "executable", str(python))
    monkeypatch.setenv("PATH", str(folder))
    assert program_name(is_module=True) == "python -m emay_voice_async"
    monkeypatch.setenv("PATH", os.defpath)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert program_name(is_module=True) == f"{python} -m emay_voice_async"


def test_nox(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Inside of a nox session, the printed Python works in the shell outside, as a short path."""
    python = tmp_path / ".nox" / "a demo" / "bin" / "python"
    monkeypatch.setenv("NOX_CURRENT_SESSION", "demo")
    monkeypatch.setenv("PATH", str(python.parent))
    monkeypatch.setattr(sys, "executable", str(python))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert program_name(is_module=True) == f"'{python}' -m emay_voice_async"
    monkeypatch.chdir(tmp_path)
    assert program_name(is_module=True) == "'.nox/a demo/bin/python' -m emay_voice_async"


def test_script(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The name of the script is printed, or the path that started it if the name is not on the PATH."""
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    assert program_name(is_module=False) == "emay-voice"
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setattr(sys, "argv", ["/opt/x y/emay-voice"])
    assert program_name(is_module=False) == "'/opt/x y/emay-voice'"
    monkeypatch.setattr(sys, "argv", ["pytest"])
    assert program_name(is_module=False) == "emay-voice"


def test_commands_of_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a nox session, the package is installed first for the Python of the user's shell."""
    monkeypatch.delenv("NOX_CURRENT_SESSION", raising=False)
    assert commands_of_shell("emay-voice", "sandbox") == ("emay-voice sandbox",)
    monkeypatch.setenv("NOX_CURRENT_SESSION", "demo")
    commands = commands_of_shell("/x/bin/python -m emay_voice_async", "sandbox")
    assert commands == ('python -m pip install ".[demo]"', "python -m emay_voice_async sandbox")
