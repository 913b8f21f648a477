"""The public names of the package: ``from emay_voice_async import ...``."""

import ast
import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import emay_voice_async


def test_the_front_door_is_sorted_and_complete() -> None:
    """``__all__`` lists each public name of the package once, in order, and no other."""
    names = emay_voice_async.__all__
    assert sorted(names, key=str.lower) == sorted(set(names), key=str.lower)
    modules = {module.name for module in pkgutil.iter_modules(emay_voice_async.__path__)}
    # pytest rewrites the assertions of a package with a plugin, and adds names with "@" to its modules.
    public = {name for name in dir(emay_voice_async) if not name.startswith(("_", "@"))}
    assert (public - modules) | {"__version__"} == set(names)
    found: dict[str, object] = {}
    exec("from emay_voice_async import *", found)  # noqa: S102 - the star import loads each name
    assert set(names) <= set(found)


def test_the_type_checker_sees_the_same_names() -> None:
    """For the type checker, each name comes from the same module as at run time."""
    tree = ast.parse(Path(emay_voice_async.__file__).read_text("utf-8"))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    homes = {name.name: str(node.module) for node in imports for name in node.names}
    assert sorted(homes) == sorted(emay_voice_async.__all__)
    assert {home.removeprefix("emay_voice_async.") for home in homes.values()} == set(
        emay_voice_async._MODULES
    )
    for name, home in homes.items():
        assert getattr(importlib.import_module(home), name) is getattr(emay_voice_async, name)


def test_an_unknown_name() -> None:
    """An unknown name raises AttributeError with the name; a package can be imported as an attribute."""
    with pytest.raises(AttributeError, match="no attribute 'Voice'"):
        emay_voice_async.Voice  # noqa: B018
    assert emay_voice_async.__getattr__("model") is importlib.import_module("emay_voice_async.model")


@pytest.mark.parametrize("statement", ["import emay_voice_async", "import emay_voice_async.push"])
def test_decoding_imports_no_client(statement: str) -> None:
    """Neither the package nor the push functions import asyncio or httpx."""
    code = f"import sys; {statement}; print(sorted({{'asyncio', 'httpx'}} & set(sys.modules)))"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert printed.stdout.strip() == "[]"


def test_every_name_is_public_in_its_module() -> None:
    """Each public name is in the ``__all__`` of the module that defines it."""
    for name in set(emay_voice_async.__all__) - {"__version__"}:
        module = importlib.import_module(getattr(emay_voice_async, name).__module__)
        assert name in module.__all__


def test_importing_the_package_imports_no_extra() -> None:
    """Importing the package imports neither the sandbox nor the Redis pacer, nor their dependencies."""
    code = (
        "import sys, emay_voice_async; extras = {'starlette', 'uvicorn', 'redis'}; "
        "extras |= {'emay_voice_async.sandbox', 'emay_voice_async.redis'}; "
        "print(sorted(extras & set(sys.modules)))"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert printed.stdout.strip() == "[]"
