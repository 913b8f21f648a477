"""Pushes of status reports, received by an ASGI application."""

from emay_voice_async.receiver.app import PushReceiver, Receive, Rejected, Scope, Send
from emay_voice_async.receiver.deduplication import RecentReports, ReportStore

__all__ = ["PushReceiver", "Receive", "RecentReports", "Rejected", "ReportStore", "Scope", "Send"]
