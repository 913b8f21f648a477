"""Calling people by voice through the Emay (亿美软通) voice service, from asyncio.

Each name is imported at its first use, so that a program that only opens pushes imports no HTTP client.
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
    from emay_voice_async.journal.protocol import Journal
    from emay_voice_async.model.codes import CallState, ResultCode
    from emay_voice_async.model.endpoints import Call, Product
    from emay_voice_async.model.limits import RateLimit, RateLimits
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
    from emay_voice_async.model.templates import Template
    from emay_voice_async.model.version import __version__
    from emay_voice_async.pacing.protocol import Lease, Pacer
    from emay_voice_async.sending.hours import CallingHours
    from emay_voice_async.sending.plan import Plan
    from emay_voice_async.wire.structuring import unstructure

__all__ = [
    "Accepted",
    "AccountError",
    "AnswerError",
    "AsyncEmayVoice",
    "BalanceError",
    "Call",
    "CallState",
    "CallingHours",
    "ContentError",
    "EmayVoiceError",
    "InvalidRequestError",
    "Journal",
    "Lease",
    "Marketing",
    "NotSent",
    "NotSentError",
    "Notice",
    "OnConnected",
    "OnKey",
    "OutcomeUnknownError",
    "OverSpeedError",
    "Pacer",
    "Plan",
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
    "Template",
    "Ticket",
    "Unknown",
    "VerificationCode",
    "VoiceSms",
    "__version__",
    "unstructure",
]

_MODULES = (
    "errors",
    "model.codes",
    "model.endpoints",
    "model.limits",
    "model.messages",
    "model.recipients",
    "model.results",
    "model.templates",
    "model.version",
    "pacing.protocol",
    "journal.protocol",
    "sending.hours",
    "sending.plan",
    "wire.structuring",
    "client",
)
"""The homes of the names, in the order in which they are searched: pure modules first, the client last."""


def __getattr__(name: str) -> _typing.Any:
    """Import a name of ``__all__``, or one of the homes."""
    if name in {module.partition(".")[0] for module in _MODULES}:
        return _importlib.import_module(f"{__name__}.{name}")
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # All other homes of names are not needed for a client.
    modules = ("client",) if name == "AsyncEmayVoice" else _MODULES
    homes = (_importlib.import_module(f"{__name__}.{module}") for module in modules)
    value = next(getattr(home, name) for home in homes if name in home.__all__)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the names above, imported or not."""
    return sorted({*globals(), *__all__})
