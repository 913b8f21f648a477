"""Recipients from files, as a stream: only a piece of a file is in memory at any time."""

import os
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Final

from emay_voice_async.errors import InvalidRequestError
from emay_voice_async.lists.columns import Column
from emay_voice_async.lists.decoding import Readable, check_encoding, lines_of
from emay_voice_async.lists.rows import Entry, csv_entries, jsonl_entries, txt_entries
from emay_voice_async.model.recipients import Recipient

__all__ = ["FORMATS", "Entry", "read_recipients", "recipients_of"]

FORMATS: Final[dict[str, tuple[str, ...]]] = {
    "txt": ("txt",),
    "csv": ("csv", "tsv"),
    "jsonl": ("jsonl", "ndjson"),
}
"""The formats, and the file name endings of each."""

_CHOICE: Final = "txt, csv or jsonl"


def read_recipients(
    source: str | os.PathLike[str] | Readable,
    *,
    format: str | None = None,  # noqa: A002 - the standard word
    column: Column | None = None,
    custom_id_column: Column | None = None,
    encoding: str | None = None,
) -> Generator[Entry, None, None]:
    """Yield an :class:`~emay_voice_async.lists.rows.Entry` for each row of a file, with its line number.

    - ``source``: a path, or an open file, which is not closed.
    - ``format``: "txt" (a number per line; blank lines and lines that begin with # are skipped), "csv"
      (rows under a header, delimited by commas, semicolons or tabs) or "jsonl" (an object or a number
      per line). None: by the ending of the file's name.
    - ``column``: the column of the numbers, in "csv" and "jsonl": a name, or in "csv" a position counted
      from 1. None: the only column with a usual name, such as mobile, phone, number, 手机 or 手机号.
    - ``custom_id_column``: the column of the custom ids. None: no custom ids.
    - ``encoding``: None is UTF-8. A byte order mark in the file overrides the argument.

    The file is opened when the first entry is asked for, and read a piece at a time with blocking
    reads. A bad row is an entry with ``problem`` set. :class:`InvalidRequestError` is raised at once for
    bad arguments, and while reading for a fault of the whole file: a missing column, bytes in another
    encoding, an endless line. :class:`OSError` comes from the operating system.
    """
    if not isinstance(source, str | os.PathLike) and not hasattr(source, "read"):
        raise InvalidRequestError("source", "must be a path or an open file", None, type(source).__name__)
    reader = _reader(_format(source) if format is None else format, column, custom_id_column)
    if encoding is not None:
        check_encoding(encoding)
    return _entries(source, reader, encoding)


def recipients_of(
    entries: Iterable[Entry], *, on_problem: Callable[[Entry], object] | None = None
) -> Iterator[Recipient]:
    """Yield the recipients to send to; pass each bad entry to ``on_problem`` and skip it.

    Without ``on_problem`` the bad entries are yielded as well: each becomes an outcome of its own, a
    :class:`~emay_voice_async.model.results.NotSent`. An exception of ``on_problem`` ends the stream.
    """
    for entry in entries:
        if entry.problem is None or on_problem is None:
            yield entry.recipient
        else:
            on_problem(entry)


def _format(source: object) -> str:
    """Return the format by the ending of the file's name."""
    name = source if isinstance(source, str | os.PathLike) else getattr(source, "name", "")
    ending = Path(name).suffix[1:].lower() if isinstance(name, str | os.PathLike) else ""
    for known, endings in FORMATS.items():
        if ending in endings:
            return known
    raise InvalidRequestError("format", f"must be {_CHOICE}: the file's name does not tell")


def _reader(
    format: str,  # noqa: A002
    column: Column | None,
    custom_id_column: Column | None,
) -> Callable[[Iterable[str]], Iterator[Entry]]:
    if format == "csv":
        return partial(csv_entries, column=column, custom_id_column=custom_id_column)
    if format == "jsonl":
        if isinstance(column, int) or isinstance(custom_id_column, int):
            raise InvalidRequestError("column", "must be a name in jsonl, where fields have no places")
        return partial(jsonl_entries, column=column, custom_id_column=custom_id_column)
    if format != "txt":
        raise InvalidRequestError("format", f"must be {_CHOICE}")
    if column is not None or custom_id_column is not None:
        raise InvalidRequestError("column", "must be left out for txt, which has one number a line")
    return txt_entries


def _entries(
    source: str | os.PathLike[str] | Readable,
    reader: Callable[[Iterable[str]], Iterator[Entry]],
    encoding: str | None,
) -> Generator[Entry, None, None]:
    with _opened(source) as file:
        yield from reader(lines_of(file, encoding))


def _opened(source: str | os.PathLike[str] | Readable) -> AbstractContextManager[Readable]:
    if isinstance(source, str | os.PathLike):
        return Path(source).open("rb", buffering=0)
    return nullcontext(source)
