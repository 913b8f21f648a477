"""The null journal: every number is new, and no outcome is recorded."""

import asyncio

from emay_voice_async.journal.null_journal import NullJournal
from emay_voice_async.journal.protocol import Journal, JournalRun, State
from emay_voice_async.testing.journal.values import PURPOSE, all_lines, claim, keys, report_of


def test_every_number_is_new() -> None:
    """A run claims each batch, again after an acceptance, and the journal has no lines and no calls."""

    async def main() -> None:
        journal: Journal = NullJournal()
        async with journal:
            run: JournalRun = await journal.start(PURPOSE)
            batch = claim(keys(1, 2))
            assert await run.begin(batch)
            await run.close(batch, State.ACCEPTED, message_ids=["m1", "m2"])
            assert list(await run.look(keys(1, 2))) == [None, None]
            assert await run.begin(claim(keys(1)))
            await run.end()
            assert await journal.record([report_of(keys(1)[0], message_id="m1")]) == 0
            assert await all_lines(journal) == []
            summary = await journal.summary()
            assert sum(summary.states.values()) == 0
            assert summary.reported == {}
        await journal.aclose()

    asyncio.run(main())
