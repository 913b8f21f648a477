"""JSON texts with damage: a second reading, after :mod:`json` has refused the text.

A status report is handed out once, so damage must cost characters and never reports. Bytes that are not UTF-8
become U+FFFD; control characters, unknown escapes, commas before a closing bracket and numbers of any length
are accepted; more JSON values and other text can follow the first value. A text that is cut off stays
unreadable. Each step is linear in the length of the text.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, Final

__all__ = ["read_damaged_json", "without_surrogates"]

_AROUND: Final = re.compile("[ \t\r\n,;\0\x1a\x1e\ufeff]*")
"""Blanks, separators and padding around JSON values."""
_DIGITS: Final = 4000
"""Digits that Python converts to an int without a complaint."""
_REPAIRS: Final = 10_000
"""Repairs of one kind in one text."""
_ESCAPE: Final = re.compile(r'(?<!\\)((?:\\\\)*+)\\(?!["\\/bfnrt]|u[0-9a-fA-F]{4})')
_COMMA: Final = re.compile(r'(?<=[}\]"0-9el \t\r\n]),(?=\s*+[}\]])')


def read_damaged_json(data: bytes) -> tuple[list[Any], str]:
    """Read the JSON values of a damaged text, and return the rest that is no JSON value ("" for none).

    Raises :class:`ValueError` or :class:`RecursionError` unless the text begins with an object or a list.
    """
    for text in _texts(data):
        for repaired in (text, _repaired(text)):
            values, rest = _values(repaired)
            if values:
                return [without_surrogates(value) for value in values], rest
    raise ValueError("the text does not begin with a JSON object or list")


def without_surrogates(value: Any) -> Any:
    """Return a JSON value in which each lone surrogate is U+FFFD, so that its texts can be encoded."""
    text = json.dumps(value, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.loads(text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace"))
    return value


def _texts(data: bytes) -> Iterator[str]:
    """Yield the text in the encoding that its first bytes tell, in UTF-8, and in GB18030.

    NUL bytes before a text look like UTF-16; a GBK character can end with a backslash.
    """
    for encoding in dict.fromkeys((json.detect_encoding(data), "utf-8-sig", "gb18030")):
        yield data.decode(encoding, "replace")


def _repaired(text: str) -> str:
    text = _ESCAPE.sub(r"\1\\\\", text, count=_REPAIRS)
    return _COMMA.sub("", text, count=_REPAIRS)


def _values(text: str) -> tuple[list[Any], str]:
    decoder = json.JSONDecoder(strict=False, parse_int=_whole)
    values: list[Any] = []
    place = _after(text, 0)
    while text[place : place + 1] in ("{", "["):
        try:
            value, place = decoder.raw_decode(text, place)
        except ValueError:
            break
        values.append(value)
        place = _after(text, place)
    return values, text[place:]


def _after(text: str, place: int) -> int:
    """Return the place after blanks, separators and padding."""
    found = _AROUND.match(text, place)
    return place if found is None else found.end()


def _whole(digits: str) -> int | str:
    return int(digits) if len(digits) <= _DIGITS else digits
