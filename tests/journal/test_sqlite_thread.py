"""The connection of a journal: thread, users, event loops and forks."""

import asyncio
import gc
import multiprocessing
import os
import threading
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from emay_voice_async.errors import JournalError
from emay_voice_async.journal.protocol import State
from emay_voice_async.journal.sqlite import SqliteJournal
from emay_voice_async.testing.journal.values import PURPOSE, begun, claim, keys, settled, states


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Name a journal that does not exist yet."""
    return tmp_path / "run.db"


THREAD = "emay_voice_async.journal.sqlite"


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    """Check that each journal ends the thread."""
    before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - before:
        thread.join(10)
        assert not thread.is_alive()


@pytest.mark.parametrize("how", ["deleted", "moved", "replaced"])
def test_a_file_that_is_taken_away(path: Path, how: str) -> None:
    """A journal whose file was moved, deleted or replaced claims no call: the next run would not find the claim."""

    async def main() -> None:
        journal = SqliteJournal(path)
        run = await journal.start(PURPOSE)
        batch = await begun(run, keys(1))
        if how == "deleted":
            path.unlink()
        else:
            path.rename(path.with_name("other.db"))
        if how == "replaced":
            path.write_bytes(b"")
        for use in (run.begin(claim(keys(2))), run.close(batch, State.ACCEPTED), run.look(keys(1))):
            with pytest.raises(JournalError, match="moved, deleted or replaced"):
                await use
        await run.end()

    asyncio.run(main())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_fork(path: Path) -> None:
    """A child process that inherited an open journal gets an error, instead of a deadlock or writes without locks."""
    journal, closed = SqliteJournal(path), SqliteJournal(path.with_name("other.db"))

    async def child() -> None:
        async with asyncio.timeout(30):
            for _ in range(2):
                with pytest.raises(JournalError, match="forked"):
                    await journal.start(PURPOSE)
                await journal.aclose()
            await settled(await closed.start(PURPOSE), keys(2), State.ACCEPTED)
            await closed.aclose()

    with asyncio.Runner() as runner:
        run = runner.run(journal.start(PURPOSE))
        runner.run(begun(run, keys(1)))
        forked = multiprocessing.get_context("fork").Process(target=lambda: asyncio.run(child()))
        forked.start()
        forked.join(60)
        assert forked.exitcode == 0
        assert runner.run(states(run, keys(1))) == [State.UNDER_WAY]
        runner.run(run.end())
        assert runner.run(closed.summary()).states[State.ACCEPTED] == 1


def test_what_was_inherited_is_left_alone(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Closing does not touch the connection of another process."""

    async def main() -> None:
        async with SqliteJournal(path) as journal:
            run = await journal.start(PURPOSE)
            await begun(run, keys(1))
            with monkeypatch.context() as patch:
                patch.setattr(os, "getpid", lambda: -1)
                with pytest.raises(JournalError, match="forked"):
                    await run.begin(claim(keys(2)))
                await journal.aclose()
            assert await states(run, keys(1, 2)) == [State.UNDER_WAY, None]
            await run.end()

    asyncio.run(main())


@pytest.mark.slow
def test_one_loop_after_another(path: Path) -> None:
    """A journal object may be used in one loop after another, even if the first loop was stopped."""
    journal = SqliteJournal(path)
    loop = asyncio.new_event_loop()
    run = loop.run_until_complete(journal.start(PURPOSE))
    loop.run_until_complete(begun(run, keys(1)))
    loop.close()

    async def main() -> None:
        again = await journal.start(PURPOSE)
        assert await states(again, keys(1)) == [State.UNDER_WAY]
        nonlocal run
        del run
        gc.collect()
        # The first run is garbage collected, so none of its claims can be under way.
        assert await states(again, keys(1)) == [State.UNKNOWN]
        await journal.aclose()

    asyncio.run(main())


@pytest.mark.parametrize("closed", [False, True])
def test_what_has_a_place_in_the_queue_is_done(path: Path, closed: bool) -> None:
    """An outcome is written once the write was begun, though the caller is cancelled and the loop ends."""
    held = threading.Event()

    async def main() -> None:
        journal = SqliteJournal(path)
        run = await journal.start(PURPOSE)
        claims = [await begun(run, keys(number)) for number in range(3)]
        holding = asyncio.ensure_future(journal._resource.use(lambda _: held.wait(30)))
        closings = [asyncio.ensure_future(run.close(batch, State.ACCEPTED)) for batch in claims]
        await asyncio.sleep(0)
        for task in (holding, *closings):
            task.cancel()
        await asyncio.wait([holding, *closings])
        assert all(closing.cancelled() for closing in closings)
        if closed:
            ending = asyncio.ensure_future(run.end())
            await asyncio.sleep(0)
            held.set()
            await ending
        else:
            assert await cancelled(run.end())

    asyncio.run(main())
    held.set()

    async def later() -> None:
        async with SqliteJournal(path) as journal:
            run = await journal.start(PURPOSE)
            # The next user waits for the thread of the first, which still has the file.
            for thread in threading.enumerate():
                if thread.name.startswith(THREAD) and thread is not threading.current_thread():
                    thread.join(0.2)
            assert await states(run, keys(0, 1, 2)) == [State.ACCEPTED] * 3
            await run.end()

    asyncio.run(later())


def test_many_users_of_one_object(path: Path) -> None:
    """The file is closed when the last user leaves, and not before."""

    async def main() -> None:
        journal = SqliteJournal(path)
        first, second = await asyncio.gather(journal.start(PURPOSE), journal.start(PURPOSE))
        thread = journal._resource._thread
        await first.end()
        await first.end()
        assert journal._resource._thread is thread is not None
        await second.end()
        assert journal._resource._thread is None
        assert sorted(file.name for file in path.parent.iterdir()) == ["run.db"]

    asyncio.run(main())


async def cancelled(work: Coroutine[Any, Any, Any]) -> bool:
    """Start and cancel work; return whether the work was cancelled."""
    task = asyncio.ensure_future(work)
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    return task.cancelled()
