"""A worker script: call everybody in a file, once, however often the script is killed and started again.

``python worker.py numbers.txt``
"""

import asyncio
import sys
import time

from emay_voice_async import Accepted, AsyncEmayVoice, CallingHours, Notice, Unknown
from emay_voice_async.journal import SqliteJournal, State
from emay_voice_async.lists import read_recipients, recipients_of

MESSAGE = Notice("您的快递已到，请尽快领取。")
HOURS = CallingHours("09:00-12:00,14:00-20:00")  # Beijing time; outside of these hours the run sleeps
REPORTS_WITHIN = 3600.0  # seconds after the last call
ROUND = 10.0  # seconds between two looks at the missing reports


async def main(path: str) -> None:
    """Call the numbers of a file, then record the reports."""
    async with AsyncEmayVoice.from_env() as voice, SqliteJournal(f"{path}.journal") as journal:
        plan = await voice.plan(MESSAGE, recipients_of(read_recipients(path)), journal=journal)
        print(f"{plan.numbers} to call in {plan.seconds:.0f} s, {plan.accepted_before} were called before")
        numbers = recipients_of(read_recipients(path))
        async for outcome in voice.send_batches(
            MESSAGE, numbers, journal=journal, max_calls=100_000, hours=HOURS
        ):
            match outcome:
                case Accepted(recorded=True):
                    continue
                case Accepted(tickets=tickets):
                    print("accepted:", len(tickets))
                case Unknown(recipients=recipients):
                    print("perhaps called, their reports will tell:", len(recipients))
                case _:
                    print("not called:", len(outcome.recipients), outcome.error)
        await record_reports(voice, journal, f"{path}.reports")
        states = (await journal.summary()).states
        print("accepted in all:", states[State.ACCEPTED], "unknown:", states[State.UNKNOWN])


async def record_reports(voice: AsyncEmayVoice, journal: SqliteJournal, spool: str) -> None:
    """Record reports until all calls have one, or the time is over.

    A page of reports stays in the spool until the next page is asked for, so a killed process loses no report.
    """
    end = time.monotonic() + REPORTS_WITHIN
    while (left := end - time.monotonic()) > 0 and await missing(journal):
        async for page in voice.report_pages(follow=True, deadline=min(left, ROUND), spool=spool):
            await journal.record(page)
    print("calls without a report:", await missing(journal))


async def missing(journal: SqliteJournal) -> int:
    """Count the calls that have no report yet."""
    summary = await journal.summary()
    calls = summary.states[State.ACCEPTED] + summary.states[State.UNKNOWN]
    return calls - sum(summary.reported.values())


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
