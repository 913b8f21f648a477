"""The calls of a batch."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples.strategies import mobiles, people

from emay_voice_async.model.batch_calls import batch_calls
from emay_voice_async.model.recipients import Recipient, check_recipient
from emay_voice_async.model.results import Ticket

MOBILE = "13800000000"


class TestBatchCalls:
    """``batch_calls``."""

    @given(
        st.lists(mobiles.map(Recipient) | people, max_size=8),
        st.text("0123456789abcdef", min_size=20, max_size=20),
    )
    def test_everyone_has_an_id(self, batch: list[Recipient], token: str) -> None:
        """Given ids are kept, made ids are unique, and each id can be sent."""
        result = batch_calls(batch, token).recipients()
        assert [one.mobile for one in result] == [one.mobile for one in batch]
        made = []
        for place, (before, after) in enumerate(zip(batch, result, strict=True)):
            check_recipient(after, place)
            if before.custom_id is None:
                made.append(after.custom_id)
            else:
                assert after is before
        assert len(set(made)) == len(made)
        given_ids = {one.custom_id for one in batch if one.custom_id is not None}
        assert not given_ids & set(made)

    def test_fields_stay(self) -> None:
        """A recipient that gets an id keeps the fields."""
        [one] = batch_calls([Recipient(MOBILE, fields={"name": "Li"})], "t").recipients()
        assert one == Recipient(MOBILE, "t-0", {"name": "Li"})

    @given(st.lists(mobiles, max_size=8), st.integers(0, 8))
    def test_plain_numbers(self, numbers: list[str], place: int) -> None:
        """Plain numbers get the ids that they get as recipients, by themselves or among recipients."""
        expected = batch_calls(list(map(Recipient, numbers)), "t").recipients()
        assert batch_calls(numbers, "t").recipients() == expected
        assert batch_calls(numbers, "t", all_numbers=True).recipients() == expected
        assert batch_calls([*numbers[:place], *map(Recipient, numbers[place:])], "t").recipients() == expected

    @pytest.mark.parametrize("make", [str, Recipient], ids=["numbers", "recipients"])
    def test_more_than_the_service_takes(self, make: type[str] | type[Recipient]) -> None:
        """Every recipient of a larger batch gets an id."""
        found = batch_calls([make(MOBILE)] * 1201, "t").recipients()
        assert [one.custom_id for one in found] == [f"t-{place}" for place in range(1201)]

    def test_tokens_keep_batches_apart(self) -> None:
        """The same batch with another token has other ids altogether."""
        batch = [Recipient(MOBILE)] * 500
        first, second = batch_calls(batch, "a" * 20).recipients(), batch_calls(batch, "b" * 20).recipients()
        assert len({one.custom_id for one in first + second}) == 1000

    @given(st.lists(mobiles | people, max_size=8))
    def test_columns(self, batch: list[str | Recipient]) -> None:
        """Numbers, ids, recipients and tickets are in the order of the batch, and no number is in a repr."""
        calls = batch_calls(batch, "t")
        message_ids = [f"m{place}" for place in range(len(batch))]
        pairs = [(one.mobile, one.custom_id or "") for one in calls.recipients()]
        assert pairs == list(zip(calls.mobiles, calls.custom_ids, strict=True))
        assert len(calls) == len(batch)
        assert calls.tickets(message_ids) == tuple(
            Ticket(mobile, message_id, custom_id)
            for message_id, (mobile, custom_id) in zip(message_ids, pairs, strict=True)
        )
        assert not any(mobile in repr(calls) for mobile in calls.mobiles)
