"""A Starlette application with a route that calls, the pushes, and a route that shows the reports.

Run it with ``uvicorn starlette_app:app``. The service's address, the appId and the secretKey come from the environment.
"""

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route

from emay_voice_async import AsyncEmayVoice, InvalidRequestError, Notice, Report, SendError, unstructure
from emay_voice_async.receiver import PushReceiver, RecentReports

ACCOUNT = {os.environ["EMAY_VOICE_APP_ID"]: os.environ["EMAY_VOICE_SECRET_KEY"]}
REPORTS: list[Report] = []  # in place of a database


async def on_reports(reports: list[Report]) -> None:
    """Store the reports of a push; the push is confirmed when this function has returned."""
    REPORTS.extend(reports)


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncGenerator[None]:
    """Have one client for all requests, and close it when the application ends."""
    async with AsyncEmayVoice.from_env() as voice:
        app.state.voice = voice
        yield


async def call(request: Request) -> JSONResponse:
    """Call a number, and return the outcome."""
    voice: AsyncEmayVoice = request.app.state.voice
    notice = Notice("您的快递已到，请尽快领取。")
    try:
        result = await voice.send(notice, request.path_params["mobile"], deadline=20)
    except InvalidRequestError as error:  # our own check, before anything was sent
        return JSONResponse({"error": str(error)}, 422)
    except SendError as error:
        result = error.result  # refused, not sent, or unknown
    return JSONResponse(unstructure(result.outcomes[0]))


async def show(request: Request) -> JSONResponse:
    """Return all reports."""
    return JSONResponse(unstructure(REPORTS))


app = Starlette(
    lifespan=lifespan,
    routes=[
        Mount("/emay", PushReceiver(ACCOUNT, on_reports, deduplicate=RecentReports())),
        Route("/calls/{mobile}", call, methods=["POST"]),
        Route("/reports", show),
    ],
)
