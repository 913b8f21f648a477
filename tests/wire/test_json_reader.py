"""JSON texts to plain values: equal values from each reader."""

import json
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from samples.strategies import JSON
from support.json_readers import choose_anew, stand_in

from emay_voice_async.wire import json_reader as documents
from emay_voice_async.wire.damaged_json import without_surrogates
from emay_voice_async.wire.json_reader import Layout, read_json, read_rows

NEEDS_MSGSPEC = pytest.mark.skipif(find_spec("msgspec") is None, reason="msgspec is not installed")


def _written(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode(errors="surrogatepass")


def _plain(data: bytes) -> Any:
    """Read by the standard library, and replace lone surrogates."""
    return without_surrogates(json.loads(data))


def _outcome(read: Callable[[bytes], Any], data: bytes) -> str:
    """Return the repr of the value, in which 1, 1.0, True and -0.0 differ and NaN is NaN, or the error."""
    try:
        value = read(data)
    except (ValueError, RecursionError) as error:
        return type(error).__name__
    return repr(value)


@pytest.fixture
def fresh_reader() -> Iterator[None]:
    """Choose the reader again in this test, and after the test."""
    choose_anew()
    yield
    choose_anew()


class TestReadJson:
    """A text means what the standard library reads."""

    @given(JSON, st.booleans())
    def test_any_value(self, value: object, ascii_only: bool) -> None:
        """A value that Python writes is read as Python reads the text."""
        data = json.dumps(value).encode() if ascii_only else _written(value)
        assert _outcome(read_json, data) == _outcome(_plain, data)

    @given(JSON.map(_written), st.integers(0, 200), st.binary(max_size=3))
    def test_any_damage(self, data: bytes, place: int, piece: bytes) -> None:
        """A damaged text is read as the standard library reads the text, or refused."""
        damaged = data[:place] + piece + data[place + 1 :]
        assert _outcome(read_json, damaged) == _outcome(_plain, damaged)

    @given(st.floats(), st.sampled_from(["{!r}", "{:.17e}", "{:.20g}", "{:.3f}"]))
    def test_any_number(self, number: float, form: str) -> None:
        """A number is exact to the last bit in each way of writing."""
        data = form.format(number).encode()
        assert _outcome(read_json, data) == _outcome(_plain, data)

    @given(st.integers())
    @example(2**63)
    @example(2**64)
    @example(-(2**63) - 1)
    @example(20170392833833891100 * 10**10)
    def test_any_integer(self, number: int) -> None:
        """An id that comes as an integer of any length keeps all digits."""
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
        """Texts that readers of JSON differ in are read as the standard library reads them."""
        assert _outcome(read_json, data) == _outcome(_plain, data)


LAYOUTS = [Layout(("a", "b", "c"), "b"), Layout(("a", "b"), "a", ("x", "y"))]


@pytest.mark.usefixtures("json_reader")
class TestReadRows:
    """Documents of many entries."""

    @pytest.mark.slow
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
        """The rows have the values of the objects if all entries fit the layout; else None."""
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
        fits = fits and documents._reader() is not documents._read_with_json
        found = read_rows(data, layout)
        assert (found is not None) is fits
        if found is not None:
            assert repr(found.code) == repr(read.get("code"))
            expected = [tuple(map(one.get, layout.names)) for one in read["data"]]
            assert repr(list(found.rows)) == repr(expected)

    @pytest.mark.parametrize("name", ["x", "\\u0078"])
    def test_a_foreign_field(self, name: str) -> None:
        """A field that must be absent is found in each way of writing its name."""
        data = f'[{{"a":"1","{name}":"2"}}]'.encode()
        assert read_json(data) == [{"a": "1", "x": "2"}]
        assert read_rows(data, LAYOUTS[1]) is None

    @pytest.mark.parametrize(("marks", "fits"), [((), True), ((b"b", b"a"), True), ((b"a", b"x"), False)])
    def test_marks(self, marks: tuple[bytes, ...], fits: bool) -> None:
        """A document without one of the marks does not fit."""
        fits = fits and documents._reader() is not documents._read_with_json
        found = read_rows(b'[{"a":"1"},{"b":"2"}]', Layout(("a", "b"), marks=marks))
        assert (None if found is None else list(found.rows)) == ([("1", None), (None, "2")] if fits else None)

    @pytest.mark.parametrize("data", [b"[]", b'[{"b":"1"},{"b":2,"c":3}]'])
    def test_a_bare_list(self, data: bytes) -> None:
        """A list without an object around it has no code, and its entries are read alike."""
        found = read_rows(data, LAYOUTS[0])
        assert (found is None) is (documents._reader() is documents._read_with_json)
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
        """A text of another shape is None."""
        assert read_rows(data, LAYOUTS[0]) is None


@pytest.mark.usefixtures("fresh_reader")
class TestReader:
    """The choice of the reader."""

    def test_without_msgspec(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without msgspec, the standard library reads."""
        monkeypatch.setitem(sys.modules, "msgspec", None)
        assert documents._reader() is documents._read_with_json
        assert read_json(b'{"a": [1]}') == {"a": [1]}

    def test_with_msgspec(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """With msgspec, msgspec reads; the standard library reads the texts that msgspec refuses."""
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
        """A version that cannot read rows reads whole texts."""
        msgspec = stand_in()
        delattr(msgspec, missing)
        monkeypatch.setitem(sys.modules, "msgspec", msgspec)
        assert read_rows(b'{"data":[]}', LAYOUTS[0]) is None
        assert read_json(b'{"data":[]}') == {"data": []}

    @pytest.mark.parametrize("error", [type("MsgspecError", (Exception,), {}), SystemError, RuntimeError])
    def test_any_error_of_msgspec(self, monkeypatch: pytest.MonkeyPatch, error: type[Exception]) -> None:
        """An error of msgspec, which is a ValueError in some versions only, never comes out."""

        def refuse(_: bytes) -> object:
            raise error("refused")

        msgspec = stand_in()
        msgspec.json.decode = refuse
        msgspec.json.Decoder = lambda _: SimpleNamespace(decode=refuse)
        monkeypatch.setitem(sys.modules, "msgspec", msgspec)
        assert read_rows(b'{"data":[]}', LAYOUTS[0]) is None
        assert read_json(b'{"data":[]}') == {"data": []}
        with pytest.raises(ValueError, match="Expecting value"):
            read_json(b"<html>")

    def test_a_msgspec_that_cannot_be_imported(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A msgspec that fails when it is imported counts as not installed."""

        def fail(_: str) -> ModuleType:
            raise SystemError("built for another Python")

        monkeypatch.setattr(documents, "import_module", fail)
        assert documents._reader() is documents._read_with_json
        assert read_rows(b'{"data":[]}', LAYOUTS[0]) is None

    @NEEDS_MSGSPEC
    def test_the_real_one(self) -> None:
        """The installed msgspec is the reader."""
        assert documents._reader() is import_module("msgspec.json").decode
