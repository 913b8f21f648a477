"""The envelope of a response: HTTP status, result code and data, or the matching error.

The service answers HTTP 200 for business errors too, as JSON under any content type. Another status,
HTML or half a JSON text is outside the API document and becomes an
:class:`~emay_voice_async.errors.AnswerError`: the request may or may not have been acted on.
"""

import json
import re
from collections.abc import Iterable, Mapping
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
from emay_voice_async.model.results import Report
from emay_voice_async.wire.json_reader import Layout, read_json, read_rows
from emay_voice_async.wire.structuring import (
    REPORTS,
    structure_balance,
    structure_reports,
    structure_rows,
)

__all__ = [
    "REFUSALS",
    "HttpResponse",
    "answer_error",
    "entries_of",
    "read_balance",
    "read_document",
    "read_reports",
    "refusal",
    "success_rows",
]

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
"""The error class of a result code; other codes are a plain RefusedError."""


@frozen
class HttpResponse:
    """An HTTP response: status, body (decompressed) and Date header.

    ``incomplete``: the reason why the body may be cut off; None for a complete body.
    """

    status: int
    body: bytes = field(repr=False)
    date: str | None = None
    incomplete: str | None = None


def refusal(code: ResultCode | str, path: str) -> RefusedError:
    """Make the error for a result code other than SUCCESS."""
    meaning = f"{code.meaning}: {code.english}" if isinstance(code, ResultCode) else ""
    return REFUSALS.get(code, RefusedError)(code, meaning, path)


def read_reports(
    endpoint: Endpoint, response: HttpResponse
) -> tuple[tuple[Report, ...], tuple[tuple[object, str], ...]]:
    """Read the response to a getReport: the reports, and (raw value, reason) of each unreadable report.

    Raises :class:`RefusedError` (no report was removed) or :class:`AnswerError` (reports may have been
    removed; its ``body`` holds the raw response).
    """
    rows = success_rows(response, REPORTS[endpoint.product])
    if rows is not None and (reports := structure_rows(rows, endpoint.product)) is not None:
        return reports, ()
    document = read_document(endpoint, response)
    try:
        entries = entries_of(document)
    except ValueError:
        raise answer_error("the response has values of the wrong type", endpoint, response) from None
    return structure_reports(entries, endpoint.product)


def read_balance(endpoint: Endpoint, response: HttpResponse) -> Decimal:
    """Read the response to a getBalance, in any of its three shapes (sections 2.1.3.2 and 2.4.3.2).

    Raises :class:`RefusedError` or :class:`AnswerError`.
    """
    document = read_document(endpoint, response)
    amount = _first(document, "balance", "data")
    if isinstance(amount, dict):
        amount = amount.get("balance")
    try:
        return structure_balance(amount)
    except ValueError:
        raise answer_error("the response has no balance", endpoint, response) from None


def success_rows(response: HttpResponse, layout: Layout) -> Iterable[tuple[Any, ...]] | None:
    """Return the rows of a SUCCESS response; None if the fast reader cannot read the response."""
    if response.incomplete is not None or response.status != _OK:
        return None
    document = read_rows(response.body, layout)
    return None if document is None or document.code != ResultCode.SUCCESS else document.rows


def read_document(endpoint: Endpoint, response: HttpResponse) -> dict[str, Any]:
    """Return the JSON object of a SUCCESS response.

    Raises :class:`RefusedError` for an error code, or :class:`AnswerError`.
    """
    if response.incomplete is not None:
        raise answer_error(f"the response is incomplete ({response.incomplete})", endpoint, response)
    if response.status != _OK:
        raise answer_error("the HTTP status is not 200", endpoint, response)
    try:
        # Amounts of money are read as Decimal, without a detour over float.
        money = endpoint.call is Call.BALANCE
        document = json.loads(response.body, parse_float=Decimal) if money else read_json(response.body)
    except (ValueError, ArithmeticError, RecursionError):
        raise answer_error("the response is not JSON", endpoint, response) from None
    if not isinstance(document, dict):
        raise answer_error("the response is not a JSON object", endpoint, response)
    code = _first(document, "code", "responseCode")
    if not isinstance(code, str) or not _CODE.fullmatch(code.strip()):
        # Perhaps the code of a gateway, which is no proof that the service refused the request.
        raise answer_error("the response has no result code", endpoint, response)
    code = result_code(code.strip())
    if code is not ResultCode.SUCCESS:
        raise refusal(code, endpoint.path)
    return document


def _first(document: dict[str, Any], *names: str) -> Any:
    """Return the first field of these names that is neither absent nor null."""
    return next((document[name] for name in names if document.get(name) is not None), None)


def entries_of(document: dict[str, Any]) -> list[object]:
    """Return the entries of ``data``: a list, a single object, or null or absent (no entries)."""
    data = document.get("data")
    if data is None:
        return []
    if isinstance(data, dict):
        return [data]
    if not isinstance(data, list):
        raise ValueError("a list was expected")
    return data


def answer_error(reason: str, endpoint: Endpoint, response: HttpResponse) -> AnswerError:
    """Make the error for a response outside the API document."""
    return AnswerError(reason, endpoint.path, response.status, response.body)
