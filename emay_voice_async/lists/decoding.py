"""Decode a text file of any encoding and any newlines into lines, a piece at a time."""

import codecs
import io
from collections.abc import Iterator
from itertools import chain
from typing import Any, Final, Protocol

from emay_voice_async.errors import InvalidRequestError
from emay_voice_async.lists.rows import MAX_LINE, too_long

__all__ = ["Readable", "check_encoding", "lines_of"]

_PIECE: Final = 65_536
_BOMS: Final = (
    # The longer marks first: the mark of UTF-32 begins with the mark of UTF-16.
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_HEAD: Final = 4
_WORKBOOKS: Final = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")


class Readable(Protocol):
    """A file that reads bytes or text, such as ``sys.stdin.buffer``."""

    def read(self, size: int, /) -> bytes | str:
        """Return up to ``size`` bytes or characters; empty at the end."""
        ...


def check_encoding(encoding: str) -> None:
    """Raise :class:`InvalidRequestError` unless Python knows the encoding as a text encoding."""
    try:
        codecs.getincrementaldecoder(encoding)
        # A codec that is no text encoding, such as hex, is only found by using the codec.
        "1".encode(encoding)
    except (LookupError, ValueError):
        raise InvalidRequestError("encoding", "must be one that Python knows, such as gb18030") from None


def lines_of(file: Readable, encoding: str | None) -> Iterator[str]:
    """Yield the lines; only CRLF, CR and LF end a line.

    Raises :class:`InvalidRequestError` for bytes that are no text in the encoding (a byte order mark,
    else ``encoding``, else UTF-8), and for a line longer than ``MAX_LINE`` characters. The lines
    before the error are yielded first.
    """
    number, rest = 1, ""
    for text in _texts(file, encoding):
        *whole, rest = (rest + text).split("\n")
        for line in whole:
            if len(line) > MAX_LINE:
                raise too_long("line", number)
            yield line
            number += 1
        if len(rest) > MAX_LINE:
            raise too_long("line", number)
    if rest:
        yield rest


def _texts(file: Readable, encoding: str | None) -> Iterator[str]:
    """Yield the text of a file, with LF for CRLF and CR; an error names the undecodable line."""
    newlines = io.IncrementalNewlineDecoder(None, translate=True)
    line, failure = 1, None
    try:
        for piece in _decoded(_pieces(file), encoding):
            text = newlines.decode(piece)
            line += text.count("\n")
            yield text
    except UnicodeError as error:
        failure = error
    # A final CR was kept back, as an LF could have followed.
    text = newlines.decode("", final=True)
    line += text.count("\n")
    yield text
    if failure is not None:
        used = getattr(failure, "encoding", encoding)
        rule = f'must be text in {used}; another encoding must be named, such as encoding="gb18030"'
        raise InvalidRequestError("file", rule, None, f"other bytes in line {line}")


def _pieces(file: Readable) -> Iterator[bytes | str]:
    """Read a file piece by piece, without waiting for a full piece."""
    read = getattr(file, "read1", file.read)
    while True:
        piece = read(_PIECE)
        if not isinstance(piece, bytes | str):
            raise InvalidRequestError("source", "must read bytes or text", None, type(piece).__name__)
        if not piece:
            return
        yield piece


def _decoded(pieces: Iterator[Any], encoding: str | None) -> Iterator[str]:
    """Decode pieces; text before an undecodable byte is yielded before the error is raised."""
    head = next(pieces, b"")
    if isinstance(head, str):
        if encoding is not None:
            raise InvalidRequestError("encoding", "must be left out for a file that reads text")
        yield from chain([head.removeprefix("\ufeff")], pieces)
        return
    while len(head) < _HEAD and (more := next(pieces, b"")):
        head += more
    name, bom = _encoding(head, encoding)
    decoder = codecs.getincrementaldecoder(name)()
    for piece in chain([head[len(bom) :]], pieces, [b""]):
        try:
            text = decoder.decode(piece, not piece)
        except UnicodeDecodeError as error:
            yield error.object[: error.start].decode(name, "replace")
            raise
        yield text


def _encoding(head: bytes, encoding: str | None) -> tuple[str, bytes]:
    """Return the encoding of a file that begins with ``head``, and its byte order mark."""
    for bom, name in _BOMS:
        if head.startswith(bom):
            return name, bom
    if head.startswith(_WORKBOOKS):
        rule = "must be text: save the workbook as CSV or as Unicode text"
        raise InvalidRequestError("file", rule, None, "a workbook or an archive")
    if encoding is None and b"\0" in head[:_HEAD]:
        rule = 'must be text: if it is UTF-16 without a byte order mark, name encoding="utf-16-le"'
        raise InvalidRequestError("file", rule, None, "a NUL in its first line")
    return encoding or "utf-8", b""
