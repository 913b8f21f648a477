"""A web app that calls people from its requests and receives the pushed status reports.

Run it with ``uvicorn web_app:app``. The service's address, the appId and the secretKey come from the environment.
"""

import asyncio
import os
import sqlite3
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, closing

from fastapi import FastAPI, HTTPException

from emay_voice_async import AsyncEmayVoice, Notice, NotSent, Recipient, Refused, Report, SendError
from emay_voice_async.receiver import PushReceiver, RecentReports

ACCOUNT = {os.environ["EMAY_VOICE_APP_ID"]: os.environ["EMAY_VOICE_SECRET_KEY"]}
DATABASE = os.environ.get("REPORTS_DATABASE", "reports.db")


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
    """Have one client for all requests, and close it when the app ends."""
    async with AsyncEmayVoice.from_env() as voice:
        app.state.voice = voice
        yield


def store(reports: Sequence[Report]) -> None:
    """Store reports; return when they are on the disk."""
    rows = [
        (
            one.message_id,
            one.custom_id,
            one.mobile,
            one.raw_state,
            one.key_pressed,
            one.duration,
            one.recording,
        )
        for one in reports
    ]
    with closing(sqlite3.connect(DATABASE)) as db, db:
        db.execute(
            "CREATE TABLE IF NOT EXISTS reports (message_id TEXT, custom_id TEXT, mobile TEXT, state TEXT,"
            " key_pressed TEXT, duration REAL, recording BLOB)"
        )
        db.executemany("INSERT INTO reports VALUES (?, ?, ?, ?, ?, ?, ?)", rows)


async def on_reports(reports: list[Report]) -> None:
    """Store pushed reports before the push is confirmed, then hand them to the calls that wait for them."""
    await asyncio.to_thread(store, reports)
    app.state.voice.feed(reports, keep=False)


app = FastAPI(lifespan=lifespan)
app.mount("/emay", PushReceiver(ACCOUNT, on_reports, deduplicate=RecentReports()))


@app.post("/orders/{order}/reminder", status_code=202)
async def remind(order: str, mobile: str) -> dict[str, str]:
    """Call the customer of an order."""
    try:
        result = await app.state.voice.send(
            Notice("您的快递已到，请尽快领取。"), Recipient(mobile, custom_id=f"order-{order}"), deadline=20
        )
    except ValueError as error:  # our own check, before anything was sent
        raise HTTPException(422, str(error)) from error
    except SendError as error:
        match error.result.outcomes[0]:
            case Refused(error=refusal):
                raise HTTPException(502, str(refusal)) from error
            case NotSent():
                raise HTTPException(503, "not called; try again") from error
            case _:  # Unknown: it may be ringing, so do not try again; the report will tell
                return {"status": "unknown", "custom_id": f"order-{order}"}
    return {"status": "accepted", "message_id": result.tickets[0].message_id}
