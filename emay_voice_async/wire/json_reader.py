"""JSON texts to plain values, by msgspec where it is installed and else by the standard library.

msgspec reads a text as :mod:`json` does, or refuses it: integers of any length, and the last one of equal
names. (orjson makes a float of an integer above 64 bits, and an id may come as one.) A text that msgspec
refuses goes to :mod:`json`, which reads more than JSON.
"""

import json
from collections.abc import Callable, Iterable
from functools import cache
from importlib import import_module
from typing import Any, Final, NamedTuple

from attrs import frozen

from emay_voice_async.wire.damaged_json import without_surrogates

__all__ = ["Layout", "Rows", "load_reader", "read_json", "read_rows"]

_SURROGATES: Final = (b"\\", b"\xed", b"\0")
"""Bytes without which a text has no lone surrogate: an escape, UTF-8 as some writers extend it, UTF-16."""


class Layout(NamedTuple):
    """The fields of an entry.

    ``key`` is a text or a whole number, ``foreign`` fields must be null or absent, and ``binary`` fields are read from
    strict base64, or null. A document of this layout contains all ``marks``.
    """

    names: tuple[str, ...]
    key: str = ""
    foreign: tuple[str, ...] = ()
    binary: tuple[str, ...] = ()
    marks: tuple[bytes, ...] = ()


@frozen(eq=False)
class Rows:
    """A document of many entries: its code as it came, and a row of values for each entry.

    The values of a row are in the order of the names of the layout, None for a missing field.
    """

    code: object
    rows: Iterable[tuple[Any, ...]]
    count: int


def load_reader() -> None:
    """Import msgspec, if installed, now instead of at the first reading."""
    _msgspec()


def read_json(data: bytes) -> Any:
    """Read a JSON text, lone surrogates as U+FFFD; raise :class:`ValueError` or :class:`RecursionError`."""
    try:
        return _reader()(data)
    except Exception:
        return _read_with_json(data)


def _read_with_json(data: bytes) -> Any:
    value = json.loads(data)
    # A search for three bytes is much faster than a look at each text.
    return without_surrogates(value) if any(map(data.__contains__, _SURROGATES)) else value


def read_rows(data: bytes, layout: Layout) -> Rows | None:
    """Read ``{"code": ..., "data": [{...}, ...]}`` or ``[{...}, ...]`` without a dict for each entry.

    Fields that are not in the layout are passed over. None: msgspec is missing, or the text has another
    shape, and :func:`read_json` must read it (benchmarks: push, send).
    """
    if layout.foreign and b"\\" not in data and not any(name.encode() in data for name in layout.foreign):
        # Faster, and no name is escaped.
        layout = layout._replace(foreign=())
    read = _row_reader(layout)
    try:
        return read(data) if read is not None and all(mark in data for mark in layout.marks) else None
    except Exception:
        return None


@cache
def _msgspec() -> Any:
    # At first use, because importing the package must stay fast.
    try:
        return import_module("msgspec")
    except Exception:
        return None


@cache
def _reader() -> Callable[[bytes], Any]:
    msgspec = _msgspec()
    return _read_with_json if msgspec is None else msgspec.json.decode


@cache
def _row_reader(layout: Layout) -> Callable[[bytes], Rows] | None:
    msgspec = _msgspec()
    try:
        return None if msgspec is None else _made_row_reader(msgspec, layout)
    except Exception:
        return None


def _made_row_reader(msgspec: Any, layout: Layout) -> Callable[[bytes], Rows]:
    fields: list[tuple[Any, ...]] = [
        (name, str | int)
        if name == layout.key
        else (name, bytes | None if name in layout.binary else Any, None)
        for name in layout.names
    ]
    foreign = [(name, None, None) for name in layout.foreign]
    # The objects live for a moment and have no cycles, so the garbage collector need not track them.
    entry: Any = msgspec.defstruct("Entry", [*fields, *foreign], kw_only=True, gc=False)
    document = msgspec.defstruct("Document", [("data", list[entry]), ("code", Any, None)], gc=False)
    decode, decode_list = msgspec.json.Decoder(document).decode, msgspec.json.Decoder(list[entry]).decode
    size, values = len(layout.names), msgspec.structs.astuple

    def read(data: bytes) -> Rows:
        document = None if data[:1] == b"[" else decode(data)
        code, entries = (None, decode_list(data)) if document is None else (document.code, document.data)
        rows = map(values, entries)
        return Rows(code, (row[:size] for row in rows) if foreign else rows, len(entries))

    return read
