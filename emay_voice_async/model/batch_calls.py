"""The calls of a batch as columns of texts: objects for each call take time and memory (benchmark: send)."""

from collections.abc import Sequence
from typing import Final, cast

from emay_voice_async.model.endpoints import MAX_BATCH
from emay_voice_async.model.recipients import Recipient, made_recipients, mobiles_of, with_custom_id
from emay_voice_async.model.results import Ticket, made_tickets

__all__ = ["BatchCalls", "batch_calls"]

_ID_SUFFIXES: Final = tuple(f"-{place}" for place in range(MAX_BATCH))
"""The end of a made custom id: the place of the recipient in the batch."""


class BatchCalls:
    """The calls of one batch: the number and the custom id of each.

    ``entries``: the numbers and recipients of the input. A plain class, which takes less time to import.
    """

    __slots__ = ("custom_ids", "entries", "mobiles")

    def __init__(
        self, entries: Sequence[str | Recipient], mobiles: tuple[str, ...], custom_ids: tuple[str, ...]
    ) -> None:
        self.entries: Sequence[str | Recipient] = entries
        self.mobiles: tuple[str, ...] = mobiles
        self.custom_ids: tuple[str, ...] = custom_ids

    def __len__(self) -> int:
        return len(self.mobiles)

    def recipients(self) -> tuple[Recipient, ...]:
        """Make the recipients, each with a custom id; a recipient of the input that has one is returned unchanged."""
        if self.entries is self.mobiles:
            return made_recipients(self.mobiles, self.custom_ids)
        return tuple(map(with_custom_id, self.entries, self.custom_ids))

    def tickets(self, message_ids: Sequence[str]) -> tuple[Ticket, ...]:
        """Make the tickets; ``message_ids`` has an id for each call."""
        return made_tickets(self.mobiles, message_ids, self.custom_ids)


def batch_calls(entries: Sequence[str | Recipient], token: str, *, all_numbers: bool = False) -> BatchCalls:
    """Return the calls of a batch; a missing custom id is made of ``token`` and the place in the batch.

    ``all_numbers``: the entries are known to be numbers.
    """
    # Up to the service's 500 the suffixes are made once.
    suffixes = (
        _ID_SUFFIXES[: len(entries)] if len(entries) <= MAX_BATCH else map("-{}".format, range(len(entries)))
    )
    made = tuple([token + suffix for suffix in suffixes])
    mobiles = mobiles_of(entries, all_numbers=all_numbers)
    if mobiles is not None:
        return BatchCalls(mobiles, mobiles, made)
    recipients = tuple(map(with_custom_id, entries, made))
    custom_ids = tuple([cast("str", recipient.custom_id) for recipient in recipients])
    return BatchCalls(recipients, tuple([recipient.mobile for recipient in recipients]), custom_ids)
