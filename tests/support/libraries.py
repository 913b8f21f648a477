"""The HTTP libraries whose clients are accepted, and clients over a function."""

from collections.abc import Awaitable, Callable
from importlib import import_module
from types import ModuleType
from typing import Any

import pytest

from emay_voice_async.exchange.failures import LIBRARIES

__all__ = ["client_over", "each_exception", "each_library", "exceptions_of", "make_exception"]

each_library = pytest.mark.parametrize("library", [import_module(name) for name in LIBRARIES], ids=LIBRARIES)
"""Run a test with httpx and with httpx2."""


def client_over(library: ModuleType, handle: Callable[[Any], Awaitable[Any]], **options: Any) -> Any:
    """Make a client of a library over a transport that is made of a function."""

    class Handler(library.AsyncBaseTransport):  # type: ignore[name-defined,misc]
        async def handle_async_request(self, request: Any) -> Any:
            return await handle(request)

    return library.AsyncClient(transport=Handler(), **options)


def exceptions_of(library: ModuleType) -> dict[str, type[Exception]]:
    """Return the exceptions of a library that have no subclasses, by name."""
    kinds = [kind for kind in vars(library).values() if isinstance(kind, type)]
    return {
        kind.__name__: kind for kind in kinds if issubclass(kind, Exception) and not kind.__subclasses__()
    }


def make_exception(library: ModuleType, kind: type[Exception], status: int = 500) -> Exception:
    """Make an exception of a library; the constructors differ."""
    if kind.__name__ == "HTTPStatusError":
        request = library.Request("POST", "http://service")
        made: Exception = library.HTTPStatusError("...", request=request, response=library.Response(status))
        return made
    try:
        return kind("...")
    except TypeError:
        return kind()


each_exception = pytest.mark.parametrize(
    ("library", "name"),
    [
        pytest.param(library, name, id=f"{library.__name__}.{name}")
        for library in map(import_module, LIBRARIES)
        for name in sorted(exceptions_of(library))
    ],
)
"""Run a test with every exception of httpx and of httpx2."""
