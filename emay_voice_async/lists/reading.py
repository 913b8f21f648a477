"""Recipients from people's files, as a stream: no more of a file is in memory than a piece of it."""

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

FORMATS: Final = {
    "txt": ("txt",),
    "csv": ("csv", "tsv"),
    "jsonl": ("jsonl", "ndjson"),
}
"""The formats, and the endings of files that have them."""

_CHOICE: Final = "txt, csv or jsonl"


def read_recipients(
    source: str | os.PathLike[str] | Readable,
    *,
    format: str | None = None,  # noqa: A002 - the word that everybody uses
    column: Column | None = None,
    custom_id_column: Column | None = None,
    encoding: str | None = None,
) -> Generator[Entry, None, None]:
    """Yield an :class:`~emay_voice_async.lists.rows.Entry` for each row of a file, with its line number.

    ``source`` is a path, or an open file, which is not closed. ``format`` is "txt" (a number a line;
    blank lines and those that begin with # are passed over), "csv" (under a header, delimited by
    , ; or tabs) or "jsonl" (an object or a number a line); None: as the file's ending says. In
    "csv" and "jsonl", ``column`` has the numbers (a name, or in "csv" a place counted from 1; None:
    the one column that is called mobile, phone, number, 手机, 手机号, 手机号码 or 电话), and
    ``custom_id_column`` the custom ids (None: there are none). ``encoding`` is UTF-8 unless a byte
    order mark or the argument says otherwise; a byte order mark is always believed.

    Nothing is read before the first entry is asked for, and then a piece at a time, with reads that
    block. A bad row is an entry with a problem. :class:`InvalidRequestError` is raised at once for
    arguments that make no sense, and while reading for what spoils the whole file: a column that is
    not there, bytes in another encoding, a line without end. :class:`OSError` is that of the system.
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
    """Yield whom to send to; give each entry with a problem to ``on_problem`` and leave it out.

    Without ``on_problem`` the bad ones are yielded, too: each becomes an outcome of its own, a
    :class:`~emay_voice_async.model.results.NotSent`. What ``on_problem`` raises ends the stream.
    """
    for entry in entries:
        if entry.problem is None or on_problem is None:
            yield entry.recipient
        else:
            on_problem(entry)


def _format(source: object) -> str:
    """Tell the format by the ending of the file's name."""
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
