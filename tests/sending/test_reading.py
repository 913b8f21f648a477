"""The input of a send: reading and checks."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.send_scenarios import mobiles, pieces, read, stream_of
from support.virtual_time import now, run

from emay_voice_async.errors import InvalidRequestError, NotSentError
from emay_voice_async.model.recipients import Recipient
from emay_voice_async.sending.batches import Batcher, PreparedBatch
from emay_voice_async.sending.reading import RecipientReader


async def cuts_of(source: Batcher) -> list[PreparedBatch]:
    """Read every batch and outcome."""
    found = []
    while (cut := await source.read()) is not None:
        found.append(cut)
    return found


class TestRecipientReader:
    """Entries in their order, checked, in pieces."""

    @pytest.mark.parametrize(
        ("to", "length"),
        [
            ("13800000000", 1),
            (Recipient("13800000000"), 1),
            (["13800000000"], 1),
            ({"13800000000"}, 1),
            ({"13800000000": "somebody"}.keys(), 1),
            (frozenset({"13800000000"}), 1),
            (iter(["13800000000"]), None),
            ((one for one in ["13800000000"]), None),
            (stream_of(["13800000000"]), None),
        ],
        ids=lambda value: type(value).__name__,
    )
    def test_every_kind_of_input(self, to: Any, length: int | None) -> None:
        """A number, a collection, an iterator or a stream is read; a collection has a length."""
        reader = RecipientReader(to, 500)
        assert reader.length == length
        assert read(reader) == ["13800000000"]

    @pytest.mark.parametrize("place", [None, 0, 700, 5_400])
    @pytest.mark.parametrize("made", [list, iter, stream_of])
    def test_all_numbers(self, place: int | None, made: Any) -> None:
        """Of a checked list alone it is known that all entries are plain numbers, when the first piece is read."""
        entries: list[str | Recipient] = [*mobiles(5_500)]
        if place is not None:
            entries[place] = Recipient(mobiles(1)[0])
        reader = RecipientReader(made(entries), 500)
        pieces(reader)
        assert reader.all_numbers is (place is None and made is list)
        assert RecipientReader(entries, 500, tolerant=True).all_numbers is False

    @pytest.mark.parametrize("to", [None, 13800000000, b"13800000000", bytearray(b"1"), object()])
    def test_other_inputs(self, to: Any) -> None:
        """An input of another type is refused at once, with the type in the message, tolerant or not."""
        for tolerant in (False, True):
            with pytest.raises(InvalidRequestError, match=type(to).__name__):
                RecipientReader(to, 500, tolerant=tolerant)

    @given(st.integers(0, 25), st.integers(1, 9), st.sampled_from([list, iter, stream_of]))
    def test_pieces(self, number: int, size: int, source: Any) -> None:
        """Full pieces come first, then the rest; each entry has a position."""
        found = pieces(RecipientReader(source(mobiles(number)), size))
        assert [len(piece.recipients) for piece in found] == [size] * (number // size) + (
            [number % size] if number % size else []
        )
        assert [one.mobile for piece in found for one in piece.recipients] == mobiles(number)
        assert [position for piece in found for position in piece.positions] == list(range(number))

    def test_a_bad_entry_of_a_list(self) -> None:
        """A list is checked at once; read tolerantly, each invalid entry becomes a piece."""
        to: list[Any] = [*mobiles(3), "12", Recipient("13911111111", "a"), Recipient("13911111112", "a")]
        with pytest.raises(InvalidRequestError) as caught:
            RecipientReader(to, 2)
        assert (caught.value.field, caught.value.position) == ("mobile", 3)
        found = pieces(RecipientReader(to, 2, tolerant=True))
        bad = [(piece.error.field, piece.positions) for piece in found if piece.error is not None]
        assert bad == [("mobile", [3]), ("custom_id", [5])]
        assert [len(piece.recipients) for piece in found if piece.error is None] == [2, 2]

    def test_ids_of_a_stream_are_compared_within_a_piece(self) -> None:
        """Comparing them all would take memory without bound; a list is compared whole."""
        to = [Recipient(mobile, custom_id) for mobile, custom_id in zip(mobiles(4), "abab", strict=True)]
        assert [piece.error for piece in pieces(RecipientReader(iter(to), 2))] == [None, None]
        assert [piece.error is None for piece in pieces(RecipientReader(iter(to), 4))] == [False, False, True]
        with pytest.raises(InvalidRequestError, match="must not be repeated"):
            RecipientReader(to, 2)
        assert sum(piece.error is not None for piece in pieces(RecipientReader(to, 2, tolerant=True))) == 2

    def test_allow_only(self) -> None:
        """Other numbers are refused, and the message shows no number."""
        allowed = frozenset(mobiles(2))
        with pytest.raises(InvalidRequestError, match="must be one of allow_only") as caught:
            RecipientReader(mobiles(3), 500, allow_only=allowed)
        assert caught.value.position == 2
        assert "138" not in str(caught.value)
        bad, good = pieces(RecipientReader(iter(mobiles(3)), 500, allow_only=allowed))
        assert bad.positions == [2]
        assert [one.mobile for one in good.recipients] == mobiles(2)
        assert read(RecipientReader(iter(mobiles(1)), 500, allow_only=frozenset())) == mobiles(1)

    def test_a_list_that_changes(self) -> None:
        """A list that changes after the check is read as checked."""
        to = mobiles(3)
        reader = RecipientReader(to, 2)
        to[1] = "bad"
        assert read(reader) == mobiles(3)

    @pytest.mark.parametrize("source", [iter, stream_of])
    @pytest.mark.parametrize("good", [0, 1, 2, 3])
    def test_an_input_that_fails(self, source: Any, good: int) -> None:
        """The entries before an error come out first, then the error, unchanged, at every later read as well."""

        def rows() -> Iterator[str]:
            yield from mobiles(good)
            raise OSError("the file is gone")

        async def stream() -> AsyncIterator[str]:
            for mobile in rows():
                yield mobile

        async def main() -> None:
            reader = RecipientReader(rows() if source is iter else stream(), 2)
            found: list[str] = []
            with pytest.raises(OSError, match="the file is gone"):
                while (piece := await reader.read()) is not None:
                    found += [one.mobile for one in piece.recipients]
            assert found == mobiles(good)

        run(main())

    @pytest.mark.parametrize("good", [0, 1])
    def test_an_input_that_is_cancelled_from_within(self, good: int) -> None:
        """A cancelled task inside the input is a failure of the input, not a cancellation of the reader."""

        async def stream() -> AsyncIterator[str]:
            for mobile in mobiles(good):
                yield mobile
            task = asyncio.ensure_future(asyncio.sleep(10))
            task.cancel()
            await task

        async def main() -> None:
            reader = RecipientReader(stream(), 5)
            if good:
                piece = await reader.read()
                assert piece is not None
                assert len(piece.recipients) == good
            with pytest.raises(NotSentError, match="cancelled from within") as caught:
                await reader.read()
            assert isinstance(caught.value.__cause__, asyncio.CancelledError)

        run(main())

    def test_a_reader_that_is_cancelled(self) -> None:
        """A cancellation of the reading task is raised."""

        async def silent() -> AsyncIterator[str]:
            await asyncio.Event().wait()
            yield ""

        async def main() -> None:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1):
                    await RecipientReader(silent(), 5).read()
            task = asyncio.ensure_future(RecipientReader(silent(), 5).read())
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        run(main())

    @pytest.mark.parametrize("good", [0, 1])
    def test_a_stream_that_keeps_silent(self, good: int) -> None:
        """The deadline ends a stream, after the entries that were read in time."""

        async def stream() -> AsyncIterator[str]:
            for mobile in mobiles(good):
                yield mobile
            await asyncio.Event().wait()

        async def main() -> None:
            reader = RecipientReader(stream(), 5, deadline=now() + 7)
            if good:
                piece = await reader.read()
                assert piece is not None
                assert len(piece.recipients) == good
            with pytest.raises(NotSentError, match="before all recipients were read"):
                await reader.read()
            assert now() == 1007

        run(main())

    def test_a_timeout_of_the_streams_own(self) -> None:
        """A stream that times out by itself is not out of the send's time."""

        async def stream() -> AsyncIterator[str]:
            raise TimeoutError("mine")
            yield ""

        async def main() -> None:
            with pytest.raises(TimeoutError, match="mine"):
                await RecipientReader(stream(), 5, deadline=now() + 7).read()

        run(main())

    @pytest.mark.parametrize("place", [0, 4999, 5000, 9999, 12_344])
    def test_a_long_list(self, place: int) -> None:
        """A long list is checked whole before the first piece, with duplicate ids over the whole list."""
        for bad, last in (("12", place), (Recipient("13900000000", "again"), 12_345)):
            to: list[Any] = [*mobiles(12_345), Recipient("13900000001", "again")]
            to[place] = bad

            async def main(to: list[Any] = to) -> None:
                await RecipientReader(to, 500).read()

            with pytest.raises(InvalidRequestError) as caught:
                run(main())
            assert caught.value.position == last
