"""Tasks that outlive their callers, and callers that wait for a slot while the client is closed."""

import asyncio
import gc
from contextlib import AbstractContextManager, nullcontext

import pytest
from support.virtual_time import now, run

from emay_voice_async.errors import NotSentError
from emay_voice_async.exchange.tasks import OwnedTasks, retrieve


async def _finish() -> None:
    finished.append(now())


finished: list[float] = []


@pytest.fixture(autouse=True)
def _none_finished() -> None:
    finished.clear()


class TestKeep:
    """``keep`` and ``aclose``."""

    def test_closing_waits_for_owned_tasks(self) -> None:
        """Closing waits for each owned task, also for one that another owned task adds, then finishes."""

        async def main() -> None:
            tasks = OwnedTasks()

            async def first() -> None:
                await asyncio.sleep(5)
                tasks.keep(asyncio.ensure_future(asyncio.sleep(3)))

            tasks.keep(asyncio.ensure_future(first()))
            gc.collect()
            await tasks.aclose(_finish)
            assert finished == [1008]
            await tasks.aclose(_finish)
            assert finished == [1008]

        run(main())

    def test_a_closing_that_is_cancelled(self) -> None:
        """The caller's cancellation is raised, and the closing goes on in the background."""

        async def main() -> None:
            tasks = OwnedTasks()
            tasks.keep(asyncio.ensure_future(asyncio.sleep(5)))
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1):
                    await tasks.aclose(_finish)
            assert not finished
            await tasks.aclose(_finish)
            assert finished == [1005]

        run(main())


class TestWait:
    """``wait`` and ``pause``."""

    def test_the_result(self) -> None:
        """The result of the awaitable is returned."""

        async def main() -> None:
            assert await OwnedTasks().wait(asyncio.sleep(1, "result"), "/path") == "result"

        run(main())

    def test_closing_ends_the_wait(self) -> None:
        """A caller that waits when the client is closed gets a NotSentError at once."""

        async def main() -> None:
            tasks = OwnedTasks()
            waiting = asyncio.ensure_future(tasks.wait(asyncio.Event().wait(), "/path"))
            await asyncio.sleep(1)
            await tasks.aclose(_finish)
            with pytest.raises(NotSentError, match="closed"):
                await waiting
            assert now() == 1001
            assert not waiting.cancelling()

        run(main())

    def test_a_cancellation_is_one(self) -> None:
        """A caller that is cancelled is cancelled."""

        async def main() -> None:
            waiting = asyncio.ensure_future(OwnedTasks().pause(asyncio.sleep(5), "/path", None))
            await asyncio.sleep(1)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting

        run(main())

    @pytest.mark.parametrize(("deadline", "ended"), [(None, 1005), (1005.5, 1005), (1004, 1004)])
    def test_a_pause(self, deadline: float | None, ended: float) -> None:
        """A pause takes its seconds, and is a NotSentError if the deadline passes first."""

        async def main() -> None:
            raised: AbstractContextManager[object] = (
                nullcontext() if ended == 1005 else pytest.raises(NotSentError, match="deadline")
            )
            with raised:
                await OwnedTasks().pause(asyncio.sleep(5), "/path", deadline)
            assert now() == ended

        run(main())

    def test_no_pause_after_closing(self) -> None:
        """After the closing a pause raises at once."""

        async def main() -> None:
            tasks = OwnedTasks()
            await tasks.aclose(_finish)
            with pytest.raises(NotSentError, match="closed"):
                await tasks.pause(asyncio.sleep(5), "/path", None)
            assert now() == 1000

        run(main())


@pytest.mark.slow
@pytest.mark.parametrize("end", ["result", "error", "cancel"])
def test_the_exception_of_a_future_without_a_caller(end: str) -> None:
    """``retrieve`` takes note of the exception, so that asyncio logs none."""

    async def main() -> None:
        logged: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: logged.append(context))
        future = asyncio.get_running_loop().create_future()
        if end == "result":
            future.set_result(None)
        elif end == "error":
            future.set_exception(OSError())
        else:
            future.cancel()
        retrieve(future)
        del future
        gc.collect()
        assert not logged

    asyncio.run(main())


def test_a_closed_client_awaits_no_step() -> None:
    """After closing, a step is refused, whether the step is a coroutine or a future."""

    async def main() -> None:
        tasks = OwnedTasks()
        await tasks.aclose(_finish)
        steps = asyncio.get_running_loop().create_future(), asyncio.sleep(0)
        for step in steps:
            with pytest.raises(NotSentError, match="closed"):
                await tasks.wait(step, "/path")

    run(main())
