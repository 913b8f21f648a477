"""Switch the extra ``fast`` on and off within one process."""

import inspect
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from types import ModuleType

import msgspec

from emay_voice_async.wire import json_reader as documents

__all__ = ["FAST", "having"]

FAST = ("msgspec", "sniffio")
"""The packages of the extra."""

_SNIFFIO = ModuleType("sniffio")
_SNIFFIO.current_async_library = lambda: "asyncio"  # type: ignore[attr-defined]


@contextmanager
def _installed(names: frozenset[str]) -> Iterator[None]:
    reader = msgspec.json.decode if "msgspec" in names else documents._read_with_json  # noqa: SLF001
    # httpcore imports sniffio for every request; without sniffio, each import searches the whole path.
    # Plain assignments, because a patch of unittest.mock takes as long as an exchange.
    before = documents._reader, documents._row_reader  # noqa: SLF001
    documents._reader = lambda: reader  # type: ignore[assignment] # noqa: SLF001
    if "msgspec" not in names:
        documents._row_reader = lambda _: None  # type: ignore[assignment] # noqa: SLF001
    if "sniffio" in names:
        sys.modules["sniffio"] = _SNIFFIO
    try:
        yield
    finally:
        documents._reader, documents._row_reader = before  # noqa: SLF001
        sys.modules.pop("sniffio", None)


def having(run: Callable[[], object], *names: str) -> Callable[[], Awaitable[None]]:
    """Make a contestant that runs with only the named accelerators."""

    async def wrapped() -> None:
        with _installed(frozenset(names)):
            result = run()
            if inspect.isawaitable(result):
                await result

    return wrapped
