"""A journal that is read while it is written."""

import asyncio
from pathlib import Path

import pytest
from support import virtual_time

from cli.watch.campaign import written
from emay_voice_async.cli.watch import watcher as module
from emay_voice_async.cli.watch.watcher import LAST_FAILURES, Watcher, read_results
from emay_voice_async.errors import JournalError
from emay_voice_async.journal.protocol import Journal, State, Summary
from emay_voice_async.journal.sqlite import SqliteJournal
from emay_voice_async.testing.journal.values import PURPOSE, keys, report_of, settled


def test_counts_and_details(tmp_path: Path) -> None:
    """Counts, keys and the last failures are those of the journal, the newest first; reading writes nothing."""

    async def main() -> None:
        path = tmp_path / "run.db"
        await written(SqliteJournal(path))
        before = path.read_bytes()
        watcher = Watcher(SqliteJournal(path))
        await watcher.read_details()
        assert watcher.results is None
        await watcher.count()
        await watcher.read_details()
        assert watcher.summary is not None
        assert watcher.summary.states[State.ACCEPTED] == 4
        assert watcher.results is not None
        assert (watcher.results.keys, watcher.results.answered) == ({"1": 1}, 1)
        assert [line.mobile[-1] for line in watcher.failures] == ["6", "5", "4", "2", "1"]
        assert path.read_bytes() == before
        assert await read_results(SqliteJournal(path)) == watcher.results

    asyncio.run(main())


def test_while_it_is_written(tmp_path: Path) -> None:
    """Calls that another connection adds are seen; details are read again only after a change."""

    async def main() -> None:
        path = tmp_path / "run.db"
        journal = SqliteJournal(path)
        await written(journal)
        async with SqliteJournal(path) as watched:
            watcher = Watcher(watched)
            await watcher.count()
            await watcher.read_details()
            first = watcher.details_at
            await watcher.read_details()
            assert watcher.details_at is first
            run = await journal.start(PURPOSE)
            more = keys(*range(100, 140))
            batch = await settled(run, more, State.ACCEPTED)
            await journal.record(
                report_of(key, custom_id=one, message_id=f"m-{one}", state="TIMEOUT")
                for key, one in zip(more, batch.custom_ids, strict=True)
            )
            await watcher.count()
            await watcher.read_details()
            assert watcher.summary is not None
            assert watcher.summary.reported["TIMEOUT"] == 40
            assert [line.mobile[-3:] for line in watcher.failures] == [str(n) for n in range(139, 119, -1)]
            assert len(watcher.failures) == LAST_FAILURES
            await run.end()

    asyncio.run(main())


def test_pauses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A long journal is read in parts, with a pause after each part."""

    async def main() -> None:
        await written(SqliteJournal(tmp_path / "run.db"))
        monkeypatch.setattr(module, "_PART", 3)
        ticks = iter(range(100))
        watcher = Watcher(SqliteJournal(tmp_path / "run.db"), clock=lambda: float(next(ticks)) / 1000)
        await watcher.count()
        await watcher.read_details()
        assert next(ticks) == 6
        assert watcher.results is not None
        assert watcher.results.total == 7

    asyncio.run(main())


def test_errors(tmp_path: Path) -> None:
    """A journal that cannot be read is an error of the moment: the watcher goes on, and recovers."""
    path = tmp_path / "run.db"

    class Broken(SqliteJournal):
        """A journal whose summary fails at first."""

        failures = 2

        async def summary(self) -> Summary:
            """Fail, then count."""
            if self.failures:
                self.failures -= 1
                raise JournalError("disk I/O error", "run.db")
            return await super().summary()

    async def main() -> None:
        await written(SqliteJournal(path))
        loop = asyncio.get_running_loop()
        journal: Journal = Broken(path)
        watcher = Watcher(journal, clock=loop.time)
        task = asyncio.ensure_future(watcher.run())
        while watcher.error is None:
            await asyncio.sleep(0.1)
        assert "disk I/O error" in watcher.error
        while watcher.results is None:
            await asyncio.sleep(0.1)
        assert watcher.error is None
        task.cancel()
        await asyncio.wait([task])

    virtual_time.run(main())


def test_no_journal(tmp_path: Path) -> None:
    """A journal that is not there is an error, and is not created."""

    async def main() -> None:
        with pytest.raises(JournalError):
            await Watcher(SqliteJournal(tmp_path / "nothing.db")).count()
        assert list(tmp_path.iterdir()) == []

    asyncio.run(main())
