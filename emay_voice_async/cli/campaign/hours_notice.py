"""Announces the end and the start of the calling hours during a send."""

import asyncio
import time
from collections.abc import Callable
from datetime import datetime
from typing import Final

from emay_voice_async.cli.terminal.formatting import hours_of
from emay_voice_async.cli.terminal.language import gettext
from emay_voice_async.model.beijing import BEIJING
from emay_voice_async.sending.hours import CallingHours

__all__ = ["announce_hours"]

_LONGEST_SLEEP: Final = 30.0
"""Seconds between two looks at the clock: a host can be suspended, and its clock can be set."""


async def announce_hours(
    hours: CallingHours, say: Callable[[str], object], clock: Callable[[], float] = time.time
) -> None:
    """Announce each end and each start of the calling hours until cancelled."""
    is_paused = False
    while True:
        now = clock()
        pause = hours.wait(now)
        if pause and not is_paused:
            start = datetime.fromtimestamp(now + pause, BEIJING)
            say(
                gettext(
                    "Outside the calling hours {hours}: sending resumes at {time:%Y-%m-%d %H:%M}.",
                    hours=hours_of(hours),
                    time=start,
                )
            )
        elif is_paused and not pause:
            say(gettext("Inside the calling hours again: sending resumes."))
        is_paused = pause > 0
        await asyncio.sleep(min(_LONGEST_SLEEP, pause or hours.left(now)))
