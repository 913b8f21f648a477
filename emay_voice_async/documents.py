"""JSON texts to plain values: msgspec where it is installed, and the standard library's word for the rest.

Where msgspec reads a text at all, it reads the same as :mod:`json`, integers of any length and the
last of repeated names included. (orjson does not: it makes a float of an integer above 64 bits, and
an id may come as one.) What msgspec refuses is given to :mod:`json`, which reads more than JSON.
"""

import json
from collections.abc import Callable
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

__all__ = ["read_json"]


def read_json(data: bytes) -> Any:
    """Read a JSON text; raise :class:`ValueError` or :class:`RecursionError` if it is none."""
    try:
        return _reader()(data)
    except (ValueError, RecursionError):
        return json.loads(data)


@cache
def _reader() -> Callable[[bytes], Any]:
    # At first use, so that importing the package is no slower for it.
    return import_module("msgspec.json").decode if find_spec("msgspec") else json.loads
