"""The package in programs of PyInstaller; ``nox -s frozen`` builds one."""

import ast
from importlib.metadata import entry_points
from pathlib import Path

from emay_voice_async.cli.app import COMMANDS


def test_pyinstaller_finds_the_hook() -> None:
    """The entry point of PyInstaller leads to a folder with a hook for the package."""
    [point] = [one for one in entry_points(group="pyinstaller40") if one.value.startswith("emay_voice_async")]
    [folder] = point.load()()
    hook = Path(folder, "hook-emay_voice_async.py").read_text("utf-8")
    names = {node.id for node in ast.walk(ast.parse(hook)) if isinstance(node, ast.Name)}
    assert {"datas", "hiddenimports"} <= names
    assert "emay_voice_async.cli.commands" in hook  # imported by name, one for each command
    assert COMMANDS
