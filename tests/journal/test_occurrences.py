"""How often each number came before in one input, in little memory."""

import threading
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emay_voice_async.errors import JournalError
from emay_voice_async.journal.occurrences import OccurrenceCounter

MOBILES = st.integers(13_000_000_000, 13_000_000_009).map(str)
IDS = st.sampled_from(["", "a", "A", "a\0", "📞" * 64])


@given(st.lists(st.lists(st.tuples(MOBILES, IDS), max_size=8), max_size=8))
def test_it_counts_like_a_counter(pieces: list[list[tuple[str, str]]]) -> None:
    """Each pair is counted across all pieces and within a piece."""
    counter, model = OccurrenceCounter(), Counter[tuple[str, str]]()
    for piece in pieces:
        expected = []
        for pair in piece:
            expected.append(model[pair])
            model[pair] += 1
        assert counter.count(piece) == expected
    counter.close()


def test_more_than_a_statement_takes() -> None:
    """Pairs that came before, and pairs that come again, are found in every part of a long list."""
    pairs = [(str(13_000_000_000 + number), "ab"[number % 2]) for number in range(600)]
    counter = OccurrenceCounter()
    assert counter.count(pairs[::2]) == [0] * 300
    assert counter.count(pairs + pairs[::-1]) == [1, 0] * 300 + [1, 2] * 300
    assert counter.count(pairs) == [3, 2] * 300
    counter.close()


@pytest.mark.slow
def test_many_numbers_in_little_memory() -> None:
    """Beyond two megabytes the numbers are not kept in memory, and are still found."""
    counter = OccurrenceCounter()
    for start in range(0, 200_000, 5000):
        pairs = [(f"138{number * 7919 % 10**8:08}", "") for number in range(start, start + 5000)]
        assert counter.count(pairs) == [0] * 5000
    assert counter.count([("13800000000", ""), (f"138{199_999 * 7919 % 10**8:08}", "")]) == [1, 1]
    [[pages]] = counter._db.execute("PRAGMA page_count")
    [[size]] = counter._db.execute("PRAGMA page_size")
    [[cached]] = counter._db.execute("PRAGMA cache_size")
    held = -cached * 1024 if cached < 0 else cached * size
    assert pages * size > held
    assert held <= 2_100_000
    counter.close()


def test_closing_waits_for_a_counting() -> None:
    """Closing waits for a count that another thread is doing."""
    counter, begun, results = OccurrenceCounter(), threading.Event(), []

    def pairs() -> object:
        begun.set()
        yield from ((str(13_000_000_000 + number), "") for number in range(20_000))

    counting = threading.Thread(target=lambda: results.append(counter.count(pairs())))  # type: ignore[arg-type]
    counting.start()
    begun.wait()
    counter.close()
    counting.join()
    assert results == [[0] * 20_000]


def test_no_room_for_a_temporary_file() -> None:
    """A full temporary file raises a JournalError that says so and shows no number."""
    counter = OccurrenceCounter()
    counter._db.execute("PRAGMA max_page_count = 2")
    with pytest.raises(JournalError, match="disk is full") as caught:
        counter.count([(f"138{number:08}", "") for number in range(5000)])
    assert "13800" not in str(caught.value)
    counter.close()
