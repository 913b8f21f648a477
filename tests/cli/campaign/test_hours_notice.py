"""Notices at the end and the start of the calling hours."""

import asyncio
from datetime import datetime

from support.virtual_time import now, run

from emay_voice_async.cli.campaign.hours_notice import announce_hours
from emay_voice_async.model.beijing import BEIJING
from emay_voice_async.sending.hours import CallingHours

NOON = datetime(2026, 1, 1, 12, tzinfo=BEIJING).timestamp()


def test_notices() -> None:
    """Each end and each start of the calling hours is announced once, with the time of the next start."""
    told: list[tuple[float, str]] = []

    async def main() -> None:
        began = now()
        telling = asyncio.ensure_future(
            announce_hours(
                CallingHours("12:01-12:02,14:00-14:01"),
                lambda text: told.append((now() - began, text)),
                lambda: NOON + now() - began,
            )
        )
        await asyncio.sleep(7300)
        telling.cancel()
        await asyncio.wait({telling})

    run(main())
    texts = [text for _, text in told]
    resting = (
        "Outside the calling hours 12:01-12:02,14:00-14:01 (Beijing time): sending resumes at 2026-01-01"
    )
    assert texts[:3] == [
        f"{resting} 12:01.",
        "Inside the calling hours again: sending resumes.",
        f"{resting} 14:00.",
    ]
    assert texts[3:4] == ["Inside the calling hours again: sending resumes."]
    assert [round(at) for at, _ in told[:4]] == [0, 60, 120, 7200]
