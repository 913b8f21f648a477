"""The journal in an SQL database: what every journal promises, on each database, and what only this one can."""

import asyncio
import contextlib
import random
import secrets
import subprocess
import sys
import threading
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from attrs import define, evolve, field
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event, make_url, select, text, update
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool
from support import servers
from support.journal_conformance import (
    PURPOSE,
    JournalConformance,
    all_lines,
    begun,
    cancelled_after,
    claim,
    keys,
    report_of,
    settled,
    states,
)
from support.sql_worker import EVERY, LASTS

from emay_voice_async.errors import InvalidRequestError, JournalError
from emay_voice_async.journal.protocol import JournalRun, Key, Standing, State
from emay_voice_async.sql import journal as sql
from emay_voice_async.sql.journal import SqlJournal, _SqlRun
from emay_voice_async.sql.tables import DATABASES, VERSION, Tables, _Escaped, digest

TESTS = Path(__file__).parent.parent
KINDS = ("sqlite", "postgres", "mysql")


@define
class SqlPlace:
    """A database, and a prefix of its own for the tables of one test."""

    url: str
    prefix: str
    engine: AsyncEngine
    opened: list[SqlJournal] = field(factory=list)

    def open(self, campaign: str = "spring", *, create: bool = True) -> SqlJournal:
        """Return one more journal on the same tables."""
        journal = SqlJournal(self.url, campaign, prefix=self.prefix, create=create)
        self.opened.append(journal)
        return journal

    def given(self, engine: AsyncEngine) -> SqlJournal:
        """Return a journal on an engine of the test's own."""
        return SqlJournal(engine, "spring", prefix=self.prefix, create=True)

    @property
    def tables(self) -> Tables:
        """The tables, as the journals see them."""
        return Tables(self.prefix, DATABASES[make_url(self.url).get_backend_name()])

    async def abandon(self, run: JournalRun) -> None:
        """Let the time pass for whatever the run has claimed."""
        assert isinstance(run, _SqlRun)
        assert run._campaign is not None
        campaign = run._campaign.id
        await self.age([digest(campaign, one.token) for one, _ in run._open.values()], 1e9)

    async def age(self, tokens: list[str] | None, seconds: float) -> None:
        """Make claims, or all of them, look older."""
        claims = self.tables.claims
        older = {name: claims.c[name] - int(seconds * 1e6) for name in ("begun_at", "over_at")}
        changed = update(claims).values(older)
        await self.do(changed if tokens is None else changed.where(claims.c.token.in_(tokens)))

    async def do(self, statement: Any) -> Any:
        """Execute one statement behind the journals' backs."""
        async with self.engine.begin() as connection:
            return await connection.execute(statement)

    async def drop(self) -> None:
        """Remove the tables."""
        async with self.engine.begin() as connection:
            await connection.run_sync(self.tables.metadata.drop_all)


@contextlib.asynccontextmanager
async def placed(kind: str) -> AsyncIterator[SqlPlace]:
    """Provide tables of one's own in a database of a kind."""
    prefix = f"t_{secrets.token_hex(4)}_"
    with TemporaryDirectory() as folder:
        url = URLS[kind]() or f"sqlite+aiosqlite:///{folder}/journal.db"
        place = SqlPlace(url, prefix, create_async_engine(url, poolclass=NullPool))
        try:
            yield place
        finally:
            for journal in place.opened:
                await journal.aclose()
            await place.drop()
            await place.engine.dispose()


URLS: dict[str, Callable[[], str]] = {
    "sqlite": str,
    "postgres": lambda: servers.url(servers.POSTGRES),
    "mysql": lambda: servers.url(servers.MYSQL),
}


class TestSqlite(JournalConformance):
    """The promises, in SQLite."""

    def place(self) -> contextlib.AbstractAsyncContextManager[SqlPlace]:
        """Make a file."""
        return placed("sqlite")


class TestPostgres(JournalConformance):
    """The promises, in PostgreSQL."""

    examples = 10

    def place(self) -> contextlib.AbstractAsyncContextManager[SqlPlace]:
        """Make tables."""
        return placed("postgres")


class TestMySql(JournalConformance):
    """The promises, in MySQL or MariaDB."""

    examples = 10

    def place(self) -> contextlib.AbstractAsyncContextManager[SqlPlace]:
        """Make tables."""
        return placed("mysql")


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what keeps failing fail soon."""
    monkeypatch.setattr(sql, "_PAUSES", (0.02, 0.1, 0.3))


def scenario(test: Callable[[SqlPlace], Awaitable[None]]) -> Callable[[str], None]:
    """Play a test on each kind of database, on tables of its own."""

    @pytest.mark.parametrize("kind", KINDS)
    def play(kind: str) -> None:
        async def main() -> None:
            async with placed(kind) as place:
                await test(place)

        asyncio.run(main())

    play.__name__, play.__doc__ = test.__name__, test.__doc__
    return play


# -- what is under way on other machines -----------------------------------------------------------------


@scenario
async def test_a_claim_is_under_way_until_its_time_is_over(place: SqlPlace) -> None:
    """Nobody knows whether its sender is alive: it is under way for so long, then unknown, never free."""
    async with place.open() as journal, place.open() as another:
        run, other = await journal.start(PURPOSE), await another.start(PURPOSE)
        one = claim(keys(1), lasts=7200)
        assert await run.begin(one)
        # As long as the claim says, and what the claiming itself may have taken before it returned.
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
        await run.close(one, State.ACCEPTED, message_ids=["m1"])
        await run.end()
        assert list(await other.look(keys(1))) == [Standing(State.UNDER_WAY, anew.custom_ids[0])]


@scenario
async def test_a_late_answer_when_the_time_is_over(place: SqlPlace) -> None:
    """A claim that nobody has taken over can be closed after its time."""
    async with place.open() as journal:
        run = await journal.start(PURPOSE)
        one = await begun(run, keys(1))
        await place.age(None, 1e6)
        await run.close(one, State.REFUSED, reason="ERROR_SIGN")
        assert await states(run, keys(1)) == [State.REFUSED]


@scenario
async def test_an_acceptance_is_final(place: SqlPlace) -> None:
    """Neither another word on it nor the end of the run takes an acceptance back."""
    async with place.open() as journal:
        run = await journal.start(PURPOSE)
        one = await settled(run, keys(1), State.ACCEPTED)
        for state in State:
            await run.close(one, state, reason="why", message_ids=["other"])
        await run.end()
        await place.age(None, 1e6)
        again = await journal.start(PURPOSE)
        assert list(await again.look(keys(1))) == [
            Standing(State.ACCEPTED, one.custom_ids[0], f"m-{one.custom_ids[0]}")
        ]


@scenario
async def test_a_run_that_has_ended_claims_nothing(place: SqlPlace) -> None:
    """Its claims would be nobody's; ending it again does nothing."""
    async with place.open() as journal:
        run = await journal.start(PURPOSE)
        await run.end()
        await run.end()
        with pytest.raises(JournalError, match="this run has ended"):
            await run.begin(claim(keys(1)))
        assert await states(run, keys(1)) == [None]


# -- campaigns, tables, versions -------------------------------------------------------------------------


@scenario
async def test_campaigns_share_tables_and_nothing_else(place: SqlPlace) -> None:
    """The same number in another campaign is another call, whatever the two names have in common."""
    names = ["a", "A", "a ", "\u00e9", "e\u0301", "\0", "📞" * 200]
    journals = [place.open(name) for name in names]
    runs = [await journal.start(PURPOSE) for journal in journals]
    other = await place.open("other").start(evolve(PURPOSE, app_id="other", allow_duplicates=True))
    for number, run in enumerate(runs):
        assert await states(run, keys(1)) == [None]
        one = claim(keys(1), custom_ids=["same"])
        assert await run.begin(evolve(one, token="same"))
        await run.close(evolve(one, token="same"), State.ACCEPTED, message_ids=[f"m{number}"])
    assert await states(other, keys(1)) == [None]
    assert await journals[1].record([report_of(keys(1)[0], message_id="m1", custom_id="same")]) == 1
    for number, (journal, run) in enumerate(zip(journals, runs, strict=True)):
        assert list(await run.look(keys(1))) == [Standing(State.ACCEPTED, "same", f"m{number}")]
        assert (await journal.summary()).reported == ({"SUCCESS": 1} if number == 1 else {})
        assert len(await all_lines(journal)) == 1
    for run in runs:
        assert await run.begin(claim(keys(2), custom_ids=["lost"]))
    assert await journals[1].record([report_of(keys(2)[0], custom_id="lost")]) == 1
    for number, run in enumerate(runs):
        assert await states(run, keys(2)) == [State.ACCEPTED if number == 1 else State.UNDER_WAY]


@scenario
async def test_tables_are_made_on_request(place: SqlPlace) -> None:
    """Without tables a run does not begin, and says how to make them; making them again does no harm."""
    journal = place.open(create=False)
    for doing in (journal.start(PURPOSE), journal.start(PURPOSE, dry=True), journal.summary()):
        with pytest.raises(JournalError, match=r"there are no tables: await create_schema\(\)"):
            await doing
    others = [place.open(create=False) for _ in range(3)]
    await asyncio.gather(*(one.create_schema() for one in (journal, *others)))
    await begun(await journal.start(PURPOSE), keys(1))
    await journal.create_schema()
    assert len(await all_lines(journal)) == 1
    assert [row[0] for row in await place.do(select(place.tables.version))] == [VERSION]


@scenario
async def test_tables_of_another_version_are_not_touched(place: SqlPlace) -> None:
    """What a later or earlier package has made is refused, with both versions."""
    journal = place.open()
    await journal.create_schema()
    for version in (VERSION - 1, VERSION + 1):
        await place.do(update(place.tables.version).values(number=version))
        said = f"its tables have version {version}, and this package uses version {VERSION}"
        with pytest.raises(JournalError, match=said):
            await journal.start(PURPOSE)
        with pytest.raises(JournalError, match=said):
            await journal.summary()


@scenario
async def test_a_dry_run_writes_nothing(place: SqlPlace) -> None:
    """It looks at what is there, makes neither tables nor a campaign, and claims nothing."""
    journal = place.open()
    dry = await journal.start(PURPOSE, dry=True)
    assert await states(dry, keys(1, 2)) == [None, None]
    await dry.end()
    with pytest.raises(JournalError, match="no run has begun in it yet"):
        await journal.summary()
    await journal.create_schema()
    assert await states(await journal.start(PURPOSE, dry=True), keys(1)) == [None]
    assert (await place.do(select(place.tables.campaigns))).all() == []
    await settled(await journal.start(PURPOSE), keys(1), State.ACCEPTED)
    dry = await journal.start(PURPOSE, dry=True)
    assert await states(dry, keys(1, 2)) == [State.ACCEPTED, None]
    with pytest.raises(JournalError, match="a dry run claims nothing"):
        await dry.begin(claim(keys(2)))
    with pytest.raises(JournalError, match="another account"):
        await journal.start(evolve(PURPOSE, app_id="other"), dry=True)
    await dry.end()


# -- many at once ----------------------------------------------------------------------------------------


@scenario
async def test_many_claim_in_many_campaigns(place: SqlPlace) -> None:
    """Sixteen at once claim, close, record and look at overlapping calls: none is claimed twice, none fails."""
    chance = random.Random(1)
    journals = [place.open(name) for name in ("spring", "summer")]
    given: list[set[Key]] = [set(), set()]
    runs = [[await journal.start(PURPOSE) for _ in range(8)] for journal in journals]

    async def work(which: int, run: _SqlRun) -> None:
        for _ in range(8):
            of = chance.sample(keys(*range(120)), 15)
            one = claim(of, resend=chance.random() < 0.5)
            if await run.begin(one):
                assert not given[which] & set(of)
                given[which] |= set(of)
                await run.close(one, State.ACCEPTED)
            report = report_of(of[0], custom_id=one.custom_ids[0])
            assert await journals[which].record([report]) in (0, 1)
            await run.look(of)

    await asyncio.gather(*(work(which, run) for which, those in enumerate(runs) for run in those))
    for which, journal in enumerate(journals):
        assert given[which]
        assert {line.mobile for line in await all_lines(journal)} == {key.mobile for key in given[which]}


@scenario
async def test_four_processes_and_one_is_killed(place: SqlPlace) -> None:
    """Each call is claimed once in all; those of the one that is killed are unknown after their time."""
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
    # It goes on now, and is killed at whatever it is doing.
    assert doomed.stdin is not None
    doomed.stdin.write(b"\n")
    doomed.kill()
    for lines in (its_lines, *(lines for _, lines in others)):
        printed += (await lines.read()).splitlines(keepends=True)
    assert await doomed.wait() == -9
    assert [await worker.wait() for worker, _ in others] == [0, 0, 0]
    # A line that was cut short is that of a claim all the same.
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


# -- failures --------------------------------------------------------------------------------------------


class Flaky:
    """An engine whose commits fail so many times, before or after they have been done."""

    def __init__(self, engine: AsyncEngine, *, done: bool) -> None:
        self.left = 0
        self._done = done
        self._commit = engine.dialect.do_commit
        engine.dialect.do_commit = self._fail  # type: ignore[assignment,method-assign]

    def _fail(self, connection: Any) -> None:
        if self.left == 0:
            self._commit(connection)
            return
        self.left -= 1
        if self._done:
            self._commit(connection)
        raise LOST


LOST = ConnectionResetError("the server has gone away")


@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_a_commit_whose_answer_is_lost(kind: str, done: bool) -> None:
    """Whether it was done or not, the batch is claimed once, closed once, and begin says so."""

    async def main() -> None:
        async with placed(kind) as place:
            flaky = Flaky(place.engine, done=done)
            journal = place.given(place.engine)
            run = await journal.start(PURPOSE)
            await settled(run, keys(2), State.REFUSED)
            flaky.left = 2
            one = claim(keys(1, 2, 3))
            assert await run.begin(one)
            assert flaky.left == 0
            assert not await run.begin(claim(keys(3)))
            assert list(await run.look(keys(2))) == [Standing(State.UNDER_WAY, one.custom_ids[1])]
            flaky.left = 2
            await run.close(one, State.ACCEPTED, message_ids=["m1", "m2", "m3"])
            assert [standing and standing.message_id for standing in await run.look(one.keys)] == [
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
    """It raises, and nothing is sent: should the batch be claimed all the same, it is free after the run."""

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
    """It raises; if it was done all the same, the end of the run does not undo it."""

    async def main() -> None:
        async with placed(kind) as place:
            flaky = Flaky(place.engine, done=done)
            journal = place.given(place.engine)
            run = await journal.start(PURPOSE)
            one = await begun(run, keys(1))
            flaky.left = 100
            with pytest.raises(JournalError, match="has gone away"):
                await run.close(one, State.ACCEPTED, message_ids=["m1"])
            flaky.left = 0
            await run.end()
            after = await (await journal.start(PURPOSE)).look(keys(1))
            [custom_id] = one.custom_ids
            assert list(after) == [
                Standing(State.ACCEPTED, custom_id, "m1") if done else Standing(State.UNKNOWN, custom_id)
            ]

    asyncio.run(main())


@scenario
async def test_a_token_is_good_for_one_claim(place: SqlPlace) -> None:
    """A second begin with the same claim is somebody's mistake, and sends nothing."""
    async with place.open() as journal:
        run = await journal.start(PURPOSE)
        one = await begun(run, keys(1))
        assert not await run.begin(one)
        assert not await (await journal.start(PURPOSE)).begin(one)


@scenario
async def test_a_begin_that_was_cancelled_is_free_after_the_run(place: SqlPlace) -> None:
    """Nobody sends what a cancelled begin has claimed, so it is not even unknown."""
    async with place.open() as journal:
        run, other = await journal.start(PURPOSE), await journal.start(PURPOSE)
        # The transaction has begun by then, and is done to its end.
        assert await cancelled_after(1, run.begin(claim(keys(1)))) == []
        assert await states(other, keys(1)) == [State.UNDER_WAY]
        await run.end()
        assert await states(other, keys(1)) == [State.NOT_SENT]


@scenario
async def test_a_campaign_that_somebody_holds_up(place: SqlPlace) -> None:
    """A claim waits in line for its turn, though not for ever; the next one is not the worse for it."""
    if place.url.startswith("sqlite"):
        # It waits by itself, in a thread that nothing can interrupt.
        place.url += "?timeout=0.1"
    async with place.open() as journal:
        run = await journal.start(PURPOSE)
        campaigns = place.tables.campaigns
        journal._timeout = 0.5
        async with place.engine.begin() as holder:
            await holder.execute(update(campaigns).values(turns=campaigns.c.turns + 1))
            with pytest.raises(JournalError, match=r"no answer within 0.5 seconds|locked"):
                await run.begin(claim(keys(1)))
            journal._timeout = 30.0
            assert await states(run, keys(1)) == [None]
            await holder.rollback()
        assert await run.begin(claim(keys(2)))


class Wire:
    """Passes bytes on to a server, and can go dead when a COMMIT comes by, before or after the server has it."""

    def __init__(self, host: str, port: int, *, done: bool) -> None:
        self.armed = False
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
            for one in (questions, writer):
                one.transport.abort()

    async def _ask(
        self,
        reader: asyncio.StreamReader,
        questions: asyncio.StreamWriter,
        answers: asyncio.StreamReader,
        dead: asyncio.Event,
    ) -> None:
        while data := await reader.read(1 << 16):
            if self.armed and b"COMMIT" in data.upper():
                self.armed = False
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
    """Whether the server has heard of it or not, begin, close and record find out, and do it once."""

    async def main() -> None:
        async with placed(kind) as place:
            url = make_url(place.url)
            port = url.port or {"postgres": 5432, "mysql": 3306}[kind]
            wire = Wire(url.host or "127.0.0.1", port, done=done)
            async with await asyncio.start_server(wire.connected, "127.0.0.1", 0) as server:
                through = url.set(host="127.0.0.1", port=server.sockets[0].getsockname()[1])
                journal = SqlJournal(through, "spring", prefix=place.prefix, create=True)
                run = await journal.start(PURPOSE)
                one = claim(keys(1, 2))
                wire.armed = True
                assert await run.begin(one)
                assert not wire.armed
                assert not await run.begin(claim(keys(2)))
                wire.armed = True
                await run.close(one, State.ACCEPTED, message_ids=["m1", "m2"])
                assert not wire.armed
                wire.armed = True
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
    """A journal whose connections are all cut goes on with new ones, and nobody notices."""
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
    """What the database says is told, and not what was bound to the statement."""
    journal = place.given(place.engine)
    run = await journal.start(PURPOSE)
    async with place.engine.begin() as connection:
        await connection.run_sync(place.tables.tickets.drop)
    reports = [report_of(keys(1)[0], custom_id="c")]
    doings: list[Awaitable[object]] = [run.look(keys(1)), run.begin(claim(keys(1))), journal.record(reports)]
    for doing in doings:
        with pytest.raises(JournalError) as caught:
            await doing
        assert f"{place.prefix}tickets" in str(caught.value)
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
    """It is an error of the journal, which says where it is, without the password."""
    journal = SqlJournal(url, "spring")

    async def main() -> None:
        try:
            await journal.start(PURPOSE)
        finally:
            # The thread of a connection to SQLite that could not be made tells the loop when it has ended.
            for thread in threading.enumerate():
                if "_connection_worker_thread" in thread.name:
                    await asyncio.to_thread(thread.join)

    with pytest.raises(JournalError) as caught:
        asyncio.run(main())
    where = url.partition("?")[0].replace("secret", "***")
    assert caught.value.where == f"'spring' in {where}"
    assert repr(journal) == f"<SqlJournal 'spring' in {where}>"
    assert "secret" not in f"{caught.value!r} {caught.value} {caught.value.__cause__!r}"


# -- engines and connections -----------------------------------------------------------------------------


@scenario
async def test_an_engine_that_is_given_is_not_disposed_of(place: SqlPlace) -> None:
    """It is used as it is, its connections go back to its pool, and it stays open."""
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
    """Even on an engine without transactions a batch is claimed whole or not at all."""
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
    """Connections are closed with the last run or block, also if it did not begin."""
    journal = place.open()
    run, other = await journal.start(PURPOSE), await journal.start(PURPOSE)
    one = await begun(run, keys(1))
    await run.end()
    assert journal._engine is not None
    await other.end()
    assert journal._engine is None
    with pytest.raises(JournalError):
        await journal.start(evolve(PURPOSE, app_id="other"))
    assert journal._engine is None
    await run.close(one, State.ACCEPTED)
    assert (await journal.summary()).states[State.ACCEPTED] == 1
    assert journal._engine is None


def test_one_journal_in_several_loops() -> None:
    """A journal is not bound to an event loop, not even if it was left open in one that is gone."""
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
            assert journal._engine is not None
            await journal._engine.dispose()

        asyncio.run(leave_open())
        asyncio.run(send(1))
        asyncio.run(send(2))

        async def read() -> None:
            assert [line.mobile for line in await all_lines(journal)] == [key.mobile for key in keys(0, 1, 2)]
            await journal.aclose()

        asyncio.run(read())


@scenario
async def test_a_batch_takes_few_round_trips(place: SqlPlace) -> None:
    """500 calls: one statement to look, at most five to begin, and two to close."""
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
    one = claim(of)
    assert await run.begin(one)
    assert since() <= 4
    await run.close(one, State.NOT_SENT)
    assert since() <= 1
    again = claim(of)
    assert await run.begin(again)
    assert since() <= 5
    await run.close(again, State.ACCEPTED, message_ids=ids)
    assert since() <= 2
    await run.look(of)
    assert since() == 1
    await engine.dispose()


# -- arguments and texts ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("campaign", {"campaign": ""}),
        ("campaign", {"campaign": "x" * 201}),
        ("campaign", {"campaign": None}),
        ("prefix", {"prefix": "1st_"}),
        ("prefix", {"prefix": "a; DROP TABLE"}),
        ("prefix", {"prefix": "x" * 41}),
        ("prefix", {"prefix": None}),
        ("timeout", {"timeout": 0}),
        ("timeout", {"timeout": float("inf")}),
        ("timeout", {"timeout": None}),
        ("database", {"database": "no url"}),
        ("database", {"database": 1}),
        ("database", {"database": "oracle+oracledb://host"}),
    ],
)
def test_arguments_are_checked(name: str, arguments: dict[str, Any]) -> None:
    """What cannot be used is refused at once, by its name."""
    with pytest.raises(InvalidRequestError) as caught:
        SqlJournal(**{"database": "sqlite+aiosqlite://", "campaign": "spring", **arguments})
    assert caught.value.field == name


@given(st.text(st.characters(exclude_categories=())))
def test_any_text_is_stored_in_ascii(value: str) -> None:
    """Whatever is stored comes back as it was, and is plain ASCII without a NUL in between."""
    kind, dialect = _Escaped(), sqlite.dialect()
    stored = kind.process_bind_param(value, dialect)
    assert stored is not None
    assert stored.isascii()
    assert "\0" not in stored
    assert kind.process_result_value(stored, dialect) == value


@given(st.text(st.characters(exclude_categories=())), st.text(st.characters(exclude_categories=())))
def test_names_have_digests_of_their_own(one: str, other: str) -> None:
    """Different names, and names that are cut differently, do not meet."""
    names = [(one, other), (other, one), (one + other,), ("", one + other), (one, other, "")]
    assert len({digest(*name) for name in names}) == len(set(names))
    assert all(len(digest(*name)) == 32 for name in names)


@scenario
async def test_reports_that_could_be_of_several_calls(place: SqlPlace) -> None:
    """Reports with one custom id go to one call each: the one with their message id, or one without a report."""
    async with place.open() as journal:
        run = await journal.start(evolve(PURPOSE, allow_duplicates=True))
        mobile = keys(1)[0].mobile
        repeats = [Key(mobile, "same", occurrence) for occurrence in range(3)]
        one = claim(repeats, custom_ids=["same"] * 3)
        assert await run.begin(one)
        await run.close(one, State.UNKNOWN)
        reports = [report_of(repeats[0], message_id=name, custom_id="same") for name in ("m1", "m2", "m1")]
        assert await journal.record(reports) == 3
        assert await states(run, repeats) == [State.ACCEPTED, State.ACCEPTED, State.UNKNOWN]
        assert [line.message_id for line in await all_lines(journal)] == ["m1", "m2", ""]
        known = await begun(run, [Key(mobile, "same", 3)])
        await run.close(known, State.ACCEPTED, message_ids=["m4"])
        assert await journal.record([report_of(repeats[0], message_id="m4", custom_id="same")]) == 1
        assert await states(run, repeats) == [State.ACCEPTED, State.ACCEPTED, State.UNKNOWN]
        odd = evolve(reports[0], mobile="８６-138", message_id="m3")
        assert await journal.record([odd, evolve(odd, mobile="9" * 30), evolve(odd, mobile="")]) == 0


@scenario
async def test_reports_without_message_ids(place: SqlPlace) -> None:
    """Reports that have nothing but the same custom id are those of as many calls."""
    async with place.open() as journal:
        run = await journal.start(evolve(PURPOSE, allow_duplicates=True))
        repeats = [Key(keys(1)[0].mobile, "same", occurrence) for occurrence in range(3)]
        one = claim(repeats, custom_ids=["same"] * 3)
        assert await run.begin(one)
        report = report_of(repeats[0], custom_id="same")
        assert await journal.record([report]) == 1
        assert await states(run, repeats) == [State.ACCEPTED, State.UNDER_WAY, State.UNDER_WAY]
        assert await journal.record([report, report]) == 2
        assert await states(run, repeats) == [State.ACCEPTED, State.ACCEPTED, State.ACCEPTED]


@scenario
async def test_refused_calls_take_no_reports(place: SqlPlace) -> None:
    """A report with the custom id of a call that was certainly not made is another campaign's."""
    async with place.open() as journal:
        run = await journal.start(PURPOSE)
        one = await settled(run, keys(1), State.REFUSED)
        report = report_of(keys(1)[0], message_id="m1", custom_id=one.custom_ids[0])
        assert await journal.record([report]) == 0
        assert await states(run, keys(1)) == [State.REFUSED]


@scenario
async def test_long_states_are_counted_by_their_beginning(place: SqlPlace) -> None:
    """A state of any length is kept in its line, and counted by its first 40 characters."""
    async with place.open() as journal:
        run = await journal.start(PURPOSE)
        one = await settled(run, keys(1), State.UNKNOWN)
        state = "📞" * 1000
        assert await journal.record([report_of(keys(1)[0], custom_id=one.custom_ids[0], state=state)]) == 1
        assert [line.report_state for line in await all_lines(journal)] == [state]
        assert (await journal.summary()).reported == {"📞" * 40: 1}
