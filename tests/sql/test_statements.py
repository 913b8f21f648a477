"""Claims in an SQL database: looked up, claimed and closed, by many senders at once."""

import asyncio
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

from sqlalchemy import event
from sqlalchemy.ext.asyncio import create_async_engine
from support.sql_places import SqlPlace, scenario
from support.sql_worker import EVERY, LASTS

from emay_voice_async.journal.protocol import Key, Standing, State
from emay_voice_async.sql.journal import _SqlRun
from emay_voice_async.testing.journal.cancelling import cancelled_after
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

TESTS = Path(__file__).parent.parent


@scenario
async def test_a_claim_is_under_way_until_its_time_is_over(place: SqlPlace) -> None:
    """A sender cannot be checked for life: a claim is under way until its time is over, then unknown, never free."""
    async with place.open() as journal, place.open() as another:
        run, other = await journal.start(PURPOSE), await another.start(PURPOSE)
        batch = claim(keys(1), lasts=7200)
        assert await run.begin(batch)
        # The time of the claim plus the timeout of the call that claimed.
        await place.age(None, 7200 + 30 - 3600)
        for looks in (run, other):
            assert await states(looks, keys(1)) == [State.UNDER_WAY]
        assert not await other.begin(claim(keys(1), resend=True))
        await place.age(None, 3600)
        for looks in (run, other):
            assert await states(looks, keys(1)) == [State.UNKNOWN]
        assert [line.reason for line in await all_lines(journal)] == [
            "the run that sent it ended before the answer came"
        ]
        assert not await other.begin(claim(keys(1)))
        anew = await begun(other, keys(1), resend=True)
        await run.close(batch, State.ACCEPTED, message_ids=["m1"])
        await run.end()
        assert list(await other.look(keys(1))) == [Standing(State.UNDER_WAY, anew.custom_ids[0])]


@scenario
async def test_a_late_answer_when_the_time_is_over(place: SqlPlace) -> None:
    """A claim can be closed after its time, unless another claim has taken over the calls."""
    async with place.open() as journal:
        run = await journal.start(PURPOSE)
        batch = await begun(run, keys(1))
        await place.age(None, 1e6)
        await run.close(batch, State.REFUSED, reason="ERROR_SIGN")
        assert await states(run, keys(1)) == [State.REFUSED]


@scenario
async def test_an_acceptance_is_final(place: SqlPlace) -> None:
    """Neither another outcome nor the end of the run changes an acceptance."""
    async with place.open() as journal:
        run = await journal.start(PURPOSE)
        batch = await settled(run, keys(1), State.ACCEPTED)
        for state in State:
            await run.close(batch, state, reason="why", message_ids=["other"])
        await run.end()
        await place.age(None, 1e6)
        again = await journal.start(PURPOSE)
        assert list(await again.look(keys(1))) == [
            Standing(State.ACCEPTED, batch.custom_ids[0], f"m-{batch.custom_ids[0]}")
        ]


@scenario
async def test_many_claim_in_many_campaigns(place: SqlPlace) -> None:
    """Sixteen runs at once claim, close, record and look at overlapping calls: no call is claimed twice."""
    chance = random.Random(1)
    journals = [place.open(name) for name in ("spring", "summer")]
    given: list[set[Key]] = [set(), set()]
    runs = [[await journal.start(PURPOSE) for _ in range(8)] for journal in journals]

    async def work(which: int, run: _SqlRun) -> None:
        for _ in range(8):
            of = chance.sample(keys(*range(120)), 15)
            batch = claim(of, resend=chance.random() < 0.5)
            if await run.begin(batch):
                assert not given[which] & set(of)
                given[which] |= set(of)
                await run.close(batch, State.ACCEPTED)
            report = report_of(of[0], custom_id=batch.custom_ids[0])
            assert await journals[which].record([report]) in (0, 1)
            await run.look(of)

    await asyncio.gather(*(work(which, run) for which, of_journal in enumerate(runs) for run in of_journal))
    for which, journal in enumerate(journals):
        assert given[which]
        assert {line.mobile for line in await all_lines(journal)} == {key.mobile for key in given[which]}


@scenario
async def test_four_processes_and_one_is_killed(place: SqlPlace) -> None:
    """Each call is claimed once; the open claims of the killed process are unknown after their time."""
    await place.open().create_schema()
    command = [sys.executable, str(TESTS / "support" / "sql_worker.py"), place.url, place.prefix]

    async def started(name: str) -> tuple[asyncio.subprocess.Process, asyncio.StreamReader]:
        pipe = subprocess.PIPE
        worker = await asyncio.create_subprocess_exec(*command, name, stdin=pipe, stdout=pipe)
        assert worker.stdout is not None
        return worker, worker.stdout

    doomed, its_lines = await started("doomed")
    printed = [await its_lines.readline() for _ in range(2)]
    others = [await started(name) for name in ("first", "second", "third")]
    printed += [await lines.readline() for _, lines in others]
    # The process goes on, and is killed at a random step.
    assert doomed.stdin is not None
    doomed.stdin.write(b"\n")
    doomed.kill()
    for lines in (its_lines, *(lines for _, lines in others)):
        printed += (await lines.read()).splitlines(keepends=True)
    assert await doomed.wait() == -9
    assert [await worker.wait() for worker, _ in others] == [0, 0, 0]
    # A line that was cut short is not counted.
    given = [mobile.decode() for line in printed if line.endswith(b"\n") for mobile in line.split()]
    assert len(given) == len(set(given))
    async with place.open() as journal:
        run = await journal.start(PURPOSE)
        before = await states(run, EVERY)
        assert set(before) == {State.ACCEPTED, State.UNDER_WAY}
        assert {
            key.mobile for key, state in zip(EVERY, before, strict=True) if state is State.ACCEPTED
        } <= set(given)
        await place.age(None, LASTS + 30)
        after = await states(run, EVERY)
        assert [State.UNKNOWN if state is State.UNDER_WAY else state for state in before] == after
        assert not any([await run.begin(claim([key])) for key in EVERY[::10]])
        summary = await journal.summary()
        assert sum(summary.states.values()) == len(EVERY)


@scenario
async def test_a_token_is_good_for_one_claim(place: SqlPlace) -> None:
    """A second begin with the same claim returns False."""
    async with place.open() as journal:
        run = await journal.start(PURPOSE)
        batch = await begun(run, keys(1))
        assert not await run.begin(batch)
        assert not await (await journal.start(PURPOSE)).begin(batch)


@scenario
async def test_a_begin_that_was_cancelled_is_free_after_the_run(place: SqlPlace) -> None:
    """A batch whose begin was cancelled is not sent, so it is free after the end of the run."""
    async with place.open() as journal:
        run, other = await journal.start(PURPOSE), await journal.start(PURPOSE)
        # The transaction has begun by then, and runs to its end.
        assert await cancelled_after(1, run.begin(claim(keys(1)))) == []
        assert await states(other, keys(1)) == [State.UNDER_WAY]
        await run.end()
        assert await states(other, keys(1)) == [State.NOT_SENT]


@scenario
async def test_a_batch_takes_few_round_trips(place: SqlPlace) -> None:
    """For 500 calls, look takes one statement, begin at most six, close at most two; PostgreSQL needs fewer."""
    engine = create_async_engine(place.url)
    run = await place.given(engine).start(PURPOSE)
    said: list[str] = []

    def count(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        said.append(statement)

    def since() -> int:
        number = len(said)
        said.clear()
        return number

    event.listen(engine.sync_engine, "before_cursor_execute", count)
    of, ids = keys(*range(500)), [f"m{number}" for number in range(500)]
    batch = claim(of)
    assert await run.begin(batch)
    assert since() <= (1 if "postgresql" in place.url else 4)
    await run.close(batch, State.NOT_SENT)
    assert since() <= 1
    again = claim(of)
    assert await run.begin(again)
    assert since() <= 6
    await run.close(again, State.ACCEPTED, message_ids=ids)
    assert since() <= (1 if "postgresql" in place.url else 2)
    await run.look(of)
    assert since() == 1
    await engine.dispose()
