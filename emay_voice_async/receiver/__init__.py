"""Pushes of status reports, received by an ASGI application or any other web framework."""

from emay_voice_async.receiver.app import PushReceiver
from emay_voice_async.receiver.asgi import Receive, Scope, Send
from emay_voice_async.receiver.deduplication import ClaimResult, RecentReports, ReportStore
from emay_voice_async.receiver.rejections import Rejected
from emay_voice_async.receiver.responses import PushResponse

__all__ = [
    "ClaimResult",
    "PushReceiver",
    "PushResponse",
    "Receive",
    "RecentReports",
    "Rejected",
    "ReportStore",
    "Scope",
    "Send",
]
