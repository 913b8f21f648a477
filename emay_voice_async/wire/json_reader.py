"""JSON texts to plain values: msgspec where it is installed, and the standard library's word for the rest.

Where msgspec reads a text at all, it reads the same as :mod:`json`, integers of any length and the
last of repeated names included. (orjson does not: it makes a float of an integer above 64 bits, and
an id may come as one.) What msgspec refuses is given to :mod:`json`, which reads more than JSON.
"""

import json
from collections.abc import Callable, Iterable
from functools import cache
from importlib import import_module
from typing import Any

from attrs import frozen

__all__ = ["Layout", "Rows", "read_json", "read_rows"]


@frozen
class Layout:
    """The names of the fields of an entry: ``key`` is a text in each of them, ``foreign`` ones say nothing."""

    names: tuple[str, ...]
    key: str
    foreign: tuple[str, ...] = ()


@frozen
class Rows:
    """A document of many entries: its code as it came, and the values of each entry in the order of the names.

    A value that is missing is None.
    """

    code: object
    rows: Iterable[tuple[Any, ...]]


def read_json(data: bytes) -> Any:
    """Read a JSON text; raise :class:`ValueError` or :class:`RecursionError` if it is none."""
    try:
        return _reader()(data)
    except (ValueError, RecursionError):
        return json.loads(data)


def read_rows(data: bytes, layout: Layout) -> Rows | None:
    """Read ``{"code": ..., "data": [{...}, ...]}`` without making a dict of each entry: in 0.6 of the time.

    None if msgspec is not there, or finds anything else in it, a field that is not in the layout for
    instance: then :func:`read_json` is to be asked. (An unknown field is not just passed over, because
    msgspec would pass over broken UTF-8 with it, and the result must not depend on what is installed.)
    """
    read = _row_reader(layout)
    if read is None:
        return None
    try:
        return read(data)
    except (ValueError, RecursionError):
        return None


@cache
def _msgspec() -> Any:
    # At first use, so that importing the package is no slower for it.
    try:
        return import_module("msgspec")
    except ImportError:
        return None


@cache
def _reader() -> Callable[[bytes], Any]:
    msgspec = _msgspec()
    return json.loads if msgspec is None else msgspec.json.decode


@cache
def _row_reader(layout: Layout) -> Callable[[bytes], Rows] | None:
    msgspec = _msgspec()
    try:
        return None if msgspec is None else _made_row_reader(msgspec, layout)
    except (AttributeError, TypeError):
        # An old one, that has not got all this: no answer may be lost for that.
        return None


def _made_row_reader(msgspec: Any, layout: Layout) -> Callable[[bytes], Rows]:
    names = [(name, str) if name == layout.key else (name, Any, None) for name in layout.names]
    # What is made here lives for a moment, and has no cycles: the garbage collector need not see it.
    options = {"kw_only": True, "forbid_unknown_fields": True, "gc": False}
    entry: Any = msgspec.defstruct(
        "Entry", [*names, *((name, None, None) for name in layout.foreign)], **options
    )
    document = msgspec.defstruct("Document", [("data", list[entry]), ("code", Any, None)], **options)
    decode = msgspec.json.Decoder(document).decode
    size, values = len(layout.names), msgspec.structs.astuple

    def read(data: bytes) -> Rows:
        found = decode(data)
        rows = map(values, found.data)
        return Rows(found.code, (row[:size] for row in rows) if layout.foreign else rows)

    return read
