"""How often each number came before, in little memory."""

import threading
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emay_voice_async.errors import JournalError
from emay_voice_async.journal.occurrences import Seen

MOBILES = st.integers(13_000_000_000, 13_000_000_009).map(str)
IDS = st.sampled_from(["", "a", "A", "a\0", "📞" * 64])


@given(st.lists(st.lists(st.tuples(MOBILES, IDS), max_size=8), max_size=8))
def test_it_counts_like_a_counter(pieces: list[list[tuple[str, str]]]) -> None:
    """Each pair is told how often it came before, within its piece and in all pieces before."""
    seen, model = Seen(), Counter[tuple[str, str]]()
    for piece in pieces:
        expected = []
        for pair in piece:
            expected.append(model[pair])
            model[pair] += 1
        assert seen.count(piece) == expected
    seen.close()


def test_many_numbers_in_little_memory() -> None:
    """What is beyond two megabytes is not held in memory, and is found again all the same."""
    seen = Seen()
    for start in range(0, 200_000, 5000):
        pairs = [(f"138{number * 7919 % 10**8:08}", "") for number in range(start, start + 5000)]
        assert seen.count(pairs) == [0] * 5000
    assert seen.count([("13800000000", ""), (f"138{199_999 * 7919 % 10**8:08}", "")]) == [1, 1]
    [[pages]] = seen._db.execute("PRAGMA page_count")
    [[size]] = seen._db.execute("PRAGMA page_size")
    [[cached]] = seen._db.execute("PRAGMA cache_size")
    held = -cached * 1024 if cached < 0 else cached * size
    assert pages * size > held
    assert held <= 2_100_000
    seen.close()


def test_closing_waits_for_a_counting() -> None:
    """A counting in another thread is not broken off by the closing."""
    seen, begun, results = Seen(), threading.Event(), []

    def pairs() -> object:
        begun.set()
        yield from ((str(13_000_000_000 + number), "") for number in range(20_000))

    counting = threading.Thread(target=lambda: results.append(seen.count(pairs())))  # type: ignore[arg-type]
    counting.start()
    begun.wait()
    seen.close()
    counting.join()
    assert results == [[0] * 20_000]


def test_no_room_for_a_temporary_file() -> None:
    """When the numbers cannot be kept, that is an error of ours which says so, and no number is shown."""
    seen = Seen()
    seen._db.execute("PRAGMA max_page_count = 2")
    with pytest.raises(JournalError, match="disk is full") as caught:
        seen.count([(f"138{number:08}", "") for number in range(5000)])
    assert "13800" not in str(caught.value)
    seen.close()
