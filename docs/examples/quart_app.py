"""A Quart application that receives pushes.

Run it with ``hypercorn quart_app:app``.
"""

import os

from quart import Quart, Response, request

from emay_voice_async import Report
from emay_voice_async.receiver import PushReceiver, RecentReports

ACCOUNT = {os.environ["EMAY_VOICE_APP_ID"]: os.environ["EMAY_VOICE_SECRET_KEY"]}
REPORTS: list[Report] = []  # in place of a database


async def on_reports(reports: list[Report]) -> None:
    """Store the reports of a push; the push is confirmed when this function has returned."""
    REPORTS.extend(reports)


receiver = PushReceiver(ACCOUNT, on_reports, deduplicate=RecentReports())
app = Quart(__name__)
app.config["MAX_CONTENT_LENGTH"] = None  # the receiver has bounds of its own


@app.post("/emay/")
async def emay() -> Response:
    """Receive a push; the body is read in pieces, with the receiver's bounds."""
    answer = await receiver.handle(
        request.method, request.path, request.headers, request.body, request.remote_addr
    )
    return Response(answer.body, answer.status, dict(answer.headers))
