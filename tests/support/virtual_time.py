"""An event loop with a virtual clock, which jumps to the next timer instead of waiting."""

import asyncio
import selectors
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

_Result = TypeVar("_Result")


class _Selector(selectors.DefaultSelector):
    """Advances the virtual clock instead of waiting for a timer."""

    loop: "VirtualLoop"

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        events = super().select(0)
        if events or timeout == 0:
            return events
        if timeout is None or self.loop.threads:
            # Only another thread can wake the loop now; fail rather than hang.
            events = super().select(10)
            if not events:
                raise RuntimeError("no event, no timer and no thread is left in this loop")
            return events
        self.loop.now += timeout
        return events


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop that begins at 1,000 seconds; ``tick`` is the resolution of the clock in seconds."""

    def __init__(self, tick: float = 0.0) -> None:
        selector = _Selector()
        selector.loop = self
        super().__init__(selector)
        self.now = 1000.0
        self.threads = 0
        self._tick = tick
        if tick:
            self._clock_resolution = tick

    def time(self) -> float:
        """Return the virtual time in the resolution of the clock."""
        return self.now // self._tick * self._tick if getattr(self, "_tick", 0.0) else self.now

    def run_in_executor(  # type: ignore[override] # a narrower signature
        self, executor: Any, func: Callable[..., _Result], *args: Any
    ) -> asyncio.Future[_Result]:
        """Run a function in a thread; the clock stands still until the thread ends."""
        future = super().run_in_executor(executor, func, *args)
        self.threads += 1
        future.add_done_callback(self._thread_ended)
        return future

    def _thread_ended(self, _: object) -> None:
        self.threads -= 1

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """Wait for threads without a timeout, because the clock does not advance meanwhile."""
        await super().shutdown_default_executor()


def run(main: Coroutine[object, object, _Result], *, tick: float = 0.0) -> _Result:
    """Run a coroutine in virtual time; fail if tasks are left at the end."""
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(tick)) as runner:

        async def alone() -> _Result:
            result = await main
            left = asyncio.all_tasks() - {asyncio.current_task()}
            assert not left, f"tasks were left behind: {left}"
            return result

        return runner.run(alone())


def now() -> float:
    """Return the exact time of the running virtual loop, whatever the resolution of the clock."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    return loop.now


class CancellingLoop(VirtualLoop):
    """Cancels the task ``victim`` at turn ``cancel_at`` of the loop."""

    def __init__(self) -> None:
        super().__init__()
        self.turn = 0
        self.cancel_at = 0
        self.victim: asyncio.Task[Any] | None = None

    def _run_once(self) -> None:
        if self.victim is not None:
            self.turn += 1
            if self.turn == self.cancel_at:
                self.victim.cancel()
        super()._run_once()  # type: ignore[misc]


def cancel_everywhere(scenario: Callable[[], Callable[[CancellingLoop], Awaitable[None]]]) -> int:
    """Run a scenario once for each turn of the loop, and cancel the victim at that turn; return the number of runs."""
    turn = 0
    while True:
        turn += 1
        with asyncio.Runner(loop_factory=CancellingLoop) as runner:
            loop = runner.get_loop()
            assert isinstance(loop, CancellingLoop)
            loop.cancel_at = turn
            runner.run(scenario()(loop))  # type: ignore[arg-type]
            if loop.victim is not None and loop.turn < turn:
                return turn
