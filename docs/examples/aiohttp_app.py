"""An aiohttp application with a route that calls, the pushes, and a route that shows the reports.

Run it with ``python aiohttp_app.py``. The service's address, the appId and the secretKey come from the environment.
"""

import os
from collections.abc import AsyncGenerator

from aiohttp import web

from emay_voice_async import AsyncEmayVoice, InvalidRequestError, Notice, Report, SendError, unstructure
from emay_voice_async.receiver import PushReceiver, RecentReports

ACCOUNT = {os.environ["EMAY_VOICE_APP_ID"]: os.environ["EMAY_VOICE_SECRET_KEY"]}
REPORTS: list[Report] = []  # in place of a database
VOICE = web.AppKey("voice", AsyncEmayVoice)


async def on_reports(reports: list[Report]) -> None:
    """Store the reports of a push; the push is confirmed when this function has returned."""
    REPORTS.extend(reports)


receiver = PushReceiver(ACCOUNT, on_reports, deduplicate=RecentReports())


async def emay(request: web.Request) -> web.Response:
    """Receive a push; the body is read in pieces, with the receiver's bounds."""
    pieces = request.content.iter_any()
    answer = await receiver.handle(request.method, request.path, request.headers, pieces, request.remote)
    response = web.Response(status=answer.status, body=answer.body, headers=answer.headers)
    if answer.close:
        response.force_close()
    return response


async def call(request: web.Request) -> web.Response:
    """Call a number, and return the outcome."""
    notice = Notice("您的快递已到，请尽快领取。")
    try:
        result = await request.app[VOICE].send(notice, request.match_info["mobile"], deadline=20)
    except InvalidRequestError as error:  # our own check, before anything was sent
        return web.json_response({"error": str(error)}, status=422)
    except SendError as error:
        result = error.result  # refused, not sent, or unknown
    return web.json_response(unstructure(result.outcomes[0]))


async def show(request: web.Request) -> web.Response:
    """Return all reports."""
    return web.json_response(unstructure(REPORTS))


async def client(app: web.Application) -> AsyncGenerator[None]:
    """Have one client for all requests, and close it when the application ends."""
    async with AsyncEmayVoice.from_env() as voice:
        app[VOICE] = voice
        yield


def make_app() -> web.Application:
    """Make the application."""
    app = web.Application()
    app.cleanup_ctx.append(client)
    app.add_routes([web.route("*", "/emay/", emay)])
    app.add_routes([web.post("/calls/{mobile}", call), web.get("/reports", show)])
    return app


if __name__ == "__main__":
    web.run_app(make_app(), port=8000)
