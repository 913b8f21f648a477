"""A Flask application with a route that calls, the pushes, and a route that shows the reports.

Run it with ``flask --app flask_app run``. The client and the receiver live in one event loop, which runs in a thread of
its own; the threads of Flask reach it through a portal.
"""

import atexit
import os
from contextlib import ExitStack
from functools import cache
from threading import Lock

from anyio.from_thread import BlockingPortal, start_blocking_portal
from flask import Flask, Response, jsonify, request

from emay_voice_async import AsyncEmayVoice, InvalidRequestError, Notice, Report, SendError, unstructure
from emay_voice_async.receiver import PushReceiver, RecentReports

ACCOUNT = {os.environ["EMAY_VOICE_APP_ID"]: os.environ["EMAY_VOICE_SECRET_KEY"]}
REPORTS: list[Report] = []  # in place of a database
STACK = ExitStack()
LOCK = Lock()

atexit.register(STACK.close)


async def on_reports(reports: list[Report]) -> None:
    """Store the reports of a push; the push is confirmed when this function has returned."""
    REPORTS.extend(reports)


receiver = PushReceiver(ACCOUNT, on_reports, deduplicate=RecentReports())
app = Flask(__name__)
app.config["MAX_CONTENT_LENGTH"] = 16 * 1024 * 1024


@cache
def start() -> tuple[BlockingPortal, AsyncEmayVoice]:
    """Start the event loop and the client; both end with the process."""
    portal = STACK.enter_context(start_blocking_portal())
    return portal, STACK.enter_context(portal.wrap_async_context_manager(AsyncEmayVoice.from_env()))


def service() -> tuple[BlockingPortal, AsyncEmayVoice]:
    """Return the event loop and the client of this process, made at its first request: a fork keeps no thread."""
    with LOCK:
        return start()


@app.post("/emay/")
def emay() -> Response:
    """Receive a push."""
    portal, _ = service()
    body = request.get_data()
    answer = portal.call(
        receiver.handle, request.method, request.path, request.headers, body, request.remote_addr
    )
    return Response(answer.body, answer.status, dict(answer.headers))


@app.post("/calls/<mobile>")
def call(mobile: str) -> tuple[Response, int]:
    """Call a number, and return the outcome."""
    portal, voice = service()
    try:
        result = portal.call(voice.send, Notice("您的快递已到，请尽快领取。"), mobile)
    except InvalidRequestError as error:  # our own check, before anything was sent
        return jsonify(error=str(error)), 422
    except SendError as error:
        result = error.result  # refused, not sent, or unknown
    return jsonify(unstructure(result.outcomes[0])), 200


@app.get("/reports")
def show() -> Response:
    """Return all reports."""
    return jsonify(unstructure(REPORTS))
