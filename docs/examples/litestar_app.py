"""A Litestar application that receives pushes.

Run it with ``uvicorn litestar_app:app``.
"""

import os

from litestar import Litestar, asgi

from emay_voice_async import Report
from emay_voice_async.receiver import PushReceiver, Receive, RecentReports, Scope, Send

ACCOUNT = {os.environ["EMAY_VOICE_APP_ID"]: os.environ["EMAY_VOICE_SECRET_KEY"]}
REPORTS: list[Report] = []  # in place of a database


async def on_reports(reports: list[Report]) -> None:
    """Store the reports of a push; the push is confirmed when this function has returned."""
    REPORTS.extend(reports)


receiver = PushReceiver(ACCOUNT, on_reports, deduplicate=RecentReports())


@asgi("/emay", is_mount=True, copy_scope=False)
async def emay(scope: Scope, receive: Receive, send: Send) -> None:
    """Receive a push."""
    await receiver(scope, receive, send)


app = Litestar([emay], logging_config=None)
