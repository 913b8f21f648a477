"""The response to a send: the message id of each call."""

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from operator import itemgetter
from typing import Any, Final

from emay_voice_async.model.batch_calls import BatchCalls
from emay_voice_async.model.endpoints import JOIN_SEND, VOICE_SEND, Endpoint, Product
from emay_voice_async.model.hidden import hides_arguments
from emay_voice_async.model.results import Ticket
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

__all__ = ["match_rows", "read_message_ids", "ticket_rows"]

Row = tuple[Any, ...]
"""The values of one entry, in the order of the layout."""

_LAYOUTS: Final = {
    end.product: Layout(tuple([field.wire for field in TICKET_FIELDS[end.product]]), end.message_id)
    for end in (VOICE_SEND, JOIN_SEND)
}
"""The layout of an entry: number, message id, custom id."""

_KEYS: Final[tuple[Callable[[str, str], object], ...]] = (
    lambda custom_id, mobile: (custom_id, mobile),
    lambda custom_id, _: custom_id,
    lambda _, mobile: mobile,
)
"""Keys of a call, the most exact first: the document's own example gives the same custom id to two numbers."""


@hides_arguments
def read_message_ids(endpoint: Endpoint, response: HttpResponse, calls: BatchCalls) -> tuple[str, ...]:
    """Read the response to a send: the service's id of each call; "" for a call that the response does not name.

    Raises :class:`RefusedError` (no call is made) or :class:`AnswerError` (calls may have been made).
    """
    product = endpoint.product
    rows = success_rows(response, _LAYOUTS[product])
    if rows is not None and (matched := match_rows(rows, calls)) is not None:
        return matched
    document = read_document(endpoint, response)
    try:
        entries = entries_of(document)
        if (matched := match_rows(ticket_rows(entries, product), calls)) is not None:
            return matched
        tickets = [structure_ticket(entry, product) for entry in entries]
    except UNREADABLE:
        raise answer_error("the response has values of the wrong type", endpoint, response) from None
    return _in_order(tickets, calls)


def ticket_rows(entries: Iterable[Any], product: Product) -> Iterable[Row]:
    """Take the values of entries; iterating raises where an entry is no object or lacks a field."""
    return map(itemgetter(*_LAYOUTS[product].names), entries)


def match_rows(rows: Iterable[Row], calls: BatchCalls) -> tuple[str, ...] | None:
    """Return the message ids if the rows name each call once, by number and unique custom id; else None.

    Nearly every response does. Comparing whole columns is much faster than reading each entry (benchmark: send).
    """
    custom_ids = calls.custom_ids
    try:
        found_mobiles, message_ids, found_ids = zip(*rows, strict=True)
        message_ids = _texts(message_ids)
        if found_ids == custom_ids and found_mobiles == calls.mobiles:
            return message_ids
        found_mobiles, found_ids = _texts(found_mobiles), _texts(found_ids)
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
    return message_ids if found_mobiles == calls.mobiles else None


def _texts(column: tuple[Any, ...]) -> tuple[str, ...]:
    """Return a column of texts, or of whole numbers as texts; raise TypeError for another column."""
    kinds = set(map(type, column))
    if kinds == {str}:
        return column
    if kinds <= {str, int}:
        return tuple(map(str, column))
    raise TypeError


def _in_order(tickets: Sequence[Ticket], calls: BatchCalls) -> tuple[str, ...]:
    """Give each call the message id of the ticket with an equal key, each ticket once; "" for a missing ticket.

    A second ticket for the custom id and number of one call is no ticket of another call.
    """
    message_ids: dict[int, str] = {}
    unmatched = list(tickets)
    named = list(zip(calls.custom_ids, calls.mobiles, strict=True))
    exact = set(named)
    for key in _KEYS:
        waiting: dict[object, deque[int]] = defaultdict(deque)
        for place, names in enumerate(named):
            if place not in message_ids:
                waiting[key(*names)].append(place)
        rest = []
        for ticket in unmatched:
            places = waiting.get(key(ticket.custom_id, ticket.mobile))
            if places:
                message_ids[places.popleft()] = ticket.message_id
            elif (ticket.custom_id, ticket.mobile) not in exact:
                rest.append(ticket)
        unmatched = rest
    return tuple([message_ids.get(place, "") for place in range(len(calls))])
