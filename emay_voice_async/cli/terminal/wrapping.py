"""Lines of a width in terminal cells; a Chinese character takes two cells."""

import re
from collections.abc import Iterator
from typing import Final

from rich.cells import cell_len

__all__ = ["wrapped"]

_WIDE: Final = r"\u2e80-\u9fff\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6"
_OPENING: Final = "（「『《【“‘"
_CLOSING: Final = "，。、；：？！）」』》】”’…"
# A line does not begin with closing punctuation, and does not end with opening punctuation.
_PIECE: Final = re.compile(
    rf"(?P<gap>\s*)(?P<piece>[{_OPENING}(\[]*(?:[{_WIDE}]|[^\s{_WIDE}{_OPENING}{_CLOSING}]+)?[{_CLOSING}]*)"
)


def wrapped(text: str, width: int) -> Iterator[str]:
    """Yield the lines of a text; a line breaks at blanks and between Chinese characters."""
    line = ""
    for found in _PIECE.finditer(text):
        gap, piece = " " if found["gap"] else "", found["piece"]
        if line and piece and cell_len(line + gap + piece) > width:
            yield line
            line = piece
        else:
            line = line + gap + piece if line else piece
    if line := line.rstrip():
        yield line
