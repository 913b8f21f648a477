"""Says when a send rests outside the calling hours, and when it goes on."""

import asyncio
import time
from collections.abc import Callable
from datetime import datetime
from typing import Final

from emay_voice_async.model.beijing import BEIJING
from emay_voice_async.sending.hours import CallingHours

__all__ = ["tell_hours"]

_NAP: Final = 30.0
"""Seconds after which the clock is looked at again: hosts sleep, clocks are set."""


async def tell_hours(
    hours: CallingHours, say: Callable[[str], object], clock: Callable[[], float] = time.time
) -> None:
    """Say it each time that the calling hours end and begin, until cancelled."""
    resting = False
    while True:
        now = clock()
        pause = hours.wait(now)
        if pause and not resting:
            begins = datetime.fromtimestamp(now + pause, BEIJING)
            say(f"Outside the calling hours {hours}: going on at {begins:%Y-%m-%d %H:%M}.")
        elif resting and not pause:
            say("The calling hours have begun: going on.")
        resting = pause > 0
        await asyncio.sleep(min(_NAP, pause or hours.left(now)))
