"""Wrapping: lines of a width in cells, broken where both languages allow it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from emay_voice_async.cli.terminal.wrapping import wrapped

TEXT = st.text(st.sampled_from("ab- ，。（）「」中文号码—…“”1,"), max_size=60)


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", []),
        ("a list of numbers", ["a list of", "numbers"]),
        ("名单文件或号码", ["名单文件或", "号码"]),
        ("名单文件啊，号码", ["名单文件", "啊，号码"]),
        ("名单文件（号码）", ["名单文件", "（号码）"]),
        ("a 名单 b.csv 号码", ["a 名单", "b.csv 号码"]),
        ("averylongname 号", ["averylongname", "号"]),
    ],
)
def test_lines(text: str, lines: list[str]) -> None:
    """A line breaks at a blank or at a Chinese character, but not in front of closing punctuation."""
    assert list(wrapped(text, 11)) == lines


@given(TEXT, st.integers(10, 30))
def test_all_text(text: str, width: int) -> None:
    """No character but blanks is lost, and a line is too wide only if it cannot be broken."""
    lines = list(wrapped(text, width))
    assert "".join("".join(lines).split()) == "".join(text.split())
    for line in lines:
        assert line == line.strip()
        assert cell_len(line) <= width or len(list(wrapped(line, 1))) == 1 or " " not in line
