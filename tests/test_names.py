"""Class names: a public class name means a single class in the whole package."""

import ast
from collections import defaultdict
from pathlib import Path

import pytest

import emay_voice_async

PACKAGE = Path(emay_voice_async.__file__).parent


@pytest.mark.slow
def test_a_public_class_name_means_one_class() -> None:
    """No two modules define a public class of the same name."""
    modules = defaultdict(set)
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                modules[node.name].add(str(path.relative_to(PACKAGE)))
    assert {name: places for name, places in modules.items() if len(places) > 1} == {}
