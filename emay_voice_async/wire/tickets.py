"""The response to a send: a ticket for each recipient."""

from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from typing import Final

from emay_voice_async.model.endpoints import Endpoint
from emay_voice_async.model.recipients import Recipient
from emay_voice_async.model.results import Ticket
from emay_voice_async.wire.envelope import (
    HttpResponse,
    answer_error,
    entries_of,
    read_document,
    success_rows,
)
from emay_voice_async.wire.structuring import TICKETS, match_tickets, structure_tickets, ticket_rows

__all__ = ["read_tickets"]

_KEYS: Final[tuple[Callable[[Ticket | Recipient], object], ...]] = (
    lambda call: (call.custom_id, call.mobile),
    lambda call: call.custom_id,
    lambda call: call.mobile,
)
"""Keys of a call, the most exact first: the document's own example gives the same custom id to two numbers."""


def read_tickets(
    endpoint: Endpoint, response: HttpResponse, recipients: Sequence[Recipient]
) -> tuple[Ticket, ...]:
    """Read the response to a send: a ticket for each recipient, in the order of the recipients.

    Raises :class:`RefusedError` (no call is made) or :class:`AnswerError` (calls may have been made).
    """
    product = endpoint.product
    rows = success_rows(response, TICKETS[product])
    if rows is not None and (matched := match_tickets(rows, recipients)) is not None:
        return matched
    document = read_document(endpoint, response)
    try:
        entries = entries_of(document)
        if (matched := match_tickets(ticket_rows(entries, product), recipients)) is not None:
            return matched
        tickets = structure_tickets(entries, product)
    except (ValueError, TypeError):
        raise answer_error("the response has values of the wrong type", endpoint, response) from None
    return _in_order(tickets, recipients)


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
