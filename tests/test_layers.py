"""What the contracts of import-linter cannot see; the layers themselves are in pyproject.toml."""

import ast
from pathlib import Path

import pytest

import emay_voice_async

PACKAGE = Path(emay_voice_async.__file__).parent
PURE = [path for room in ("model", "wire") for path in sorted(PACKAGE.joinpath(room).glob("*.py"))]


@pytest.mark.parametrize("path", PURE, ids=lambda path: f"{path.parent.name}.{path.stem}")
def test_model_and_wire_wait_for_nothing(path: Path) -> None:
    """The pure packages define no coroutine."""
    assert not [
        node
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.AsyncFunctionDef)
    ]


def test_the_errors_import_nothing() -> None:
    """The error tree needs nothing of the package."""
    imports = [
        str(node.module)
        for node in ast.walk(ast.parse(PACKAGE.joinpath("errors.py").read_text("utf-8")))
        if isinstance(node, ast.ImportFrom)
    ]
    assert not [module for module in imports if module.startswith("emay_voice_async")]
