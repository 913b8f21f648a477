"""JSON texts to plain values, the same whatever reads them."""

import json
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from samples.strategies import JSON
from support.json_readers import choose_anew, stand_in

from emay_voice_async.wire import json_reader as documents
from emay_voice_async.wire.json_reader import Layout, read_json, read_rows

NEEDS_MSGSPEC = pytest.mark.skipif(find_spec("msgspec") is None, reason="msgspec is not installed")


def _written(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode(errors="surrogatepass")


def _outcome(read: Callable[[bytes], Any], data: bytes) -> str:
    """Tell what reading gives, so that 1, 1.0, True and -0.0 differ and NaN is itself."""
    try:
        value = read(data)
    except (ValueError, RecursionError) as error:
        return type(error).__name__
    return repr(value)


@pytest.fixture
def fresh_reader() -> Iterator[None]:
    """Have the reader chosen anew in this test, and after it."""
    choose_anew()
    yield
    choose_anew()


class TestReadJson:
    """The standard library's reader says what a text means."""

    @given(JSON, st.booleans())
    def test_any_value(self, value: object, ascii_only: bool) -> None:
        """Any value that JSON writers of Python write is read as Python reads it."""
        data = json.dumps(value).encode() if ascii_only else _written(value)
        assert _outcome(read_json, data) == _outcome(json.loads, data)

    @given(JSON.map(_written), st.integers(0, 200), st.binary(max_size=3))
    def test_any_damage(self, data: bytes, place: int, piece: bytes) -> None:
        """A text that is damaged anywhere is read as the standard library reads it, or not at all."""
        damaged = data[:place] + piece + data[place + 1 :]
        assert _outcome(read_json, damaged) == _outcome(json.loads, damaged)

    @given(st.floats(), st.sampled_from(["{!r}", "{:.17e}", "{:.20g}", "{:.3f}"]))
    def test_any_number(self, number: float, form: str) -> None:
        """A number is the same to the last bit, however it is written."""
        data = form.format(number).encode()
        assert _outcome(read_json, data) == _outcome(json.loads, data)

    @given(st.integers())
    @example(2**63)
    @example(2**64)
    @example(-(2**63) - 1)
    @example(20170392833833891100 * 10**10)
    def test_any_integer(self, number: int) -> None:
        """An id that comes as an integer of any length keeps all of its digits."""
        assert read_json(str(number).encode()) == number

    @pytest.mark.parametrize(
        "data",
        [
            *(b"", b" ", b"nul", b"NaN", b"[Infinity]", b"-Infinity", b"1e400", b"-0", b"-0.0", b"01", b"1."),
            *(b'{"a":1,"a":2}', b"{}x", b"{} ", b"[1,]", b"'a'", b'"a\x01b"', b'"\\x41"', b"\x00", b"1_0"),
            *(b'"\\ud800"', b'"\\udc00\\ud800"', b'"\\ud83d\\ude00"', b'"\xed\xa0\x80"', b'"\xff"'),
            *(b"\xef\xbb\xbf{}", '{"a":"成功"}'.encode("utf-16"), b"9" * 5000, b"1." + b"1" * 5000),
            *(b"[" * 900 + b"]" * 900, b"[" * 100_000, b'{"a":' * 100_000),
        ],
        ids=lambda data: repr(data[:16]),
    )
    def test_the_corners(self, data: bytes) -> None:
        """What readers of JSON differ in is as the standard library has it."""
        assert _outcome(read_json, data) == _outcome(json.loads, data)


LAYOUTS = [Layout(("a", "b", "c"), "b"), Layout(("a", "b"), "a", ("x", "y"))]


@pytest.mark.usefixtures("json_reader")
class TestReadRows:
    """Documents of many entries."""

    @given(
        st.sampled_from(LAYOUTS),
        st.lists(st.dictionaries(st.sampled_from("abcxyz"), st.just("1") | st.none() | JSON, max_size=4)),
        st.dictionaries(st.sampled_from(["code", "more"]), JSON | st.just("SUCCESS")),
    )
    @example(LAYOUTS[0], [{"b": "1"}, {"a": 1, "b": "2", "c": []}], {"code": "SUCCESS"})
    @example(LAYOUTS[1], [{"a": "1", "x": None}, {"a": "1", "b": 2}], {})
    @example(LAYOUTS[1], [{"a": "1", "x": ""}], {})
    @example(LAYOUTS[0], [], {"more": 1})
    @example(LAYOUTS[0], [{"b": 1}, {"b": "1", "d": {}}], {"more": [1]})
    def test_as_objects(
        self, layout: Layout, entries: list[dict[str, object]], rest: dict[str, object]
    ) -> None:
        """The values are those that the objects have, for just the entries that the layout fits."""
        data = _written({**rest, "data": entries})
        read: dict[str, Any] = read_json(data)
        fits = all(
            type(entry.get(layout.key)) in (str, int)
            and all(entry.get(name) is None for name in layout.foreign)
            for entry in read["data"]
        )
        try:
            documents._reader()(data)
        except ValueError:
            # Surrogates, say, or NaN: Python's reader takes them, and others do not.
            fits = False
        fits = fits and documents._reader() is not json.loads
        found = read_rows(data, layout)
        assert (found is not None) is fits
        if found is not None:
            assert repr(found.code) == repr(read.get("code"))
            expected = [tuple(map(one.get, layout.names)) for one in read["data"]]
            assert repr(list(found.rows)) == repr(expected)

    @pytest.mark.parametrize("data", [b"[]", b'[{"b":"1"},{"b":2,"c":3}]'])
    def test_a_bare_list(self, data: bytes) -> None:
        """A list without an object around it has no code, and its entries are read alike."""
        found = read_rows(data, LAYOUTS[0])
        assert (found is None) is (documents._reader() is json.loads)
        if found is not None:
            entries = json.loads(data)
            assert found.code is None
            assert list(found.rows) == [tuple(map(entry.get, LAYOUTS[0].names)) for entry in entries]

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"{}",
            b"[{}]",
            b'[{"b":true}]',
            b'{"data":{}}',
            b'{"data":null}',
            b'{"data":[null]}',
            b'{"data":[',
            b"x",
        ],
        ids=repr,
    )
    def test_anything_else(self, data: bytes) -> None:
        """What is no document of many entries is left to be read whole."""
        assert read_rows(data, LAYOUTS[0]) is None


@pytest.mark.usefixtures("fresh_reader")
class TestReader:
    """Which reader it is."""

    def test_without_msgspec(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The standard library's, where there is no other."""
        monkeypatch.setitem(sys.modules, "msgspec", None)
        assert documents._reader() is json.loads
        assert read_json(b'{"a": [1]}') == {"a": [1]}

    def test_with_msgspec(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """That of msgspec where it is installed; what it refuses is read by the standard library."""
        asked: list[bytes] = []

        def decode(data: bytes) -> object:
            asked.append(data)
            if data == b"NaN":
                raise ValueError
            return "read by msgspec"

        msgspec = stand_in()
        msgspec.json.decode = decode
        monkeypatch.setitem(sys.modules, "msgspec", msgspec)
        assert read_json(b"1") == "read by msgspec"
        assert repr(read_json(b"NaN")) == "nan"
        assert asked == [b"1", b"NaN"]

    @pytest.mark.parametrize("missing", ["defstruct", "structs"])
    def test_an_old_msgspec(self, monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
        """One that cannot read rows reads the rest, and nothing fails."""
        msgspec = stand_in()
        delattr(msgspec, missing)
        monkeypatch.setitem(sys.modules, "msgspec", msgspec)
        assert read_rows(b'{"data":[]}', LAYOUTS[0]) is None
        assert read_json(b'{"data":[]}') == {"data": []}

    @NEEDS_MSGSPEC
    def test_the_real_one(self) -> None:
        """Where the extra is installed, it is what reads."""
        assert documents._reader() is import_module("msgspec.json").decode
