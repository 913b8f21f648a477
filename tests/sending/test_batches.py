"""Recipients to batches: reading, checks, and batches."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.send_scenarios import mobiles
from support.virtual_time import run

from emay_voice_async.errors import DuplicateError, JournalError, NotSentError
from emay_voice_async.journal.null_journal import NullRun
from emay_voice_async.journal.session import Sorter
from emay_voice_async.model.messages import Notice
from emay_voice_async.model.recipients import Recipient
from emay_voice_async.model.results import NotSent
from emay_voice_async.sending.batches import Batcher, PreparedBatch
from emay_voice_async.sending.gathering import MessageGatherer, gatherer
from emay_voice_async.sending.reading import RecipientReader


async def cuts_of(source: Batcher) -> list[PreparedBatch]:
    """Read every batch and outcome."""
    found = []
    while (cut := await source.read()) is not None:
        found.append(cut)
    return found


async def _broken(_: object) -> Any:
    raise JournalError("broken")


MESSAGE = Notice("您的快递已到")
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
            cuts = await cuts_of(
                Batcher(RecipientReader(iter(to), size), gatherer(MESSAGE, size, most), sorter)
            )
            if sorter is not None:
                sorter.close()
            batches = [cut for cut in cuts if cut.known is None]
            known = [cut.known for cut in cuts if cut.known is not None]
            everybody = [one for cut in batches for one in cut.calls.recipients()]
            everybody += [one for outcome in known for one in outcome.recipients]
            given_ = [one if isinstance(one, str) else one.mobile for one in to]
            assert Counter(one.mobile for one in everybody) == Counter(given_)
            assert [cut.index for cut in cuts] == list(range(len(cuts)))
            assert [one.index for one in known] == [cut.index for cut in cuts if cut.known is not None]
            # All batches but the last are full.
            assert {len(cut.calls.recipients()) for cut in batches[:-1]} <= {size}
            called = [one for cut in batches for one in cut.calls.recipients()]
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
                assert all(len(cut.keys) == len(cut.calls.recipients()) for cut in batches)
                keys = [key for cut in batches for key in cut.keys]
                assert len(set(keys)) == len(keys)
            if repeats is False:
                assert len({one.mobile for one in called}) == len(called)

        run(main())

    @pytest.mark.parametrize("most", [1, 2, 3, 4, 5, 6, 7, 10**30])
    def test_max_calls_at_its_boundaries(self, most: int) -> None:
        """The batch at the bound is cut short; the entries after the bound come out in batches as well."""

        async def main() -> None:
            cuts = await cuts_of(
                Batcher(RecipientReader(iter(mobiles(6)), 2), gatherer(MESSAGE, 2, most), None)
            )
            sizes = [len(cut.calls.recipients()) for cut in cuts if cut.known is None]
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
            cuts = await cuts_of(Batcher(RecipientReader(to, 500), gatherer(MESSAGE, 500, None), None))
            ids = [one.custom_id or "" for cut in cuts for one in cut.calls.recipients()]
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
                RecipientReader(iter([mobiles(1)[0], "bad", *mobiles(8, 1)]), 3),
                gatherer(MESSAGE, 3, None),
                sorter,
            )
            found: list[str] = []
            with pytest.raises(JournalError, match="broken"):
                while (cut := await source.read()) is not None:
                    found += [
                        one.mobile
                        for one in (cut.calls.recipients() or (cut.known and cut.known.recipients) or ())
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
            gathering = MessageGatherer(MESSAGE, 100, None)
            source = Batcher(RecipientReader(iter(lambda: "13800000000", None), 100), gathering, sorter)
            for index in range(50):
                cut = await source.read()
                assert cut is not None
                assert isinstance(cut.known, NotSent)
                assert isinstance(cut.known.error, DuplicateError)
                assert cut.index == cut.known.index == index
                assert len(cut.known.recipients) == (100 if index else 99)
            sorter.close()
            last = gathering.take(ended=True)
            assert last is not None
            assert last.entries == [Recipient("13800000000")]

        run(main())
