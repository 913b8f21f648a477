"""Connections to a database: engines, failures, retries, and what errors tell."""

import asyncio
import contextlib
import threading
import traceback
from collections.abc import Awaitable, Callable
from functools import partial
from tempfile import TemporaryDirectory
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from attrs import evolve
from sqlalchemy import event, make_url, select, text, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.util import await_only
from support.sql_places import KINDS, SqlPlace, placed, scenario

from emay_voice_async.errors import JournalError
from emay_voice_async.journal.protocol import Standing, State
from emay_voice_async.sql import connections
from emay_voice_async.sql.journal import SqlJournal
from emay_voice_async.sql.tables import Tables
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


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the retries of permanent failures."""
    monkeypatch.setattr(connections, "_PAUSES", (0.02, 0.1, 0.3))


class Flaky:
    """An engine whose next ``left`` commits fail, before or after the database has committed.

    A single statement that writes commits, too.
    """

    def __init__(self, engine: AsyncEngine, *, done: bool) -> None:
        self.left = 0
        self._done = done
        commit, execute = engine.dialect.do_commit, engine.dialect.do_execute

        def do_execute(cursor: Any, statement: str, *arguments: Any) -> None:
            doing = partial(execute, cursor, statement, *arguments)
            if statement.lstrip().startswith("WITH"):
                self._commit(doing)
            else:
                doing()

        engine.dialect.do_commit = lambda connection: self._commit(  # type: ignore[assignment,method-assign]
            partial(commit, connection)
        )
        engine.dialect.do_execute = do_execute  # type: ignore[assignment,method-assign]

    def _commit(self, commit: Callable[[], None]) -> None:
        if self.left == 0:
            commit()
            return
        self.left -= 1
        if self._done:
            commit()
        raise LOST


LOST = ConnectionResetError("the server has gone away")


@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_a_commit_whose_answer_is_lost(kind: str, done: bool) -> None:
    """Whether or not the commit was done, the batch is claimed once and closed once, and begin returns True."""

    async def main() -> None:
        async with placed(kind) as place:
            flaky = Flaky(place.engine, done=done)
            journal = place.given(place.engine)
            run = await journal.start(PURPOSE)
            await settled(run, keys(2), State.REFUSED)
            flaky.left = 2
            batch = claim(keys(1, 2, 3))
            assert await run.begin(batch)
            assert flaky.left == 0
            assert not await run.begin(claim(keys(3)))
            assert list(await run.look(keys(2))) == [Standing(State.UNDER_WAY, batch.custom_ids[1])]
            flaky.left = 2
            await run.close(batch, State.ACCEPTED, message_ids=["m1", "m2", "m3"])
            assert [standing and standing.message_id for standing in await run.look(batch.keys)] == [
                "m1",
                "m2",
                "m3",
            ]
            flaky.left = 2
            assert await journal.record([report_of(keys(1)[0], message_id="m1")]) == 1
            claims = (await place.do(select(place.tables.claims.c.state))).all()
            assert sorted(row[0] for row in claims) == ["accepted", "refused"]

    asyncio.run(main())


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_a_begin_that_fails_in_the_end(kind: str, done: bool) -> None:
    """A failed begin raises; if the batch was claimed nevertheless, the batch is free after the run."""

    async def main() -> None:
        async with placed(kind) as place:
            flaky = Flaky(place.engine, done=done)
            journal = place.given(place.engine)
            run = await journal.start(PURPOSE)
            unanswered = await begun(run, keys(2))
            flaky.left = 100
            with pytest.raises(JournalError, match="has gone away") as caught:
                await run.begin(claim(keys(1)))
            assert caught.value.__cause__ is LOST
            flaky.left = 0
            other = await journal.start(PURPOSE)
            assert await states(other, keys(1)) == [State.UNDER_WAY if done else None]
            await run.end()
            assert await states(other, keys(1, 2)) == [State.NOT_SENT if done else None, State.UNKNOWN]
            assert await other.begin(claim(keys(1)))
            await run.close(unanswered, State.NOT_SENT)
            assert await states(other, keys(2)) == [State.NOT_SENT]

    asyncio.run(main())


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_a_close_that_fails_in_the_end(kind: str, done: bool) -> None:
    """A failed close raises; if the database committed nevertheless, the end of the run keeps the outcome."""

    async def main() -> None:
        async with placed(kind) as place:
            flaky = Flaky(place.engine, done=done)
            journal = place.given(place.engine)
            run = await journal.start(PURPOSE)
            batch = await begun(run, keys(1))
            flaky.left = 100
            with pytest.raises(JournalError, match="has gone away"):
                await run.close(batch, State.ACCEPTED, message_ids=["m1"])
            flaky.left = 0
            await run.end()
            after = await (await journal.start(PURPOSE)).look(keys(1))
            [custom_id] = batch.custom_ids
            assert list(after) == [
                Standing(State.ACCEPTED, custom_id, "m1") if done else Standing(State.UNKNOWN, custom_id)
            ]

    asyncio.run(main())


@scenario
async def test_a_campaign_that_somebody_holds_up(place: SqlPlace) -> None:
    """A claim waits for a locked campaign up to the timeout; the next claim works."""
    if place.url.startswith("sqlite"):
        # SQLite waits by itself, in a thread that cannot be interrupted.
        place.url += "?timeout=0.1"
    async with place.open() as journal:
        run = await journal.start(PURPOSE)
        await settled(run, keys(1), State.REFUSED)
        campaigns = place.tables.campaigns
        journal._resource.timeout = 0.5
        async with place.engine.begin() as holder:
            await holder.execute(update(campaigns).values(turns=campaigns.c.turns + 1))
            with pytest.raises(JournalError, match=r"no answer within 0.5 seconds|locked"):
                await run.begin(claim(keys(1)))
            journal._resource.timeout = 30.0
            assert await states(run, keys(1)) == [State.REFUSED]
            await holder.rollback()
        assert await run.begin(claim(keys(2)))


class Wire:
    """A proxy to a server, which can stop at a message, before or after the server received the message.

    ``armed``: a part of the message to stop at; None: no message.
    """

    def __init__(self, host: str, port: int, *, done: bool) -> None:
        self.armed: bytes | None = None
        self._server = host, port
        self._done = done

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        answers, questions = await asyncio.open_connection(*self._server)
        dead = asyncio.Event()
        both = asyncio.gather(self._ask(reader, questions, answers, dead), self._tell(answers, writer, dead))
        try:
            await both
        finally:
            for end in (questions, writer):
                end.transport.abort()

    async def _ask(
        self,
        reader: asyncio.StreamReader,
        questions: asyncio.StreamWriter,
        answers: asyncio.StreamReader,
        dead: asyncio.Event,
    ) -> None:
        while data := await reader.read(1 << 16):
            if self.armed is not None and self.armed in data:
                self.armed = None
                dead.set()
            if self._done or not dead.is_set():
                questions.write(data)
            if dead.is_set():
                break
        questions.write_eof()

    async def _tell(
        self, answers: asyncio.StreamReader, writer: asyncio.StreamWriter, dead: asyncio.Event
    ) -> None:
        while data := await answers.read(1 << 16):
            if not dead.is_set():
                writer.write(data)
        writer.transport.abort()


@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize("kind", ["postgres", "mysql"])
def test_a_connection_that_is_lost_in_the_commit(kind: str, done: bool) -> None:
    """Whether or not the server committed, begin, close and record take effect once."""

    async def main() -> None:
        async with placed(kind) as place:
            url = make_url(place.url)
            port = url.port or {"postgres": 5432, "mysql": 3306}[kind]
            wire = Wire(url.host or "127.0.0.1", port, done=done)
            async with await asyncio.start_server(wire.connected, "127.0.0.1", 0) as server:
                through = url.set(host="127.0.0.1", port=server.sockets[0].getsockname()[1])
                journal = SqlJournal(through, "spring", prefix=place.prefix, create=True)
                run = await journal.start(PURPOSE)
                batch = claim(keys(1, 2))
                # On PostgreSQL a single statement commits, and the state is a parameter.
                wire.armed = b"under way" if kind == "postgres" else b"COMMIT"
                assert await run.begin(batch)
                assert not wire.armed
                assert not await run.begin(claim(keys(2)))
                wire.armed = b"accepted" if kind == "postgres" else b"COMMIT"
                await run.close(batch, State.ACCEPTED, message_ids=["m1", "m2"])
                assert not wire.armed
                wire.armed = b"COMMIT"
                assert await journal.record([report_of(keys(1)[0], message_id="m1")]) == 1
                assert not wire.armed
                assert [standing and standing.message_id for standing in await run.look(keys(1, 2))] == [
                    "m1",
                    "m2",
                ]
                assert len((await place.do(select(place.tables.claims))).all()) == 1
                await journal.aclose()

    asyncio.run(main())


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("kind", ["postgres", "mysql"])
def test_connections_that_the_server_closes(kind: str, own: bool) -> None:
    """A journal whose connections were all cut continues with new connections, without an error."""
    ask = {
        "postgres": "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%{}%' "
        "AND pid <> pg_backend_pid()",
        "mysql": "SELECT id FROM information_schema.processlist WHERE id <> connection_id() AND user = '{}'",
    }[kind]

    async def main() -> None:
        async with placed(kind) as place:
            engine = create_async_engine(place.url)
            journal = place.open() if own else place.given(engine)
            run = await journal.start(PURPOSE)
            await begun(run, keys(1))
            await run.look(keys(1))
            found = await cut(place, ask)
            assert found
            assert await states(run, keys(1)) == [State.UNDER_WAY]
            assert await cut(place, ask)
            assert await run.begin(claim(keys(2)))
            await engine.dispose()

    async def cut(place: SqlPlace, ask: str) -> list[Any]:
        found = list((await place.do(text(ask.format(place.prefix if kind == "postgres" else "root")))).all())
        for row in found if kind == "mysql" else ():
            with contextlib.suppress(OperationalError):
                await place.do(text(f"KILL {row[0]}"))
        return found

    asyncio.run(main())


@pytest.mark.usefixtures("hurried")
@scenario
async def test_errors_tell_no_numbers(place: SqlPlace) -> None:
    """Errors contain the text of the database, but no parameter of the statement."""
    journal = place.given(place.engine)
    run = await journal.start(PURPOSE)
    async with place.engine.begin() as connection:
        await connection.run_sync(place.tables.calls.drop)
    reports = [report_of(keys(1)[0], custom_id="c")]
    doings: list[Awaitable[object]] = [run.look(keys(1)), run.begin(claim(keys(1))), journal.record(reports)]
    for doing in doings:
        with pytest.raises(JournalError) as caught:
            await doing
        assert f"{place.prefix}calls" in str(caught.value)
        assert str(caught.value).startswith("the journal 'spring' in ")
        assert keys(1)[0].mobile not in "".join(traceback.format_exception(caught.value))


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize(
    "url",
    [
        "sqlite+aiosqlite:////nowhere/at/all.db",
        "postgresql+asyncpg://me:secret@127.0.0.1:1/test?password=secret",
        "mysql+aiomysql://me:secret@127.0.0.1:1/test?password=secret",
    ],
)
def test_a_database_that_is_not_there(url: str) -> None:
    """A database that cannot be reached raises a JournalError that names the database without its password."""
    journal = SqlJournal(url, "spring")

    async def main() -> None:
        try:
            await journal.start(PURPOSE)
        finally:
            # The thread of a failed connection to SQLite reports its end to the loop.
            for thread in threading.enumerate():
                if "_connection_worker_thread" in thread.name:
                    await asyncio.to_thread(thread.join)

    with pytest.raises(JournalError) as caught:
        asyncio.run(main())
    where = url.partition("?")[0].replace("secret", "***")
    assert caught.value.where == f"'spring' in {where}"
    assert repr(journal) == f"<SqlJournal 'spring' in {where}>"
    assert "secret" not in f"{caught.value!r} {caught.value} {caught.value.__cause__!r}"


@scenario
async def test_an_engine_that_is_given_is_not_disposed_of(place: SqlPlace) -> None:
    """The connections of a given engine go back to its pool, and the engine stays open."""
    engine = create_async_engine(place.url, pool_size=1, max_overflow=0)
    async with place.given(engine) as journal:
        run = await journal.start(PURPOSE)
        await asyncio.gather(*(run.begin(claim(keys(number))) for number in range(5)))
        await cancelled_after(3, run.begin(claim(keys(9))))
        await run.end()
    await journal.aclose()
    assert engine.pool.checkedout() == 0  # type: ignore[attr-defined]
    assert engine.pool.checkedin() == 1  # type: ignore[attr-defined]
    await engine.dispose()


@pytest.mark.usefixtures("hurried")
@scenario
async def test_an_engine_that_commits_by_itself(place: SqlPlace) -> None:
    """On an engine with autocommit, too, a batch is claimed whole or not at all."""
    engine = create_async_engine(place.url, isolation_level="AUTOCOMMIT")
    journal = place.given(engine)
    run = await journal.start(PURPOSE)

    def fail(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        if "INSERT" in statement and "calls" in statement:
            raise LOST

    event.listen(engine.sync_engine, "before_cursor_execute", fail)
    with pytest.raises(JournalError, match="has gone away"):
        await run.begin(claim(keys(1, 2)))
    event.remove(engine.sync_engine, "before_cursor_execute", fail)
    assert (await place.do(select(place.tables.claims))).all() == []
    assert await run.begin(claim(keys(1, 2)))
    await engine.dispose()


@scenario
async def test_what_a_send_opens_it_closes(place: SqlPlace) -> None:
    """Connections are closed with the last run or block, and after a start that failed."""
    journal = place.open()
    run, other = await journal.start(PURPOSE), await journal.start(PURPOSE)
    batch = await begun(run, keys(1))
    await run.end()
    assert journal._resource._engine is not None
    await other.end()
    assert journal._resource._engine is None
    with pytest.raises(JournalError):
        await journal.start(evolve(PURPOSE, app_id="other"))
    assert journal._resource._engine is None
    await run.close(batch, State.ACCEPTED)
    assert (await journal.summary()).states[State.ACCEPTED] == 1
    assert journal._resource._engine is None


def test_one_journal_in_several_loops() -> None:
    """A journal can be used in another event loop, even if it was left open in a closed loop."""
    with TemporaryDirectory() as folder:
        journal = SqlJournal(f"sqlite+aiosqlite:///{folder}/journal.db", "spring", create=True)

        async def send(number: int) -> None:
            run = await journal.start(PURPOSE)
            await settled(run, keys(number), State.ACCEPTED)
            if number:
                await run.end()
                await journal.aclose()

        async def leave_open() -> None:
            await send(0)
            assert journal._resource._engine is not None
            await journal._resource._engine.dispose()

        asyncio.run(leave_open())
        asyncio.run(send(1))
        asyncio.run(send(2))

        async def read() -> None:
            assert [line.mobile for line in await all_lines(journal)] == [key.mobile for key in keys(0, 1, 2)]
            await journal.aclose()

        asyncio.run(read())


@pytest.mark.parametrize("step", ["begin", "close", "record", "summary"])
def test_a_cancel_scope_of_anyio(step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under a cancelled scope of anyio a call waits for the end of the transaction, in few turns of the loop."""
    waited: list[object] = []
    real = asyncio.wait

    async def wait_once(tasks: Any) -> Any:
        waited.append(tasks)
        return await real(tasks)

    monkeypatch.setattr(asyncio, "wait", wait_once)

    async def main() -> None:
        async with placed("sqlite") as place:
            journal = place.given(place.engine)
            run = await journal.start(PURPOSE)
            opened = await begun(run, keys(9))
            calls: dict[str, Callable[[], Awaitable[object]]] = {
                "begin": lambda: run.begin(claim(keys(1))),
                "close": lambda: run.close(opened, State.ACCEPTED),
                "record": lambda: journal.record([report_of(keys(9)[0], custom_id=opened.custom_ids[0])]),
                "summary": journal.summary,
            }
            held = threading.Event()
            commit = place.engine.dialect.do_commit
            rollback = place.engine.dialect.do_rollback
            waits = asyncio.Event()
            loop = asyncio.get_running_loop()

            def wait(end: Callable[[Any], None]) -> Callable[[Any], None]:
                def ended(connection: Any) -> None:
                    await_only(asyncio.to_thread(hold))
                    end(connection)

                return ended

            def hold() -> None:
                loop.call_soon_threadsafe(waits.set)
                assert held.wait(30)

            place.engine.dialect.do_commit = wait(commit)  # type: ignore[assignment,method-assign]
            place.engine.dialect.do_rollback = wait(rollback)  # type: ignore[assignment,method-assign]

            async def call(scope: anyio.CancelScope) -> None:
                with scope:
                    await calls[step]()
                    await anyio.lowlevel.checkpoint()
                    raise AssertionError

            scope = anyio.CancelScope()
            task = asyncio.create_task(call(scope))
            await waits.wait()
            scope.cancel()
            waited.clear()
            for _ in range(100):
                await asyncio.sleep(0)
            held.set()
            await task
            # A loop that spins would wait again in each turn.
            assert len(waited) <= 2
            assert scope.cancelled_caught
            place.engine.dialect.do_commit = commit  # type: ignore[method-assign]
            place.engine.dialect.do_rollback = rollback  # type: ignore[method-assign]
            if step == "begin":
                assert await states(run, keys(1)) == [State.UNDER_WAY]
            await run.end()

    asyncio.run(main())


def test_writes_of_one_file_wait_in_a_queue() -> None:
    """Writes of one journal in an SQLite file do not wait for each other's lock: each is done at the first attempt."""
    attempts = 0

    async def write(db: AsyncConnection, tables: Tables) -> None:
        nonlocal attempts
        attempts += 1
        for _ in range(3):
            await db.execute(update(tables.campaigns).values(turns=1))

    async def main() -> None:
        async with placed("sqlite") as place:
            journal = SqlJournal(f"{place.url}?timeout=0", "spring", prefix=place.prefix)
            async with journal:
                await journal.create_schema()
                await asyncio.gather(*(journal._resource.write(write) for _ in range(8)))

    asyncio.run(main())
    assert attempts == 8
