"""Claiming and closing in one statement, against the transactions of several statements."""

import asyncio
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event, select, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.schema import CreateSchema, DropSchema
from support.sql_places import SqlPlace, placed, scenario

from emay_voice_async.journal.protocol import Key, State
from emay_voice_async.journal.purpose import StoredPurpose
from emay_voice_async.sql.campaigns import Campaign
from emay_voice_async.sql.dialects import DIALECTS
from emay_voice_async.sql.journal import SqlJournal
from emay_voice_async.sql.tables import digest
from emay_voice_async.testing.journal.values import PURPOSE, all_lines, begun, claim, keys, settled, states

ODD = ["", "\n", "\\n", "\\", '"', "\0", "\ud800", "a\nb", "亿美软通", "\u2028"]


@given(st.builds(Key, st.text(), st.text(), st.integers(min_value=0)))
def test_the_keys_of_calls(key: Key) -> None:
    """The key of a call is the digest of the campaign and the call."""
    campaign = Campaign(7, StoredPurpose.of(PURPOSE), 0)
    assert campaign.keys([key]) == [digest(7, *key)]


async def rows_of(place: SqlPlace) -> list[list[Any]]:
    """Read what the tables have of calls and tickets."""
    calls, tickets = place.tables.calls.c, place.tables.tickets.c
    of_calls = (calls.key, calls.mobile, calls.number, calls.custom_id, calls.place, calls.position)
    wanted = (
        select(*of_calls).order_by(calls.position),
        select(tickets.place, tickets.message_id).order_by(tickets.place),
    )
    return [list(await place.do(statement)) for statement in wanted]


def test_both_ways_write_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """A claim and its outcome are the same in the tables, whether written by one statement or by several."""

    async def main() -> tuple[list[list[Any]], list[str]]:
        async with placed("postgres") as place, place.open() as journal:
            run = await journal.start(PURPOSE)
            batch = claim(keys(*range(len(ODD))), custom_ids=[f"{text}c" for text in ODD])
            assert await run.begin(batch)
            await run.close(batch, State.ACCEPTED, message_ids=ODD)
            refused = claim(keys(100), custom_ids=["r"])
            assert await run.begin(refused)
            await run.close(refused, State.REFUSED, reason="a\n\0b")
            return await rows_of(place), [line.reason for line in await all_lines(journal)]

    ways = []
    for single in (True, False):
        dialect = evolve(DIALECTS["postgresql"], single_statements=single)
        monkeypatch.setitem(DIALECTS, "postgresql", dialect)
        ways.append(asyncio.run(main()))
    assert ways[0] == ways[1]
    [(calls, tickets), reasons] = ways[0]
    assert (len(calls), len(tickets)) == (len(ODD) + 1, len(ODD) - 1)
    assert reasons == [""] * len(ODD) + ["a\n\0b"]


@scenario
async def test_calls_for_which_one_statement_is_not_made(place: SqlPlace) -> None:
    """A number of another length, and a call without a custom id, are claimed and closed like others."""
    async with place.open() as journal:
        run = await journal.start(PURPOSE)
        for of, custom_ids in (((Key("123"),), ["c"]), (keys(1), [""]), (keys(2, 3), ["c", ""])):
            batch = claim(of, custom_ids=custom_ids)
            assert await run.begin(batch)
            assert await states(run, of) == [State.UNDER_WAY] * len(of)
            await run.close(batch, State.ACCEPTED, message_ids=["m"] * len(of))
        assert {line.state for line in await all_lines(journal)} == {State.ACCEPTED}


@scenario
async def test_a_batch_with_one_known_call(place: SqlPlace) -> None:
    """A batch with one call that is under way is not claimed, and the other calls stay new."""
    async with place.open() as journal:
        run = await journal.start(PURPOSE)
        await begun(run, keys(5))
        assert not await run.begin(claim(keys(4, 5, 6)))
        assert await states(run, keys(4, 5, 6)) == [None, State.UNDER_WAY, None]


@scenario
async def test_overlapping_batches_at_once(place: SqlPlace) -> None:
    """Of batches that overlap and are claimed at once, in any order of the calls, exactly one is claimed."""
    async with place.open() as journal, place.open() as another:
        runs = [await journal.start(PURPOSE), await another.start(PURPOSE)]
        for turn in range(5):
            of = keys(*range(100 * turn, 100 * turn + 50))
            batches = [claim(of), claim(of[::-1]), claim(of[25:]), claim(of[:30])]
            begins = [run.begin(batch) for run, batch in zip(runs * 2, batches, strict=True)]
            begun_ = await asyncio.gather(*begins)
            assert begun_.count(True) == 1 or begun_ == [False, False, True, False]
            winner = batches[begun_.index(True)]
            assert await states(runs[0], winner.keys) == [State.UNDER_WAY] * len(winner.keys)


@scenario
async def test_an_answer_that_was_lost(place: SqlPlace) -> None:
    """A claim that was committed before the connection was lost is found by the next attempt."""
    engine = create_async_engine(place.url)
    run = await place.given(engine).start(PURPOSE)
    lost: list[str] = []

    def lose(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        if not lost and "INSERT INTO" in statement and "unnest" in statement:
            lost.append(statement)
            raise ConnectionResetError

    event.listen(engine.sync_engine, "after_cursor_execute", lose)
    batch = claim(keys(1, 2))
    assert await run.begin(batch)
    assert await states(run, keys(1, 2)) == [State.UNDER_WAY] * 2
    await run.close(batch, State.ACCEPTED, message_ids=["m1", "m2"])
    assert await states(run, keys(1, 2)) == [State.ACCEPTED] * 2
    await engine.dispose()


def test_an_engine_that_translates_schemas() -> None:
    """Claims and outcomes are in the schema of the engine, even if the same tables exist in another schema."""

    async def main() -> None:
        async with placed("postgres") as place:
            schema = f"{place.prefix}tenant"
            engine = place.engine.execution_options(schema_translate_map={None: schema})
            await place.do(CreateSchema(schema))
            try:
                journal = SqlJournal(engine, "spring", prefix=place.prefix)
                await journal.create_schema()
                run = await journal.start(PURPOSE)
                await place.open().create_schema()
                batch = claim(keys(1, 2))
                assert await run.begin(batch)
                assert await states(run, keys(1, 2)) == [State.UNDER_WAY] * 2
                await run.close(batch, State.ACCEPTED, message_ids=["m1", "m2"])
                assert await states(run, keys(1, 2)) == [State.ACCEPTED] * 2
                assert not await run.begin(claim(keys(2)))
                assert await rows_of(place) == [[], []]
            finally:
                await place.do(DropSchema(schema, cascade=True))

    asyncio.run(main())


REFUSE_SERIALIZABLE = """
BEGIN
    IF current_setting('transaction_isolation') = 'serializable' THEN
        RAISE 'could not serialize access' USING ERRCODE = '40001';
    END IF;
    RETURN NEW;
END
"""


def test_a_server_that_is_serializable_by_default() -> None:
    """A claim and an outcome that conflict as single statements are written in a transaction of the journal's own."""

    async def main() -> None:
        async with placed("postgres") as place:
            settings = {"server_settings": {"default_transaction_isolation": "serializable"}}
            engine = create_async_engine(place.url, connect_args=settings)
            journal = place.given(engine)
            run = await journal.start(PURPOSE)
            claims, name = place.tables.claims.name, f"{place.prefix}conflict"
            try:
                await place.do(
                    text(
                        f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $${REFUSE_SERIALIZABLE}$$"
                    )
                )
                await place.do(
                    text(
                        f"CREATE TRIGGER {name} BEFORE INSERT OR UPDATE ON {claims} EXECUTE FUNCTION {name}()"
                    )
                )
                batch = await begun(run, keys(1, 2))
                await run.close(batch, State.ACCEPTED, message_ids=["m1", "m2"])
                assert await states(run, keys(1, 2)) == [State.ACCEPTED] * 2
            finally:
                await run.end()
                await engine.dispose()
                await place.do(text(f"DROP FUNCTION IF EXISTS {name} CASCADE"))

    asyncio.run(main())


def test_calls_are_inserted_in_the_order_of_their_keys() -> None:
    """Calls are inserted in one order by both ways, so that two senders do not wait for each other."""

    async def main() -> None:
        async with placed("postgres") as place, place.open() as journal:
            run = await journal.start(PURPOSE)
            await settled(run, keys(0), State.REFUSED)
            for of in (keys(*range(1, 50)), keys(*range(50, 100), 0)):
                await begun(run, of)
            calls = place.tables.calls.c
            found = (await place.do(select(calls.key, calls.claim).order_by(text("ctid")))).all()
            of_claims = [[key for key, claim_ in found if claim_ == number] for number in (2, 3)]
            assert of_claims == [sorted(keys_) for keys_ in of_claims]

    asyncio.run(main())
