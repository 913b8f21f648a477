"""How texts are stored in the tables."""

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.dialects import sqlite

from emay_voice_async.sql.tables import _Escaped, digest


@given(st.text(st.characters(exclude_categories=())))
def test_any_text_is_stored_in_ascii(value: str) -> None:
    """Any text is stored as ASCII without a NUL, and is read back unchanged."""
    kind, dialect = _Escaped(), sqlite.dialect()
    stored = kind.process_bind_param(value, dialect)
    assert stored is not None
    assert stored.isascii()
    assert "\0" not in stored
    assert kind.process_result_value(stored, dialect) == value


@given(st.text(st.characters(exclude_categories=())), st.text(st.characters(exclude_categories=())))
def test_names_have_digests_of_their_own(batch: str, other: str) -> None:
    """Different names, and names that are split differently, have different digests."""
    names = [(batch, other), (other, batch), (batch + other,), ("", batch + other), (batch, other, "")]
    assert len({digest(*name) for name in names}) == len(set(names))
    assert all(len(digest(*name)) == 32 for name in names)
