"""Statements over many rows: parts, values and results."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emay_voice_async.journal.sqlite_rows import AT_ONCE, RowsStatement, as_bytes

ADD = RowsStatement(
    "number, word",
    "INSERT INTO words SELECT ?, number, CAST(word AS TEXT), ? FROM rows WHERE number IS NOT NULL",
)
FIND = RowsStatement(
    "number, word",
    "SELECT json_group_array(json_array(number, words.word, last)) FROM rows CROSS JOIN words USING (number)",
)


@contextmanager
def table(*, variables: int = 0) -> Iterator[sqlite3.Connection]:
    """Open a database with an empty table; ``variables``: the most values of a statement."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        db.text_factory = lambda stored: stored.decode("utf-8", "surrogatepass")
        if variables:
            db.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, variables)
        db.execute("CREATE TABLE words (first, number INTEGER, word TEXT, last)")
        yield db


@pytest.mark.parametrize("variables", [0, 999, 6])
@pytest.mark.parametrize("number", [0, 1, 2, 3, AT_ONCE - 1, AT_ONCE, AT_ONCE + 1, 2 * AT_ONCE + 77])
def test_every_row_once(number: int, variables: int) -> None:
    """Rows of any number are written and found in order, once each, also by an SQLite that takes few values."""
    rows = [(place, f"word {place}".encode()) for place in range(number)]
    with table(variables=variables) as db:
        ADD.write(db, iter(rows), "first", "last")
        written = db.execute("SELECT first, number, word, last FROM words").fetchall()
        assert written == [("first", place, word.decode(), "last") for place, word in rows]
        assert list(FIND.read(db, iter(rows))) == [[place, word.decode(), "last"] for place, word in rows]


@given(st.text(st.characters(exclude_categories=())))
def test_any_text(word: str) -> None:
    """A text comes back unchanged, with lone surrogates, zeros, quotes and control characters."""
    with table() as db:
        ADD.write(db, [(1, as_bytes(word))], None, None)
        assert list(FIND.read(db, [(1, None)])) == [[1, word, None]]


def test_writing_without_rows() -> None:
    """Writing no row is refused as writing a row is."""
    with table() as db:
        db.execute("PRAGMA query_only = ON")
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            ADD.write(db, [], None, None)


def test_few_texts() -> None:
    """Statements for all numbers of rows have few texts, so that SQLite compiles few."""
    texts = set[str]()
    with table() as db:
        db.set_trace_callback(lambda text: texts.add(text.replace("NULL", "?").partition("SELECT")[0]))
        for number in range(1, AT_ONCE + 1):
            ADD.write(db, [(None, None)] * number, None, None)
    assert len(texts) == AT_ONCE.bit_length()
