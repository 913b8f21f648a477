"""JSON readers: the standard library, msgspec, and a stand-in for msgspec if msgspec is not installed."""

import json
import sys
from binascii import a2b_base64
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from types import GenericAlias, ModuleType, SimpleNamespace
from typing import Any

import pytest

from emay_voice_async.wire import json_reader as documents

__all__ = ["READERS", "choose_anew", "reading_with", "stand_in"]

READERS = ("json", "stand-in", *(["msgspec"] if find_spec("msgspec") else []))
"""The readers to test; msgspec only where it is installed, as in the session ``fast``."""


def stand_in() -> ModuleType:
    """Build the used part of msgspec from the standard library."""

    def defstruct(name: str, fields: list[tuple[Any, ...]], **options: object) -> type:
        assert options in ({"kw_only": True, "gc": False}, {"gc": False})
        return type(name, (), {"fields": fields})

    def checked(kind: Any, value: Any) -> Any:
        if kind is Any:
            return value
        if kind == bytes | None and isinstance(value, str):
            return a2b_base64(value, strict_mode=True)
        if isinstance(kind, GenericAlias):
            return [checked(kind.__args__[0], entry) for entry in checked(list, value)]
        if not hasattr(kind, "fields"):
            if not isinstance(value, type(None) if kind is None else kind) or isinstance(value, bool):
                raise ValueError(kind)
            return value
        found = checked(dict, value)
        made = kind()
        for name, of, *default in kind.fields:
            if name not in found and not default:
                raise ValueError(name)
            setattr(made, name, checked(of, found[name]) if name in found else default[0])
        return made

    def decoded(data: bytes) -> Any:
        value = json.loads(data)
        # msgspec refuses lone surrogates; the error is a ValueError.
        json.dumps(value, ensure_ascii=False).encode()
        return value

    module = ModuleType("msgspec")
    module.defstruct = defstruct  # type: ignore[attr-defined]
    module.structs = ModuleType("msgspec.structs")  # type: ignore[attr-defined]
    module.structs.astuple = lambda one: tuple(vars(one).values())
    module.json = ModuleType("msgspec.json")  # type: ignore[attr-defined]
    module.json.decode = decoded
    module.json.Decoder = lambda kind: SimpleNamespace(decode=lambda data: checked(kind, decoded(data)))
    return module


@contextmanager
def reading_with(name: str) -> Iterator[None]:
    """Read JSON with the named reader."""
    with pytest.MonkeyPatch.context() as patch:
        if name == "json":
            patch.setitem(sys.modules, "msgspec", None)
        if name == "stand-in":
            patch.setitem(sys.modules, "msgspec", stand_in())
        choose_anew()
        yield
    choose_anew()


def choose_anew() -> None:
    """Clear the cached choice of the reader."""
    documents._msgspec.cache_clear()
    documents._reader.cache_clear()
    documents._row_reader.cache_clear()
