"""Duplicate numbers of an input: in memory, and beyond a bound in a temporary file."""

from hypothesis import given
from hypothesis import strategies as st
from support.virtual_time import run

from emay_voice_async.sending.duplicates import SeenNumbers

NUMBERS = st.integers(0, 12).map(lambda number: f"138{number:08}")


class TestSeenNumbers:
    """``SeenNumbers`` against a plain set."""

    @given(st.lists(st.lists(NUMBERS, max_size=8), max_size=6), st.integers(0, 10))
    def test_it_agrees_with_a_set(self, parts: list[list[str]], in_memory: int) -> None:
        """Exactly the numbers that came before are found, for any bound of the memory."""

        async def main() -> None:
            seen, known = SeenNumbers(remember=True, in_memory=in_memory), set[str]()
            try:
                for part in parts:
                    expected = set()
                    for place, mobile in enumerate(part):
                        if mobile in known:
                            expected.add(place)
                        known.add(mobile)
                    assert await seen.duplicates(part) == expected
            finally:
                seen.close()

        run(main())

    @given(st.lists(NUMBERS, max_size=20))
    def test_a_single_part(self, part: list[str]) -> None:
        """A single part needs no memory beyond the call."""
        seen = SeenNumbers(remember=False)
        found = run(seen.duplicates(part))
        assert found == {place for place, mobile in enumerate(part) if mobile in part[:place]}
        seen.close()
