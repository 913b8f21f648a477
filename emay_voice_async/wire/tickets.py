"""The entries of the response to a send, matched with the recipients of the batch."""

from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Any, Final

from emay_voice_async.model.endpoints import JOIN_SEND, VOICE_SEND, Product
from emay_voice_async.model.recipients import Recipient
from emay_voice_async.model.results import Ticket, make_tickets
from emay_voice_async.wire.fields import TICKET_FIELDS
from emay_voice_async.wire.json_reader import Layout

__all__ = ["TICKET_LAYOUTS", "match_tickets", "ticket_rows"]

Row = tuple[Any, ...]
"""The values of one entry, in the order of the table of its fields."""

TICKET_LAYOUTS: Final = {
    end.product: Layout(tuple([field.wire for field in TICKET_FIELDS[end.product]]), end.message_id)
    for end in (VOICE_SEND, JOIN_SEND)
}
"""The layout of an entry: number, message id, custom id."""


def ticket_rows(entries: Iterable[Any], product: Product) -> Iterable[Row]:
    """Take the values of entries; iterating raises where an entry is no object or lacks a field."""
    return map(itemgetter(*TICKET_LAYOUTS[product].names), entries)


def match_tickets(rows: Iterable[Row], recipients: Sequence[Recipient]) -> tuple[Ticket, ...] | None:
    """Make the tickets if each row names the recipient of its place; else return None.

    Nearly every response does. Comparing whole columns is much faster than reading each entry (benchmark:
    send), and the tickets share the texts of the recipients.
    """
    mobiles = tuple([recipient.mobile for recipient in recipients])
    custom_ids = tuple([recipient.custom_id or "" for recipient in recipients])
    try:
        found_mobiles, message_ids, found_ids = zip(*rows, strict=True)
    except (LookupError, TypeError, ValueError):
        return None
    if found_mobiles != mobiles or found_ids != custom_ids or set(map(type, message_ids)) != {str}:
        return None
    return make_tickets(mobiles, message_ids, custom_ids)
