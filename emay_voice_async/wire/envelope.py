"""Status and body of an answer to typed results, or to the right error.

The service answers HTTP 200 for business errors too, as JSON under any content type. Everything
else (another status, HTML, half a JSON text) did not come from the service as documented: it is an
:class:`~emay_voice_async.errors.AnswerError`, which says nothing about what the service did.
"""

import json
import re
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from attrs import field, frozen

from emay_voice_async.errors import (
    AccountError,
    AnswerError,
    BalanceError,
    ContentError,
    OverSpeedError,
    RefusedError,
)
from emay_voice_async.model.codes import ResultCode, result_code
from emay_voice_async.model.endpoints import Call, Endpoint
from emay_voice_async.model.recipients import Recipient
from emay_voice_async.model.results import Report, Ticket
from emay_voice_async.wire.fields import UNREADABLE
from emay_voice_async.wire.json_reader import Layout, read_json, read_rows
from emay_voice_async.wire.status_reports import REPORT_LAYOUTS, read_report_rows, structure_reports
from emay_voice_async.wire.structuring import structure_balance, structure_ticket
from emay_voice_async.wire.tickets import TICKET_LAYOUTS, match_tickets, ticket_rows

__all__ = ["REFUSALS", "Answer", "read_balance", "read_reports", "read_tickets", "refusal"]

_OK: Final = 200
_CODE: Final = re.compile("[A-Z][A-Z0-9_]*")

REFUSALS: Mapping[str, type[RefusedError]] = {
    ResultCode.ERROR_OVER_SPEED: OverSpeedError,
    ResultCode.ERROR_APPID: AccountError,
    ResultCode.ERROR_SIGN: AccountError,
    ResultCode.ERROR_TIMESTAMP: AccountError,
    ResultCode.ERROR_CLIENT_IP: AccountError,
    ResultCode.ERROR_MESSAGE_TYPE: AccountError,
    ResultCode.ERROR_NEEDMORE_BALANCE: BalanceError,
    ResultCode.ERROR_NEEDMORE_BLANCE: BalanceError,
    ResultCode.ERROR_CONTENT_EMPTY: ContentError,
    ResultCode.ERROR_LONG_CONTENT: ContentError,
    ResultCode.ERROR_VERIFICATION_CODE_CONTENT: ContentError,
}
"""The class of a refusal by its code; any other code is a plain RefusedError."""


_KEYS: Final[tuple[Callable[[Ticket | Recipient], object], ...]] = (
    lambda one: (one.custom_id, one.mobile),
    lambda one: one.custom_id,
    lambda one: one.mobile,
)


@frozen
class Answer:
    """What came back over HTTP: the status, the whole body (decoded), and the Date header.

    ``broken_off`` says why there is no more of the body than this; None: it is whole.
    """

    status: int
    body: bytes = field(repr=False)
    date: str | None = None
    broken_off: str | None = None


def refusal(code: ResultCode | str, path: str) -> RefusedError:
    """Make the error for a result code other than SUCCESS."""
    meaning = f"{code.meaning}: {code.english}" if isinstance(code, ResultCode) else ""
    return REFUSALS.get(code, RefusedError)(code, meaning, path)


def read_tickets(endpoint: Endpoint, answer: Answer, recipients: Sequence[Recipient]) -> tuple[Ticket, ...]:
    """Read the answer to a send: one ticket for each recipient, in the order of the recipients.

    Raises :class:`RefusedError` (nobody is called) or :class:`AnswerError` (unknown).
    """
    product = endpoint.product
    rows = _rows(answer, TICKET_LAYOUTS[product])
    if rows is not None and (matched := match_tickets(rows, recipients)) is not None:
        return matched
    document = _accepted(endpoint, answer)
    try:
        entries = _entries(document)
        if (matched := match_tickets(ticket_rows(entries, product), recipients)) is not None:
            return matched
        tickets = [structure_ticket(entry, product) for entry in entries]
    except UNREADABLE:
        raise _answer_error("the answer has values of another kind", endpoint, answer) from None
    return _in_order(tickets, recipients)


def read_reports(
    endpoint: Endpoint, answer: Answer
) -> tuple[tuple[Report, ...], tuple[tuple[object, str], ...]]:
    """Read the answer to a getReport: the reports, and (raw value, reason) of unreadable ones.

    Raises :class:`RefusedError` (nothing was removed) or :class:`AnswerError` (reports may have been
    removed; whatever came is in its ``body``).
    """
    rows = _rows(answer, REPORT_LAYOUTS[endpoint.product])
    if rows is not None and (reports := read_report_rows(rows, endpoint.product)) is not None:
        return reports, ()
    document = _accepted(endpoint, answer)
    try:
        entries = _entries(document)
    except ValueError:
        raise _answer_error("the answer has values of another kind", endpoint, answer) from None
    return structure_reports(entries, endpoint.product)


def read_balance(endpoint: Endpoint, answer: Answer) -> Decimal:
    """Read the answer to a getBalance, in each of the shapes that the service has for it.

    Raises :class:`RefusedError` or :class:`AnswerError`.
    """
    document = _accepted(endpoint, answer)
    amount = _first(document, "balance", "data")
    if isinstance(amount, dict):
        amount = amount.get("balance")
    try:
        return structure_balance(amount)
    except ValueError:
        raise _answer_error("the answer has no balance", endpoint, answer) from None


def _rows(answer: Answer, layout: Layout) -> Iterable[tuple[Any, ...]] | None:
    """Return the entries of an answer as rows, if it is a SUCCESS that can be read so."""
    if answer.broken_off is not None or answer.status != _OK:
        return None
    document = read_rows(answer.body, layout)
    return None if document is None or document.code != ResultCode.SUCCESS else document.rows


def _accepted(endpoint: Endpoint, answer: Answer) -> dict[str, Any]:
    """Return the answer's JSON object if its code is SUCCESS, or raise."""
    if answer.broken_off is not None:
        raise _answer_error(f"the answer broke off ({answer.broken_off})", endpoint, answer)
    if answer.status != _OK:
        raise _answer_error("the HTTP status is not 200", endpoint, answer)
    try:
        # Money is never a float.
        money = endpoint.call is Call.BALANCE
        document = json.loads(answer.body, parse_float=Decimal) if money else read_json(answer.body)
    except (ValueError, ArithmeticError, RecursionError):
        raise _answer_error("the answer is not JSON", endpoint, answer) from None
    if not isinstance(document, dict):
        raise _answer_error("the answer is not a JSON object", endpoint, answer)
    code = _first(document, "code", "responseCode")
    if not isinstance(code, str) or not _CODE.fullmatch(code.strip()):
        # Something else's code, a gateway's perhaps: it would not be certain that nobody is called.
        raise _answer_error("the answer has no result code", endpoint, answer)
    code = result_code(code.strip())
    if code is not ResultCode.SUCCESS:
        raise refusal(code, endpoint.path)
    return document


def _first(document: dict[str, Any], *names: str) -> Any:
    """Return the first of these fields that says something; null is as good as absent."""
    return next((document[name] for name in names if document.get(name) is not None), None)


def _entries(document: dict[str, Any]) -> list[object]:
    """Return the entries of ``data``: a list of them, one alone, or none."""
    data = document.get("data")
    if data is None:
        return []
    if isinstance(data, dict):
        return [data]
    if not isinstance(data, list):
        raise ValueError("a list was expected")
    return data


def _in_order(tickets: Sequence[Ticket], recipients: Sequence[Recipient]) -> tuple[Ticket, ...]:
    """Give each recipient its ticket: by custom id and number, by custom id, by number, or a blank one.

    In this order, because the document's own example gives one custom id to two numbers.
    """
    found: dict[int, str] = {}
    left = list(tickets)
    for key in _KEYS:
        waiting: dict[object, deque[int]] = defaultdict(deque)
        for place, one in enumerate(recipients):
            if place not in found:
                waiting[key(one)].append(place)
        rest = []
        for ticket in left:
            places = waiting.get(key(ticket))
            if places:
                found[places.popleft()] = ticket.message_id
            else:
                rest.append(ticket)
        left = rest
    return tuple(
        Ticket(one.mobile, found.get(place, ""), one.custom_id or "") for place, one in enumerate(recipients)
    )


def _answer_error(reason: str, endpoint: Endpoint, answer: Answer) -> AnswerError:
    return AnswerError(reason, endpoint.path, answer.status, answer.body)
