"""The cost of a journal for a batch of 500 numbers: time and round trips, in each database and in a file.

``python benchmarks/sql_journal.py [URL ...]``; without URLs it takes EMAY_VOICE_TEST_POSTGRES_URL and
EMAY_VOICE_TEST_MYSQL_URL. It creates its own tables, and removes them.
"""

import asyncio
import os
import secrets
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from attrs import define
from sqlalchemy import URL, make_url
from sqlalchemy.ext.asyncio import create_async_engine

from emay_voice_async.journal.protocol import Claim, Journal, JournalRun, Key, State
from emay_voice_async.journal.purpose import Purpose
from emay_voice_async.journal.sqlite import SqliteJournal
from emay_voice_async.model.messages import Notice
from emay_voice_async.sql.dialects import DIALECTS
from emay_voice_async.sql.journal import SqlJournal
from emay_voice_async.sql.tables import Tables

PURPOSE = Purpose("bench", Notice("benchmark"))
SIZE = 500
BATCHES = 40
SENDERS = 8
STEPS = ("look", "begin", "close")


@define
class Wire:
    """Passes bytes on to a server, and counts round trips."""

    host: str
    port: int
    trips: int = 0
    asked: bool = False

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        answers, questions = await asyncio.open_connection(self.host, self.port)
        await asyncio.gather(
            self.pass_on(reader, questions, asks=True), self.pass_on(answers, writer, asks=False)
        )

    async def pass_on(self, source: asyncio.StreamReader, to: asyncio.StreamWriter, *, asks: bool) -> None:
        """Pass one direction on until its end."""
        while data := await source.read(1 << 16):
            self.trips += asks and not self.asked
            self.asked = asks
            to.write(data)
        to.close()


async def steps(run: JournalRun, batch: int) -> dict[str, Callable[[], Awaitable[object]]]:
    """Make the three steps of a batch of new numbers."""
    keys = tuple(Key(f"1{batch * SIZE + number:010}") for number in range(SIZE))
    ids = tuple(f"{secrets.token_hex(10)}-{number}" for number in range(SIZE))
    claim = Claim(secrets.token_hex(16), keys, ids, 60.0)
    return {
        "look": lambda: run.look(keys),
        "begin": lambda: run.begin(claim),
        "close": lambda: run.close(claim, State.ACCEPTED, message_ids=ids),
    }


async def measure(name: str, journal: Journal, wire: Wire) -> None:
    """Print one row of the table: medians of one sender, and batches per second of many senders."""
    times: dict[str, list[float]] = {step: [] for step in STEPS}
    trips: dict[str, list[int]] = {step: [] for step in STEPS}
    async with journal:
        run = await journal.start(PURPOSE)
        for batch in range(BATCHES):
            for step, doing in (await steps(run, batch)).items():
                before, wire.trips = time.perf_counter(), 0
                await doing()
                times[step].append((time.perf_counter() - before) * 1000)
                trips[step].append(wire.trips)

        async def send(sender: int) -> None:
            for batch in range(BATCHES // SENDERS):
                for doing in (await steps(run, BATCHES * (sender + 1) + batch)).values():
                    await doing()

        before = time.perf_counter()
        await asyncio.gather(*(send(sender) for sender in range(SENDERS)))
        rate = BATCHES / (time.perf_counter() - before)
        await run.end()
    cells = [
        f"{statistics.median(times[step]):7.1f} ms {statistics.median(trips[step]):4.0f}" for step in STEPS
    ]
    print(f"{name:22}", *cells, f"{rate:9.0f}", sep="  ")


@asynccontextmanager
async def own_tables(url: URL | str) -> AsyncIterator[str]:
    """Yield a new prefix of tables, and remove the tables in the end."""
    prefix = f"bench_{secrets.token_hex(4)}_"
    try:
        yield prefix
    finally:
        engine = create_async_engine(url)
        async with engine.begin() as connection:
            await connection.run_sync(Tables(prefix, DIALECTS[engine.dialect.name]).metadata.drop_all)
        await engine.dispose()


async def measure_sql(url: URL) -> None:
    """Measure a server through a counting wire, or SQLite without a wire."""
    wire = Wire(url.host or "", url.port or {"postgresql": 5432}.get(url.get_backend_name(), 3306))
    server = await asyncio.start_server(wire.connected, "127.0.0.1", 0)
    counted = url.set(host="127.0.0.1", port=server.sockets[0].getsockname()[1]) if url.host else url
    try:
        async with own_tables(url) as prefix:
            await measure(url.drivername, SqlJournal(counted, "bench", prefix=prefix, create=True), wire)
    finally:
        server.close()


async def main(urls: list[str]) -> None:
    """Print a table: medians and round trips by step, then batches per second of 8 senders."""
    print(f"{f'batches of {SIZE}':22}", *(f"{step:>10} trips" for step in STEPS), "batches/s", sep="  ")
    with tempfile.TemporaryDirectory() as folder:
        await measure("SqliteJournal", SqliteJournal(Path(folder) / "run.db"), Wire("", 0))
        for url in [f"sqlite+aiosqlite:///{folder}/sql.db", *urls]:
            await measure_sql(make_url(url))


if __name__ == "__main__":
    named = (os.environ.get(f"EMAY_VOICE_TEST_{name}_URL") for name in ("POSTGRES", "MYSQL"))
    asyncio.run(main(sys.argv[1:] or [url for url in named if url]))
