"""What the package offers at its front door."""

import importlib
import pkgutil
import subprocess
import sys

import emay_voice_async


def test_the_front_door_is_sorted_and_complete() -> None:
    """``__all__`` names exactly what can be imported from the package, once, in order."""
    names = emay_voice_async.__all__
    assert sorted(names, key=str.lower) == sorted(set(names), key=str.lower)
    modules = {module.name for module in pkgutil.iter_modules(emay_voice_async.__path__)}
    public = {name for name in vars(emay_voice_async) if not name.startswith("_")}
    assert public - modules == set(names)


def test_every_name_comes_from_a_module_that_offers_it() -> None:
    """Each name of the front door is in the ``__all__`` of the module where it is defined."""
    for name in emay_voice_async.__all__:
        module = importlib.import_module(getattr(emay_voice_async, name).__module__)
        assert name in module.__all__


def test_importing_the_package_takes_no_extra() -> None:
    """Neither the sandbox nor sharing, nor what they need, is imported by the package itself."""
    code = (
        "import sys, emay_voice_async; extras = {'starlette', 'uvicorn', 'redis'}; "
        "extras |= {'emay_voice_async.sandbox', 'emay_voice_async.redis'}; "
        "print(sorted(extras & set(sys.modules)))"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert printed.stdout.strip() == "[]"
