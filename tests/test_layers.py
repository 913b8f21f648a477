"""Rules that import-linter cannot check; the layers are contracts in pyproject.toml."""

import ast
from pathlib import Path

import pytest

import emay_voice_async

PACKAGE = Path(emay_voice_async.__file__).parent
PURE = [path for room in ("model", "wire") for path in sorted(PACKAGE.joinpath(room).glob("*.py"))]


@pytest.mark.parametrize("path", PURE, ids=lambda path: f"{path.parent.name}.{path.stem}")
def test_model_and_wire_define_no_coroutine(path: Path) -> None:
    """The modules of model and wire define no coroutine."""
    assert not [
        node
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.AsyncFunctionDef)
    ]


def test_errors_import_no_module_of_the_package() -> None:
    """The module of the errors imports no other module of the package."""
    imports = [
        str(node.module)
        for node in ast.walk(ast.parse(PACKAGE.joinpath("errors.py").read_text("utf-8")))
        if isinstance(node, ast.ImportFrom)
    ]
    assert not [module for module in imports if module.startswith("emay_voice_async")]
