"""The checks of a request, as a table: the first check that fails gives the result code.

The order is that of the document's tables 3.2 and 3.4, except that the balance comes last. The
appId and the speed are checked before, by :mod:`~emay_voice_async.sandbox.service`. Where a table has
no code for a wrong field, the code is ERROR_PARAMS.

Three codes of table 3.4 are available as a fault only, since no documented request leads to them:
ERROR_TIMING and ERROR_TIMINGTIME (timed calls: no field for the time is documented), and
ERROR_TRIGGER ("invalid value" of an unnamed field; a wrong trigger is ERROR_TRIGGERCONDITIONS).
ERROR_OVER_SPEED and ERROR_MESSAGE_TYPE are missing in table 3.4; voice SMS get these codes as well.
"""

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from hashlib import md5
from types import MappingProxyType
from typing import Final

from attrs import frozen

from emay_voice_async.model.codes import ResultCode
from emay_voice_async.model.endpoints import (
    CLOCK_SKEW,
    CODE_LENGTHS,
    JOIN_BALANCE,
    JOIN_REPORTS,
    JOIN_SEND,
    MAX_CONNECTED,
    MAX_CONTENT,
    MAX_CUSTOM_ID,
    MAX_TOTAL_CONTENT,
    MIN_CONNECTED,
    VOICE_BALANCE,
    VOICE_REPORTS,
    VOICE_SEND,
    VOICE_SEND_CODE,
    VOICE_SEND_MARKETING,
    Call,
    Endpoint,
    Product,
)
from emay_voice_async.sandbox.accounts import Account
from emay_voice_async.sandbox.outcomes import MOBILE
from emay_voice_async.sandbox.requests import FormRequest

__all__ = ["CHECKS", "Case", "refusal_code"]

_BEIJING: Final = timezone(timedelta(hours=8))
_DIGITS: Final = re.compile(r"[0-9]+")
_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,10}")
_STAMP: Final = re.compile(r"[0-9]{14}")
_SURROGATES: Final = re.compile("[\ud800-\udfff]")
_KEYS: Final = frozenset("0123456789")
_FLAGS: Final = frozenset({"", "0", "1"})
_ON_KEY, _ON_CONNECTED = "3", "4"

_VOICE_OR_JOIN: Final = {
    Product.VOICE: (
        ResultCode.ERROR_CUSTOM_VOICE_ID,
        ResultCode.ERROR_CUSTOM_VOICE_ID_NUMBER,
        ResultCode.ERROR_NEEDMORE_BALANCE,
    ),
    Product.JOIN: (
        ResultCode.ERROR_CUSTOM_JOIN_ID,
        ResultCode.ERROR_CUSTOM_JOIN_ID_NUMBER,
        ResultCode.ERROR_NEEDMORE_BLANCE,
    ),
}


@frozen
class Case:
    """The input of a check: a request, its account, and the service's clock (POSIX seconds)."""

    request: FormRequest
    account: Account
    now: float


Check = Callable[[Case], ResultCode | None]


def refusal_code(case: Case) -> ResultCode | None:
    """Return the code of the first check that fails, or None when the request is valid."""
    for check in CHECKS[case.request.endpoint]:
        code = check(case)
        if code is not None:
            return code
    return None


def _client(case: Case) -> ResultCode | None:
    allowed = case.account.allowed_ips
    return None if allowed is None or case.request.client in allowed else ResultCode.ERROR_CLIENT_IP


def _utf8(case: Case) -> ResultCode | None:
    broken = any(_SURROGATES.search(name + value) for name, value in case.request.fields.items())
    return ResultCode.ERROR_PARAMS if broken else None


def _signed(case: Case) -> ResultCode | None:
    return None if case.request.text("sign") else ResultCode.ERROR_PARAMS


def _stamped(case: Case) -> ResultCode | None:
    return None if case.request.text("timestamp") else ResultCode.ERROR_PARAMS


def _timestamp(case: Case) -> ResultCode | None:
    text = case.request.text("timestamp")
    if not _STAMP.fullmatch(text):
        return ResultCode.ERROR_TIMESTAMP
    try:
        stamp = datetime.strptime(text, "%Y%m%d%H%M%S").replace(tzinfo=_BEIJING)
    except ValueError:
        return ResultCode.ERROR_TIMESTAMP
    skew = abs(stamp.timestamp() - case.now)
    return None if skew <= CLOCK_SKEW else ResultCode.ERROR_TIMESTAMP


def _signature(case: Case) -> ResultCode | None:
    stamp = case.request.text("timestamp") if case.request.endpoint.stamped else ""
    signed = f"{case.account.app_id}{case.account.secret_key}{stamp}".encode()
    right = md5(signed, usedforsecurity=False).hexdigest()
    return None if case.request.text("sign") == right else ResultCode.ERROR_SIGN


def _service_type(case: Case) -> ResultCode | None:
    endpoint, services = case.request.endpoint, case.account.services
    if endpoint.call is Call.SEND:
        fits = any(service.value == endpoint for service in services)
    else:
        fits = any(service.value.product is endpoint.product for service in services)
    return None if fits else ResultCode.ERROR_MESSAGE_TYPE


def _number(case: Case) -> ResultCode | None:
    text = case.request.text("number")
    return None if not text or _INTEGER.fullmatch(text) else ResultCode.ERROR_PARAMS


def _mobiles(case: Case) -> ResultCode | None:
    mobiles = case.request.mobiles
    if not mobiles:
        return ResultCode.ERROR_MOBILE_EMPTY
    if len(mobiles) > case.request.endpoint.max_batch:
        return ResultCode.ERROR_MOBILE_NUMBER
    # Bad numbers do not stop the good numbers: the reports of bad numbers say FAIL_MOBILE.
    return None if any(map(MOBILE.fullmatch, mobiles)) else ResultCode.ERROR_MOBILE_ERROR


def _content(case: Case) -> ResultCode | None:
    return None if case.request.content.strip() else ResultCode.ERROR_CONTENT_EMPTY


def _content_length(case: Case) -> ResultCode | None:
    return None if len(case.request.content) <= MAX_CONTENT else ResultCode.ERROR_LONG_CONTENT


def _total_length(case: Case) -> ResultCode | None:
    total = len(case.request.content) + len(case.request.further_contents)
    return None if total <= MAX_TOTAL_CONTENT else ResultCode.ERROR_LONG_CONTENT


def _code(case: Case) -> ResultCode | None:
    content = case.request.content
    right = _DIGITS.fullmatch(content) and len(content) in CODE_LENGTHS
    return None if right else ResultCode.ERROR_VERIFICATION_CODE_CONTENT


def _trigger(case: Case) -> ResultCode | None:
    known = case.request.text("triggerConditions") in (_ON_KEY, _ON_CONNECTED)
    return None if known else ResultCode.ERROR_TRIGGERCONDITIONS


def _key(case: Case) -> ResultCode | None:
    if case.request.text("triggerConditions") != _ON_KEY or case.request.text("keyContent") in _KEYS:
        return None
    return ResultCode.ERROR_KEYCONTENT


def _connected(case: Case) -> ResultCode | None:
    if case.request.text("triggerConditions") != _ON_CONNECTED:
        return None
    text = case.request.text("connectTime")
    right = _INTEGER.fullmatch(text) and MIN_CONNECTED <= int(text) <= MAX_CONNECTED
    return None if right else ResultCode.ERROR_CONNECTTIME


def _flag(name: str, code: ResultCode) -> Check:
    def check(case: Case) -> ResultCode | None:
        return None if case.request.text(name) in _FLAGS else code

    return check


def _custom_ids(case: Case) -> ResultCode | None:
    wrong, mismatch, _ = _VOICE_OR_JOIN[case.request.endpoint.product]
    ids = case.request.custom_ids
    if any(not 1 <= len(one) <= MAX_CUSTOM_ID for one in ids):
        return wrong
    return mismatch if ids and len(ids) != len(case.request.mobiles) else None


def _money(case: Case) -> ResultCode | None:
    _, _, broke = _VOICE_OR_JOIN[case.request.endpoint.product]
    return broke if len(case.request.mobiles) * case.account.price > case.account.balance else None


_STAMPED: Final = (_client, _utf8, _stamped, _signed, _timestamp, _signature, _service_type)
_UNSTAMPED: Final = (_client, _utf8, _signed, _signature, _service_type)
_NOTICE: Final = (
    *_STAMPED,
    _flag("isInteractive", ResultCode.ERROR_PARAMS),
    _mobiles,
    _content,
    _content_length,
    _total_length,
    _custom_ids,
    _money,
)
_VOICE_SMS: Final = (
    *_STAMPED,
    _mobiles,
    _content,
    _total_length,
    _trigger,
    _key,
    _connected,
    _flag("isAcousticSign", ResultCode.ERROR_ISACOUSTICSIGN),
    _flag("isInteractive", ResultCode.ERROR_ISINTERACTIVE),
    _custom_ids,
    _money,
)

CHECKS: Final[Mapping[Endpoint, tuple[Check, ...]]] = MappingProxyType(
    {
        VOICE_SEND: _NOTICE,
        VOICE_SEND_CODE: (*_STAMPED, _mobiles, _content, _code, _custom_ids, _money),
        VOICE_SEND_MARKETING: _NOTICE,
        VOICE_REPORTS: (*_STAMPED, _number),
        VOICE_BALANCE: _UNSTAMPED,
        JOIN_SEND: _VOICE_SMS,
        JOIN_REPORTS: (*_STAMPED, _number),
        JOIN_BALANCE: _UNSTAMPED,
    }
)
"""The checks of each endpoint, in their order."""
