"""Calling people by voice through the Emay (亿美软通) voice service, from asyncio."""

from emay_voice_async.client import AsyncEmayVoice
from emay_voice_async.codes import CallState, ResultCode
from emay_voice_async.endpoints import Product
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
from emay_voice_async.messages import Marketing, Notice, OnConnected, OnKey, VerificationCode, VoiceSms
from emay_voice_async.recipients import Recipient
from emay_voice_async.results import Accepted, NotSent, Refused, Report, SendResult, Ticket, Unknown
from emay_voice_async.window import RateLimit, RateLimits

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
