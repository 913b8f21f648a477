"""Decode a text file of any encoding and any newlines into lines, a piece at a time."""

import codecs
import io
from collections.abc import Callable, Iterator
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
_LOOKAHEAD: Final = 65_536
"""Bytes from the first one that is not ASCII on, by which UTF-8 is told from GB18030."""
_PROOF: Final = 8
"""Characters beyond ASCII in front of wrong bytes that prove damaged UTF-8: GB18030 looks otherwise."""
_GUESSED: Final = ("utf-8", "gb18030")
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


def lines_of(
    file: Readable, encoding: str | None, on_encoding: Callable[[str], object] = lambda _: None
) -> Iterator[str]:
    """Yield the lines; only CRLF, CR and LF end a line.

    The encoding is that of a byte order mark, else ``encoding``, else UTF-8 or, where the bytes are no
    UTF-8, GB18030; it is given to ``on_encoding``, a second time when it turns out to be GB18030. Raises
    :class:`InvalidRequestError` for bytes that are no text in the encoding, and for a line longer than
    ``MAX_LINE`` characters. The lines before the error are yielded first.
    """
    number, rest = 1, ""
    for text in _texts(file, encoding, on_encoding):
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


def _texts(file: Readable, encoding: str | None, on_encoding: Callable[[str], object]) -> Iterator[str]:
    """Yield the text of a file, with LF for CRLF and CR; an error names the undecodable line."""
    newlines = io.IncrementalNewlineDecoder(None, translate=True)
    line, failure = 1, None
    try:
        for piece in _decoded(_pieces(file), encoding, on_encoding):
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
        tried = f"{used}" if encoding is not None or used not in _GUESSED else "UTF-8 or GB18030"
        rule = f'must be text in {tried}; name another encoding, such as "big5" (command line: --encoding)'
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


def _decoded(
    pieces: Iterator[Any], encoding: str | None, on_encoding: Callable[[str], object]
) -> Iterator[str]:
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
    pieces = chain([head[len(bom) :]], pieces)
    on_encoding(name or "utf-8")
    if name is None:
        name = "utf-8"
        for piece in pieces:
            if not piece.isascii():
                name, seen = _guessed(piece, pieces)
                pieces = chain([seen], pieces)
                on_encoding(name)
                break
            yield piece.decode("ascii")
    decoder = codecs.getincrementaldecoder(name)()
    for piece in chain(pieces, [b""]):
        try:
            text = decoder.decode(piece, not piece)
        except UnicodeDecodeError as error:
            yield error.object[: error.start].decode(name, "replace")
            raise
        yield text


def _guessed(piece: bytes, pieces: Iterator[bytes]) -> tuple[str, bytes]:
    """Tell UTF-8 from GB18030 by the bytes to come; return the encoding, and the bytes read meanwhile."""
    first = next(index for index, byte in enumerate(piece) if byte > 127)
    read, size = [piece], len(piece) - first
    while size < _LOOKAHEAD and (more := next(pieces, b"")):
        read.append(more)
        size += len(more)
    whole = b"".join(read)
    seen, ended = whole[first : first + _LOOKAHEAD], size < _LOOKAHEAD
    try:
        codecs.getincrementaldecoder("utf-8")().decode(seen, ended)
    except UnicodeDecodeError as error:
        proof = sum(char > "\x7f" for char in seen[: error.start].decode())
        if proof < _PROOF and _is_text(seen, "gb18030", ended=ended):
            return "gb18030", whole
    return "utf-8", whole


def _is_text(data: bytes, encoding: str, *, ended: bool) -> bool:
    try:
        codecs.getincrementaldecoder(encoding)().decode(data, ended)
    except UnicodeDecodeError:
        return False
    return True


def _encoding(head: bytes, encoding: str | None) -> tuple[str | None, bytes]:
    """Return the encoding of a file that begins with ``head`` (None: to be guessed), and the byte order mark."""
    for bom, name in _BOMS:
        if head.startswith(bom):
            return name, bom
    if head.startswith(_WORKBOOKS):
        rule = "must be text: name a workbook .xlsx or .xls (command line: --format xlsx), or save it as CSV"
        raise InvalidRequestError("file", rule, None, "a workbook or an archive")
    if encoding is None and b"\0" in head[:_HEAD]:
        rule = 'must be text: if it is UTF-16 without a byte order mark, name encoding="utf-16-le"'
        raise InvalidRequestError("file", rule, None, "a NUL in its first line")
    return encoding, b""
