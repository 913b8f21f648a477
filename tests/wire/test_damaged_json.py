"""JSON texts with damage: characters are lost, values are not."""

import json
import time
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples.strategies import JSON, raw_reports

from emay_voice_async.wire.damaged_json import read_damaged_json, without_surrogates

PAGE = {"code": "SUCCESS", "data": [{"voiceId": f"{number}", "message": "成功了"} for number in range(3)]}
TEXT = json.dumps(PAGE, ensure_ascii=False)
LARGE = 1 << 22


def ids(data: bytes) -> list[str]:
    """Return the ids of the entries of the first value."""
    values, rest = read_damaged_json(data)
    assert rest == ""
    return [entry["voiceId"] for entry in values[0]["data"]]


class TestReadDamagedJson:
    """A second reading of a text that is no JSON."""

    @pytest.mark.parametrize(
        "data",
        [
            TEXT.encode("gbk"),
            TEXT.encode("big5", "replace"),
            TEXT.encode().replace("了".encode(), "了".encode()[:2]),
            TEXT.encode().replace("了".encode(), b"\xff\xfe"),
            TEXT.encode().replace("了".encode(), b"\xed\xa0\x80"),
            TEXT.replace("了", "\n").encode(),
            TEXT.replace("了", "\x00\x01\x1b\t").encode(),
            TEXT.replace("了", "\\x").encode(),
            TEXT.replace("了", "C:\\dir\\u12").encode(),
            TEXT.replace("了", "it\\'s").encode(),
            TEXT.replace("了", "\\ud800").encode(),
            TEXT.replace("}]", "},]").replace('功了"', '功了",').encode(),
            b"\xef\xbb\xbf" + TEXT.encode("gbk"),
            b"\0\0 " + TEXT.encode() + b"\0\0\x1a\r\n",
            TEXT.encode() + b",;",
            TEXT.encode("utf-16")[:-2] + "}".encode("utf-16-le"),
            (TEXT.replace("了", "\ud800")).encode("utf-16", "surrogatepass"),
        ],
        ids=lambda data: repr(data[-20:]),
    )
    def test_damage(self, data: bytes) -> None:
        """Each entry of a damaged text is read, and each text in it can be encoded."""
        assert ids(data) == ["0", "1", "2"]
        json.dumps(read_damaged_json(data)[0], ensure_ascii=False).encode()

    def test_replacement_characters(self) -> None:
        """Bytes that are not UTF-8 become U+FFFD, and other texts stay as they are."""
        [page], _ = read_damaged_json(b'[{"a":"\xb3\xc9","b":"\xe6\x88\x90"}]')
        assert page == [{"a": "\ufffd\ufffd", "b": "成"}]

    def test_a_gbk_character_that_ends_with_a_backslash(self) -> None:
        """A text of GBK is read as GBK where the bytes of a character would end a string."""
        [report], _ = read_damaged_json(b'{"message":"\xd5\x5c","voiceId":"1"}')
        assert report == {"message": b"\xd5\x5c".decode("gb18030"), "voiceId": "1"}

    @pytest.mark.parametrize(
        ("data", "values", "rest"),
        [
            (b'{"a":1}{"b":2}', [{"a": 1}, {"b": 2}], ""),
            (b"[1]\n[2]\r\n", [[1], [2]], ""),
            (b'{"a":1}<!-- x -->', [{"a": 1}], "<!-- x -->"),
            (b'{"a":1}\n{"b":', [{"a": 1}], '{"b":'),
            (b"[" + b"9" * 5000 + b"]", [["9" * 5000]], ""),
        ],
        ids=lambda value: repr(value)[:20],
    )
    def test_more_than_one_value(self, data: bytes, values: list[Any], rest: str) -> None:
        """The values of a text are read one after the other, and other text is returned."""
        assert read_damaged_json(data) == (values, rest)

    @pytest.mark.parametrize(
        "data", [b"", b" ", b"\0", b"<html>", b"x{}", b"7", b"{", b"[1", b'["a', b"[" * 100_000]
    )
    def test_no_values(self, data: bytes) -> None:
        """A text that does not begin with a whole object or list is refused."""
        with pytest.raises((ValueError, RecursionError)):
            read_damaged_json(data)

    @given(st.lists(raw_reports, max_size=3), st.sampled_from(["utf-8", "gbk", "utf-16"]))
    def test_sound_texts(self, reports: list[dict[str, object]], encoding: str) -> None:
        """A sound text means the same, but for surrogates and NaN."""
        data = json.dumps(reports).encode(encoding)
        [found], rest = read_damaged_json(data)
        assert rest == ""
        assert repr(found) == repr(without_surrogates(json.loads(json.dumps(reports))))

    @given(JSON.map(lambda value: json.dumps([value], ensure_ascii=False)), st.data())
    def test_cut_off_texts(self, text: str, data: st.DataObject) -> None:
        """A list that is cut off is never read in part."""
        with pytest.raises((ValueError, RecursionError)):
            read_damaged_json(text[: data.draw(st.integers(0, len(text) - 1))].encode(errors="replace"))

    @given(st.binary(max_size=60) | st.binary(max_size=40).map(lambda data: b'[{"a":"' + data + b'"}]'))
    def test_any_bytes(self, data: bytes) -> None:
        """Any bytes are values that can be encoded, or a ValueError."""
        try:
            values, rest = read_damaged_json(data)
        except ValueError:
            return
        assert values
        (json.dumps(values, ensure_ascii=False) + rest).encode()

    @pytest.mark.slow
    @pytest.mark.parametrize(
        "data",
        [
            b'["' + b'\\"' * LARGE,
            b'["\x01' + b"\\" * LARGE + b'"]',
            b'["\x01' + b"\\x" * LARGE + b'"]',
            b'["\x01' + b'","' * (LARGE // 8) + b'"]',
            b'["\x01' + b", " * LARGE + b'"]',
            b"[1" + b", " * LARGE + b"]",
            b'["\x01"' + b" " * LARGE + b"]x",
            b" " * LARGE,
            b"\0" * LARGE,
            b"{},[]" * (LARGE // 64),
            b"\xff" * LARGE,
        ],
        ids=lambda data: repr(data[:8]),
    )
    def test_hostile_texts(self, data: bytes) -> None:
        """The time grows with the length of the text, and not with its square."""
        spent = []
        for part in (data[: len(data) // 4], data):
            started = time.process_time()
            with suppress(ValueError):
                read_damaged_json(part)
            spent.append(time.process_time() - started)
        assert spent[1] < 0.5 + 12 * spent[0]


class TestWithoutSurrogates:
    """Texts that can be encoded."""

    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            ("a\ud800b", "a\ufffdb"),
            ({"\udc00": ["\udfff", 1, None, 1e400, 10**30]}, {"\ufffd": ["\ufffd", 1, None, 1e400, 10**30]}),
            ("\ud83d\ude00", "😀"),
        ],
    )
    def test_surrogates(self, value: object, expected: object) -> None:
        """A lone surrogate becomes U+FFFD, a pair becomes its character."""
        assert without_surrogates(value) == expected

    def test_other_values(self) -> None:
        """A value without surrogates is returned as it is."""
        value = {"a": ["成功"]}
        assert without_surrogates(value) is value
