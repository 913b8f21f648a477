"""A process that claims as many calls of a journal as it can, and prints the numbers of each claim in a line."""

import asyncio
import random
import sys

from emay_voice_async.journal.protocol import Claim, Key, State
from emay_voice_async.journal.purpose import Purpose
from emay_voice_async.model.messages import Notice
from emay_voice_async.sql.journal import SqlJournal

PURPOSE = Purpose("app", Notice("您的快递已到"))
EVERY = [Key(f"138{number:08}") for number in range(400)]
LASTS = 3600.0


async def work(url: str, prefix: str, name: str) -> None:
    """Claim overlapping batches in random order, then the remaining calls one by one.

    The worker named "doomed" closes no claim, and waits for a line of input after the second claim.
    """
    chance = random.Random(name)
    batches = [EVERY[start : start + 20] for start in range(0, len(EVERY), 10)]
    chance.shuffle(batches)
    for batch in batches:
        chance.shuffle(batch)
    singles = [[key] for key in EVERY]
    claimed = 0
    async with SqlJournal(url, "spring", prefix=prefix) as journal:
        run = await journal.start(PURPOSE)
        for number, batch in enumerate([*batches, *singles]):
            if len(batch) == 1 and (await run.look(batch))[0] is not None:
                continue
            ids = tuple(f"{name}-{number}-{place}" for place in range(len(batch)))
            claim = Claim(f"{name}-{number}", tuple(batch), ids, LASTS)
            if await run.begin(claim):
                print(*(key.mobile for key in batch), flush=True)  # noqa: T201
                if name == "doomed":
                    claimed += 1
                    if claimed == 2:
                        sys.stdin.readline()
                else:
                    await run.close(claim, State.ACCEPTED, message_ids=ids)
        await run.end()


if __name__ == "__main__":
    asyncio.run(work(*sys.argv[1:]))
