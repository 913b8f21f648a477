"""Recipients to batches: reading, checks, and batches."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.virtual_time import now, run

from emay_voice_async.errors import DuplicateError, InvalidRequestError, JournalError, NotSentError
from emay_voice_async.journal.null_journal import NullRun
from emay_voice_async.journal.session import Sorter
from emay_voice_async.model.recipients import Recipient
from emay_voice_async.model.results import NotSent
from emay_voice_async.sending.batches import Batcher, Piece, PreparedBatch, RecipientReader


def mobiles(number: int, first: int = 0) -> list[str]:
    """Make so many numbers, all different."""
    return [f"138{first + one:08}" for one in range(number)]


async def stream_of(items: Any) -> AsyncIterator[Any]:
    """Yield the items, a turn of the loop before each."""
    for item in items:
        await asyncio.sleep(0)
        yield item


def pieces(reader: RecipientReader) -> list[Piece]:
    """Read the whole input, in virtual time."""

    async def main() -> list[Piece]:
        found = []
        while (piece := await reader.read()) is not None:
            found.append(piece)
        assert await reader.read() is None
        return found

    return run(main())


def read(reader: RecipientReader) -> list[str]:
    """List the numbers of all recipients that are read."""
    return [one.mobile for piece in pieces(reader) for one in piece.recipients]


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


async def _broken(_: object) -> Any:
    raise JournalError("broken")


ENTRY = st.one_of(
    st.integers(0, 6).map(lambda number: f"138{number:08}"),
    st.just("bad"),
    st.builds(
        Recipient, st.integers(0, 3).map(lambda number: f"139{number:08}"), st.sampled_from([None, "a", "b"])
    ),
)


class TestBatcher:
    """Batches, and the outcomes of the other entries."""

    @given(
        to=st.lists(ENTRY, max_size=30),
        size=st.integers(1, 4),
        most=st.one_of(st.none(), st.integers(1, 12)),
        repeats=st.sampled_from([None, False, True]),
    )
    def test_each_entry_once(self, to: list[Any], size: int, most: int | None, repeats: bool | None) -> None:
        """Each entry is in exactly one batch or outcome, and at most ``max_calls`` entries are in batches."""

        async def main() -> None:
            sorter = None
            if repeats is not None:
                sorter = Sorter(NullRun().look, allow_duplicates=repeats, resend_unknown=False)
            cuts = await cuts_of(Batcher(RecipientReader(iter(to), size), size, sorter, most))
            if sorter is not None:
                sorter.close()
            batches = [cut for cut in cuts if cut.known is None]
            known = [cut.known for cut in cuts if cut.known is not None]
            everybody = [one for cut in (*batches, *known) for one in cut.recipients]
            given_ = [one if isinstance(one, str) else one.mobile for one in to]
            assert Counter(one.mobile for one in everybody) == Counter(given_)
            assert [cut.index for cut in cuts] == list(range(len(cuts)))
            assert [one.index for one in known] == [cut.index for cut in cuts if cut.known is not None]
            # All batches but the last are full.
            assert {len(cut.recipients) for cut in batches[:-1]} <= {size}
            called = [one for cut in batches for one in cut.recipients]
            left_out = [
                one
                for outcome in known
                if isinstance(outcome, NotSent)
                if isinstance(outcome.error, NotSentError)
                for one in outcome.recipients
            ]
            assert len(called) <= (most or len(to))
            assert not left_out or len(called) == most
            assert all(one.custom_id for one in called)
            if repeats is None:
                assert all(cut.keys == () for cut in cuts)
            else:
                assert all(len(cut.keys) == len(cut.recipients) for cut in batches)
                keys = [key for cut in batches for key in cut.keys]
                assert len(set(keys)) == len(keys)
            if repeats is False:
                assert len({one.mobile for one in called}) == len(called)

        run(main())

    @pytest.mark.parametrize("most", [1, 2, 3, 4, 5, 6, 7, 10**30])
    def test_max_calls_at_its_boundaries(self, most: int) -> None:
        """The batch at the bound is cut short; the entries after the bound come out in batches as well."""

        async def main() -> None:
            cuts = await cuts_of(Batcher(RecipientReader(iter(mobiles(6)), 2), 2, None, most))
            sizes = [len(cut.recipients) for cut in cuts if cut.known is None]
            assert sizes == [2] * (min(most, 6) // 2) + [1] * (min(most, 6) % 2)
            rest = [cut.known for cut in cuts if cut.known is not None]
            assert [one.mobile for outcome in rest for one in outcome.recipients] == mobiles(6)[
                min(most, 6) :
            ]
            assert all("max_calls" in str(outcome.error) for outcome in rest if isinstance(outcome, NotSent))

        run(main())

    def test_ids_that_are_made(self) -> None:
        """Recipients without an id get a unique id of at most 64 characters; given ids are kept."""

        async def main() -> None:
            to: list[Any] = [*mobiles(700), Recipient("13900000000", "m" * 64)]
            cuts = await cuts_of(Batcher(RecipientReader(to, 500), 500, None, None))
            ids = [one.custom_id or "" for cut in cuts for one in cut.recipients]
            assert len(set(ids)) == 701
            assert max(map(len, ids)) == 64
            assert ids[-1] == "m" * 64

        run(main())

    def test_a_journal_that_cannot_be_looked_into(self) -> None:
        """Gathered batches come out, then the entries that could not be looked up, and the error at the end."""

        async def look(keys: Any) -> Any:
            return await (NullRun().look(keys) if keys[0].mobile == mobiles(1)[0] else _broken(keys))

        async def main() -> None:
            sorter = Sorter(look, allow_duplicates=False, resend_unknown=False)
            source = Batcher(
                RecipientReader(iter([mobiles(1)[0], "bad", *mobiles(8, 1)]), 3), 3, sorter, None
            )
            found: list[str] = []
            with pytest.raises(JournalError, match="broken"):
                while (cut := await source.read()) is not None:
                    found += [
                        one.mobile for one in (cut.recipients or (cut.known and cut.known.recipients) or ())
                    ]
            assert found == ["bad", *mobiles(3), *mobiles(3, 3)]
            with pytest.raises(JournalError):
                await source.read()
            sorter.close()

        run(main())

    def test_only_duplicates(self) -> None:
        """A source of the same number for ever is read piece by piece, and each piece comes out."""

        async def main() -> None:
            sorter = Sorter(NullRun().look, allow_duplicates=False, resend_unknown=False)
            source = Batcher(RecipientReader(iter(lambda: "13800000000", None), 100), 100, sorter, None)
            for index in range(50):
                cut = await source.read()
                assert cut is not None
                assert isinstance(cut.known, NotSent)
                assert isinstance(cut.known.error, DuplicateError)
                assert cut.index == cut.known.index == index
                assert len(cut.known.recipients) == (100 if index else 99)
                assert len(source._entries) == 1
            sorter.close()

        run(main())
