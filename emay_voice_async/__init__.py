"""Calling people by voice through the Emay (亿美软通) voice service, from asyncio.

The names below are imported when they are first used: who only opens pushes, or only needs the messages,
does not wait for an HTTP client to be imported.
"""

import importlib as _importlib
import typing as _typing

if _typing.TYPE_CHECKING:
    from emay_voice_async.client import AsyncEmayVoice
    from emay_voice_async.errors import (
        AccountError,
        AnswerError,
        BalanceError,
        ContentError,
        EmayVoiceError,
        InvalidRequestError,
        NotSentError,
        OutcomeUnknownError,
        OverSpeedError,
        PushError,
        RefusedError,
        ReportTimeoutError,
        SendError,
    )
    from emay_voice_async.model.codes import CallState, ResultCode
    from emay_voice_async.model.endpoints import Product
    from emay_voice_async.model.messages import (
        Marketing,
        Notice,
        OnConnected,
        OnKey,
        VerificationCode,
        VoiceSms,
    )
    from emay_voice_async.model.recipients import Recipient
    from emay_voice_async.model.results import Accepted, NotSent, Refused, Report, SendResult, Ticket, Unknown
    from emay_voice_async.pacing.window import RateLimit, RateLimits

__all__ = [
    "Accepted",
    "AccountError",
    "AnswerError",
    "AsyncEmayVoice",
    "BalanceError",
    "CallState",
    "ContentError",
    "EmayVoiceError",
    "InvalidRequestError",
    "Marketing",
    "NotSent",
    "NotSentError",
    "Notice",
    "OnConnected",
    "OnKey",
    "OutcomeUnknownError",
    "OverSpeedError",
    "Product",
    "PushError",
    "RateLimit",
    "RateLimits",
    "Recipient",
    "Refused",
    "RefusedError",
    "Report",
    "ReportTimeoutError",
    "ResultCode",
    "SendError",
    "SendResult",
    "Ticket",
    "Unknown",
    "VerificationCode",
    "VoiceSms",
]

_HOMES: dict[str, tuple[str, ...]] = {
    "client": ("AsyncEmayVoice",),
    "model.codes": (
        "CallState",
        "ResultCode",
    ),
    "model.endpoints": ("Product",),
    "errors": (
        "AccountError",
        "AnswerError",
        "BalanceError",
        "ContentError",
        "EmayVoiceError",
        "InvalidRequestError",
        "NotSentError",
        "OutcomeUnknownError",
        "OverSpeedError",
        "PushError",
        "RefusedError",
        "ReportTimeoutError",
        "SendError",
    ),
    "model.messages": (
        "Marketing",
        "Notice",
        "OnConnected",
        "OnKey",
        "VerificationCode",
        "VoiceSms",
    ),
    "model.recipients": ("Recipient",),
    "model.results": (
        "Accepted",
        "NotSent",
        "Refused",
        "Report",
        "SendResult",
        "Ticket",
        "Unknown",
    ),
    "pacing.window": (
        "RateLimit",
        "RateLimits",
    ),
}
_MODULES = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> _typing.Any:
    """Import what is asked for: one of the names above, or the module that it comes from."""
    if name in {home.partition(".")[0] for home in _HOMES}:
        return _importlib.import_module(f"{__name__}.{name}")
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(_importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the names above, imported or not."""
    return sorted({*globals(), *__all__})
