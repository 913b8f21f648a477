"""The calls of a batch, and what is made of them, from recipients that have their ids."""

from collections.abc import Iterable, Sequence
from typing import Any

from emay_voice_async.model.batch_calls import BatchCalls
from emay_voice_async.model.endpoints import Endpoint
from emay_voice_async.model.messages import Message
from emay_voice_async.model.recipients import Recipient
from emay_voice_async.model.results import Ticket
from emay_voice_async.wire import forms, tickets
from emay_voice_async.wire.envelope import HttpResponse

__all__ = ["calls_to", "match_rows", "read_tickets", "send_form"]


def calls_to(recipients: Sequence[Recipient]) -> BatchCalls:
    """Return the calls of recipients, "" in place of a custom id that is missing."""
    return BatchCalls(
        recipients,
        tuple(one.mobile for one in recipients),
        tuple(one.custom_id or "" for one in recipients),
    )


def send_form(message: Message, recipients: Sequence[Recipient]) -> bytes:
    """Encode a message and its recipients."""
    return forms.send_form(message, calls_to(recipients))


def read_tickets(
    endpoint: Endpoint, response: HttpResponse, recipients: Sequence[Recipient]
) -> tuple[Ticket, ...]:
    """Read the response to a send: a ticket for each recipient."""
    calls = calls_to(recipients)
    return calls.tickets(tickets.read_message_ids(endpoint, response, calls))


def match_rows(rows: Iterable[tuple[Any, ...]], recipients: Sequence[Recipient]) -> tuple[Ticket, ...] | None:
    """Match rows with recipients: a ticket for each, or None."""
    calls = calls_to(recipients)
    message_ids = tickets.match_rows(rows, calls)
    return None if message_ids is None else calls.tickets(message_ids)
