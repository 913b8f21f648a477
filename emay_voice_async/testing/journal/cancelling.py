"""Rules of a journal: calls that are cancelled."""

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any

from emay_voice_async.journal.protocol import State
from emay_voice_async.testing.journal.places import JournalPlace, JournalRules, journal_rule
from emay_voice_async.testing.journal.values import (
    PURPOSE,
    all_lines,
    begun,
    claim,
    keys,
    report_of,
    settled,
    states,
)
from emay_voice_async.testing.rules import same, true

__all__ = ["CancellingRules", "cancelled_after"]


class CancellingRules(JournalRules):
    """Calls that are cancelled at any step."""

    @journal_rule
    async def test_a_cancelled_begin_is_whole_or_nothing(self, place: JournalPlace) -> None:
        """A begin that is cancelled at any step has claimed the whole batch or no call of it."""
        async with place.open() as journal:
            run = await journal.start(PURPOSE)
            turns = 0
            while True:
                of = keys(*range(100 * turns, 100 * turns + 40))
                await settled(run, of[20:], State.NOT_SENT)
                batch = claim(of)
                finished = await cancelled_after(turns, run.begin(batch))
                fresh, again = set(await states(run, of[:20])), set(await states(run, of[20:]))
                whole, nothing = {State.UNDER_WAY}, ({None}, {State.NOT_SENT})
                true((fresh, again) in ((whole, whole), nothing), "the whole batch is claimed, or none of it")
                if finished:
                    same(finished, [True])
                    break
                # The request did not leave, so the claim is closed as not sent.
                await run.close(batch, State.NOT_SENT, reason="cancelled")
                true(await run.begin(claim(of)), "the batch can be claimed after it was closed as not sent")
                turns = _later(turns)

    @journal_rule
    async def test_a_cancelled_close_can_be_repeated(self, place: JournalPlace) -> None:
        """A close that is cancelled at any step has closed all calls or none, and a repeat closes them."""
        async with place.open() as journal:
            run = await journal.start(PURPOSE)
            turns = 0
            while True:
                batch = await begun(run, keys(*range(100 * turns, 100 * turns + 20)))
                ids = [f"m{place}" for place in range(20)]
                closing = run.close(batch, State.ACCEPTED, message_ids=ids)
                finished = await cancelled_after(turns, closing)
                true(
                    set(await states(run, batch.keys)) in ({State.UNDER_WAY}, {State.ACCEPTED}),
                    "all calls of the claim are closed, or none",
                )
                await run.close(batch, State.ACCEPTED, message_ids=ids)
                same([standing and standing.message_id for standing in await run.look(batch.keys)], ids)
                if finished:
                    break
                turns = _later(turns)

    @journal_rule
    async def test_cancelled_calls_change_no_later_result(self, place: JournalPlace) -> None:
        """A cancelled look, summary, record, start or end does not change later results."""
        async with place.open() as journal:
            run = await journal.start(PURPOSE)
            batch = await settled(run, keys(*range(20)), State.UNKNOWN)
            reports = [
                report_of(key, custom_id=custom_id)
                for key, custom_id in zip(batch.keys, batch.custom_ids, strict=True)
            ]
            for turns in range(0, 40, 4):
                await cancelled_after(turns, run.look(batch.keys))
                await cancelled_after(turns, journal.summary())
                await cancelled_after(turns, journal.record(reports))
                await cancelled_after(turns, (await journal.start(PURPOSE)).end())
                await cancelled_after(turns, journal.start(PURPOSE))
                same(len(await all_lines(journal)), 20)
            same(await journal.record(reports), 20)
            same(set(await states(run, batch.keys)), {State.ACCEPTED})


def _later(turns: int) -> int:
    """Return the next number of turns, in growing steps, because a thread or a server takes many turns of the loop."""
    return turns + 1 + turns // 5


async def cancelled_after(turns: int, work: Coroutine[Any, Any, Any]) -> list[Any]:
    """Cancel ``work`` after so many turns of the loop; return a list with the result, if any."""
    task = asyncio.create_task(work)
    for _ in range(turns):
        if task.done():
            break
        await asyncio.sleep(0)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        return [await task]
    return []
