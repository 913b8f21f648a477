"""Formatting for people: safe text, durations, counts."""

import json
import unicodedata
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emay_voice_async.cli.terminal.formatting import (
    calls,
    duration,
    entries,
    escaped,
    escaped_lines,
    hours_of,
    json_escaped,
    kind_named,
    meaning_of,
    money,
)
from emay_voice_async.cli.terminal.language import using
from emay_voice_async.model.codes import CallState, ResultCode
from emay_voice_async.sending.hours import CallingHours

HOSTILE = {
    "clear the screen": "\x1b[2J",
    "the clipboard": "\x1b]52;c;aGk=\x07",
    "the title": "\x1b]0;root\x1b\\\\",
    "a link": "\x1b]8;;http://evil\x1b\\\\x",
    "C1 codes": "\x9b2J\x9d52;c;aGk=\x9c",
    "overwriting": "good\rbad\b\x7f",
    "bidirectional": "\u202egpj.exe\u2066\u2069\u200f",
    "new lines": "a\nb\u2028c\u2029d\x85e\x0b\x0c",
    "invisible": "a\u200bb\ufeffc\U000e0041\xad",
    "half a pair": "\ud800",
}


@pytest.mark.parametrize("text", list(HOSTILE.values()), ids=list(HOSTILE))
def test_hostile_text(text: str) -> None:
    """No control, separator, bidirectional or invisible character is left."""
    safe = escaped(f"您好 {text} é")
    assert not {unicodedata.category(letter) for letter in safe} & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    assert safe.startswith("您好 ")
    assert safe.endswith(" é")
    assert "\\" in safe


@given(st.text())
def test_any_text(text: str) -> None:
    """Escaping keeps printable text, changes nothing twice, and leaves nothing that steers a terminal."""
    safe = escaped(text)
    assert escaped(safe) == safe
    assert not any(unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") for letter in safe)
    assert not any(
        unicodedata.bidirectional(letter)[-1:] in "EOIF" and unicodedata.category(letter) == "Cf"
        for letter in safe
    )
    if all(letter.isprintable() for letter in text):
        assert safe == text
    assert escaped_lines(text).count("\n") == text.count("\n")


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_json_text(text: str) -> None:
    """JSON keeps the value, and holds no control or bidirectional character."""
    line = json_escaped(json.dumps({"text": text}, ensure_ascii=False))
    assert json.loads(line) == {"text": text}
    assert escaped(line) == line


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "a moment"),
        (0.44, "0.4 s"),
        (12.4, "12 s"),
        (59.6, "1:00 min"),
        (185, "3:05 min"),
        (93785, "26:03:05 h"),
    ],
)
def test_durations(seconds: float, words: str) -> None:
    """The unit fits the duration."""
    assert duration(seconds) == words


def test_counts() -> None:
    """The noun has the form of the number."""
    assert calls(1) == "1 call"
    assert calls(2000) == "2,000 calls"
    assert entries(0) == "0 entries"


def test_money() -> None:
    """An amount has no trailing zeros."""
    assert [money(Decimal(text)) for text in ("10.50", "1000", "0.12", "-3.00")] == [
        "10.5",
        "1,000",
        "0.12",
        "-3",
    ]


def test_meanings() -> None:
    """A code has the meaning of the API document in Chinese, and a translation in English."""
    assert meaning_of(ResultCode.ERROR_SIGN) == "wrong signature"
    with using("zh"):
        assert meaning_of(ResultCode.ERROR_SIGN) == "签名错误"
        assert meaning_of(CallState.OTHER) == "接口文档中没有的状态"


def test_hours() -> None:
    """Calling hours have their time zone."""
    assert hours_of(CallingHours("08:00-20:00")) == "08:00-20:00 (Beijing time)"
    with using("zh"):
        assert hours_of(CallingHours("08:00-20:00")) == "08:00-20:00（北京时间）"


def test_kinds() -> None:
    """A kind of message has a name; an unknown kind keeps the name of its class."""
    assert kind_named("Notice") == "voice notice"
    assert kind_named("Fax") == "Fax"
