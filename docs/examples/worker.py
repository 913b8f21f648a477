"""A worker script: call everybody in a file, once, however often the script is killed and started again.

``python worker.py numbers.txt``
"""

import asyncio
import sys

from emay_voice_async import Accepted, AsyncEmayVoice, CallingHours, Notice, Product, Unknown
from emay_voice_async.journal import SqliteJournal, State
from emay_voice_async.lists import read_recipients, recipients_of

MESSAGE = Notice("您的快递已到，请尽快领取。")


async def main(path: str) -> None:
    """Send to the numbers of a file, then join in the reports."""
    async with AsyncEmayVoice.from_env() as voice, SqliteJournal(f"{path}.journal") as journal:
        plan = await voice.plan(MESSAGE, recipients_of(read_recipients(path)), journal=journal)
        print(f"{plan.numbers} to call in {plan.seconds:.0f} s, {plan.accepted_before} were called before")
        numbers = recipients_of(read_recipients(path))
        hours = CallingHours("00:00-24:00")  # Beijing time; outside of them the run sleeps
        async for outcome in voice.send_batches(
            MESSAGE, numbers, journal=journal, max_calls=100_000, hours=hours
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
        async for report in voice.reports(product=Product.VOICE):
            await journal.record([report])
        states = (await journal.summary()).states
        print("accepted in all:", states[State.ACCEPTED], "unknown:", states[State.UNKNOWN])


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
