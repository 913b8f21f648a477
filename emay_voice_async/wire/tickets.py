"""The response to a send: a ticket for each recipient."""

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from operator import itemgetter
from typing import Any, Final

from emay_voice_async.model.endpoints import JOIN_SEND, VOICE_SEND, Endpoint, Product
from emay_voice_async.model.hidden import hides_arguments
from emay_voice_async.model.recipients import Recipient
from emay_voice_async.model.results import Ticket, make_tickets
from emay_voice_async.wire.envelope import (
    HttpResponse,
    answer_error,
    entries_of,
    read_document,
    success_rows,
)
from emay_voice_async.wire.fields import TICKET_FIELDS, UNREADABLE
from emay_voice_async.wire.json_reader import Layout
from emay_voice_async.wire.structuring import structure_ticket

__all__ = ["match_tickets", "read_tickets", "ticket_rows"]

Row = tuple[Any, ...]
"""The values of one entry, in the order of the layout."""

_LAYOUTS: Final = {
    end.product: Layout(tuple([field.wire for field in TICKET_FIELDS[end.product]]), end.message_id)
    for end in (VOICE_SEND, JOIN_SEND)
}
"""The layout of an entry: number, message id, custom id."""

_KEYS: Final[tuple[Callable[[Ticket | Recipient], object], ...]] = (
    lambda call: (call.custom_id, call.mobile),
    lambda call: call.custom_id,
    lambda call: call.mobile,
)
"""Keys of a call, the most exact first: the document's own example gives the same custom id to two numbers."""


@hides_arguments
def read_tickets(
    endpoint: Endpoint, response: HttpResponse, recipients: Sequence[Recipient]
) -> tuple[Ticket, ...]:
    """Read the response to a send: a ticket for each recipient, in the order of the recipients.

    Raises :class:`RefusedError` (no call is made) or :class:`AnswerError` (calls may have been made).
    """
    product = endpoint.product
    rows = success_rows(response, _LAYOUTS[product])
    if rows is not None and (matched := match_tickets(rows, recipients)) is not None:
        return matched
    document = read_document(endpoint, response)
    try:
        entries = entries_of(document)
        if (matched := match_tickets(ticket_rows(entries, product), recipients)) is not None:
            return matched
        tickets = [structure_ticket(entry, product) for entry in entries]
    except UNREADABLE:
        raise answer_error("the response has values of the wrong type", endpoint, response) from None
    return _in_order(tickets, recipients)


def ticket_rows(entries: Iterable[Any], product: Product) -> Iterable[Row]:
    """Take the values of entries; iterating raises where an entry is no object or lacks a field."""
    return map(itemgetter(*_LAYOUTS[product].names), entries)


def match_tickets(rows: Iterable[Row], recipients: Sequence[Recipient]) -> tuple[Ticket, ...] | None:
    """Make the tickets if the rows name each recipient once, by number and unique custom id; else return None.

    Nearly every response does. Comparing whole columns is much faster than reading each entry (benchmark:
    send), and the tickets share the texts of the recipients.
    """
    mobiles = tuple([recipient.mobile for recipient in recipients])
    custom_ids = tuple([recipient.custom_id or "" for recipient in recipients])
    try:
        found_mobiles, message_ids, found_ids = map(_texts, zip(*rows, strict=True))
        if found_ids != custom_ids:
            places = {custom_id: place for place, custom_id in enumerate(found_ids)}
            if not len(places) == len(found_ids) == len(custom_ids) == len(set(custom_ids)):
                return None
            order = [places[custom_id] for custom_id in custom_ids]
            found_mobiles, message_ids = (
                tuple([column[place] for place in order]) for column in (found_mobiles, message_ids)
            )
    except (LookupError, TypeError, ValueError):
        return None
    return make_tickets(mobiles, message_ids, custom_ids) if found_mobiles == mobiles else None


def _texts(column: tuple[Any, ...]) -> tuple[str, ...]:
    """Return a column of texts, or of whole numbers as texts; raise TypeError for another column."""
    kinds = set(map(type, column))
    if kinds == {str}:
        return column
    if kinds <= {str, int}:
        return tuple(map(str, column))
    raise TypeError


def _in_order(tickets: Sequence[Ticket], recipients: Sequence[Recipient]) -> tuple[Ticket, ...]:
    """Give each recipient the ticket with an equal key, each ticket once; "" is the id of a missing ticket."""
    message_ids: dict[int, str] = {}
    unmatched = list(tickets)
    for key in _KEYS:
        waiting: dict[object, deque[int]] = defaultdict(deque)
        for place, recipient in enumerate(recipients):
            if place not in message_ids:
                waiting[key(recipient)].append(place)
        rest = []
        for ticket in unmatched:
            places = waiting.get(key(ticket))
            if places:
                message_ids[places.popleft()] = ticket.message_id
            else:
                rest.append(ticket)
        unmatched = rest
    return tuple(
        Ticket(recipient.mobile, message_ids.get(place, ""), recipient.custom_id or "")
        for place, recipient in enumerate(recipients)
    )
