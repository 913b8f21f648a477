"""Raw values of unreadable fields: an immutable mapping whose repr shows names only."""

import copy
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples.strategies import JSON

from emay_voice_async.model.raw_fields import NO_FIELDS, RawFields

raw = st.dictionaries(st.text(max_size=5), JSON, max_size=3)


class TestRawFields:
    """A mapping from names of the wire to raw values."""

    @given(raw)
    def test_a_mapping(self, values: dict[str, object]) -> None:
        """The items are those of the dict; copies and pickles are equal and hash alike, also with a NaN."""
        fields = RawFields(values)
        assert (dict(fields), len(fields)) == (values, len(values))
        for other in (
            RawFields(values),
            copy.copy(fields),
            copy.deepcopy(fields),
            pickle.loads(pickle.dumps(fields)),  # noqa: S301 - made here
        ):
            assert (other, hash(other)) == (fields, hash(fields))
        assert fields == values
        assert values == fields

    @given(raw)
    def test_repr(self, values: dict[str, object]) -> None:
        """A repr shows the names."""
        assert repr(RawFields(values)) == f"RawFields(<{', '.join(values)}>)"

    def test_equality(self) -> None:
        """Other values and other kinds of objects are not equal."""
        assert RawFields({"a": 1}) != RawFields({"a": 2})
        assert RawFields({"a": 1}) != [("a", 1)]
        assert not NO_FIELDS

    def test_no_change(self) -> None:
        """A mapping has its own copy of the items, and no method that changes them."""
        values: dict[str, object] = {"a": 1}
        fields = RawFields(values)
        values["b"] = 2
        assert list(fields) == ["a"]
        with pytest.raises(TypeError):
            fields["a"] = 2  # type: ignore[index]
