"""The envelope of a response: HTTP status, result code and data, or the matching error.

The service answers HTTP 200 for business errors too, as JSON under any content type. Another status,
HTML or half a JSON text is outside the API document. A status by which the request was not acted on
becomes a :class:`~emay_voice_async.errors.NotSentError`; any other such response an
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
    EmayVoiceError,
    NotSentError,
    OverSpeedError,
    RefusedError,
)
from emay_voice_async.model.codes import ResultCode, result_code
from emay_voice_async.model.endpoints import Call, Endpoint
from emay_voice_async.model.hidden import hides_arguments
from emay_voice_async.model.results import Report
from emay_voice_async.wire.damaged_json import read_damaged_json
from emay_voice_async.wire.json_reader import Layout, read_json, read_rows
from emay_voice_async.wire.report_rows import REPORT_LAYOUTS
from emay_voice_async.wire.status_reports import Broken, read_report_rows, structure_reports
from emay_voice_async.wire.statuses import NOT_ACTED_ON, PASSING, advice_for
from emay_voice_async.wire.structuring import structure_balance

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
_ERROR: Final = re.compile("ERROR[A-Z0-9_]{0,60}")
"""The pattern of the document's error codes. Unlisted codes of this pattern are refusals, too."""
_WORD: Final = re.compile("[A-Z0-9_]{1,60}")

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
    """An HTTP response: status, body (inflated where possible), and the headers Date and Location.

    ``incomplete``: the reason why the body may be cut off or still compressed; None for a whole body.
    """

    status: int
    body: bytes = field(repr=False)
    date: str | None = None
    incomplete: str | None = None
    location: str | None = field(default=None, repr=False)


def refusal(code: ResultCode | str, path: str) -> RefusedError:
    """Make the error for a result code other than SUCCESS."""
    meaning = f"{code.meaning}: {code.english}" if isinstance(code, ResultCode) else ""
    return REFUSALS.get(code, RefusedError)(code, meaning, path)


@hides_arguments
def read_reports(endpoint: Endpoint, response: HttpResponse) -> tuple[tuple[Report, ...], tuple[Broken, ...]]:
    """Read the response to a getReport: the reports, and (raw value, reason) of each unreadable report.

    Raises :class:`RefusedError` (no report was removed) or :class:`AnswerError` (reports may have been
    removed; its ``body`` holds the raw response).
    """
    rows = success_rows(response, REPORT_LAYOUTS[endpoint.product])
    if rows is not None and (reports := read_report_rows(rows, endpoint.product)) is not None:
        return reports, ()
    document, rest = _success(endpoint, response)
    try:
        entries = entries_of(document)
    except ValueError:
        raise answer_error("the response has values of the wrong type", endpoint, response) from None
    found, broken = structure_reports(entries, endpoint.product)
    return found, (*broken, (rest, "the text after the JSON is not JSON")) if rest else broken


@hides_arguments
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
    if response.status != _OK:
        return None
    document = read_rows(response.body, layout)
    return None if document is None or document.code != ResultCode.SUCCESS else document.rows


def read_document(endpoint: Endpoint, response: HttpResponse) -> dict[str, Any]:
    """Return the JSON object of a SUCCESS response.

    Raises :class:`RefusedError` for an error code, :class:`NotSentError` for a status by which the
    request was not acted on, or :class:`AnswerError`.
    """
    return _success(endpoint, response)[0]


def _success(endpoint: Endpoint, response: HttpResponse) -> tuple[dict[str, Any], str]:
    """Return the JSON object of a SUCCESS response, and the text that follows the JSON of a damaged one."""
    if response.status in NOT_ACTED_ON:
        raise _not_acted_on(endpoint, response)
    if response.status != _OK:
        reason = "the HTTP status is not 200" if response.status else "the response is not HTTP"
        raise answer_error(reason, endpoint, response)
    return _document(endpoint, response)


def _not_acted_on(endpoint: Endpoint, response: HttpResponse) -> EmayVoiceError:
    """Return the error for a status of NOT_ACTED_ON: a documented body is more exact than the status."""
    try:
        _document(endpoint, response)
    except RefusedError as error:
        return error
    except AnswerError:
        status = response.status
        advice = advice_for(status, response.location)
        return NotSentError(advice, endpoint.path, status not in PASSING, status, response.body)
    return answer_error("the HTTP status contradicts the result code SUCCESS", endpoint, response)


def _document(endpoint: Endpoint, response: HttpResponse) -> tuple[dict[str, Any], str]:
    try:
        document, rest = _json_of(endpoint.call, response.body)
    except (ValueError, ArithmeticError, RecursionError):
        # A cut-off object is never JSON: a response that is read here is whole.
        cause = "" if response.incomplete is None else f": {response.incomplete}"
        raise answer_error(f"the response is not JSON{cause}", endpoint, response) from None
    if not isinstance(document, dict):
        raise answer_error("the response is not a JSON object", endpoint, response)
    code = _first(document, "code", "responseCode")
    if not isinstance(code, str) or not code.strip():
        raise answer_error("the response has no result code", endpoint, response)
    code = result_code(code.strip())
    if code is ResultCode.SUCCESS:
        return document, rest
    if isinstance(code, ResultCode) or _ERROR.fullmatch(code):
        raise refusal(code, endpoint.path)
    # Perhaps the code of a gateway, which is no proof that the service refused the request.
    shown = f" {code}" if _WORD.fullmatch(code) else ""
    raise answer_error(f"the result code{shown} is neither SUCCESS nor an ERROR code", endpoint, response)


def _json_of(call: Call, body: bytes) -> tuple[Any, str]:
    """Read a JSON text; damage is accepted in reports only, because the service hands them out once."""
    if call is Call.BALANCE:
        # Amounts of money are read as Decimal, without a detour over float.
        return json.loads(body, parse_float=Decimal), ""
    try:
        return read_json(body), ""
    except (ValueError, RecursionError):
        if call is not Call.REPORTS:
            raise
    [document], rest = read_damaged_json(body)
    return document, rest


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
