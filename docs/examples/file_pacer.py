"""A pacer of your own: the processes of one machine share the slots of an account in a small file.

A file has one number for each slot: the instant from which the slot is free, by the monotonic clock that all processes
of a Linux machine share. Put the files into a folder that is emptied at boot, such as ``/run/emay``.
"""

import asyncio
import fcntl
import mmap
import os
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from emay_voice_async import Call, Lease, RateLimit, RateLimits
from emay_voice_async.pacing.window import tolerance

POLL = 0.05
"""Seconds until a waiter looks for slots that other processes gave back."""


class FilePacer:
    """See :class:`emay_voice_async.Pacer`.

    ``longest``: seconds after which the slot of a process that was killed is free again: at least three times the
    client's ``timeout``.
    """

    def __init__(self, folder: str | Path, limits: RateLimits, *, longest: float = 90.0) -> None:
        Path(folder).mkdir(mode=0o700, parents=True, exist_ok=True)
        self._queues = {
            call: Slots(Path(folder) / f"{call.value}.slots", limit, longest)
            for call in Call
            if (limit := limits.of(call)) is not None
        }

    async def acquire(self, call: Call, *, again: bool = False) -> Lease:
        """Wait for a slot in order of arrival."""
        queue = self._queues.get(call)
        return FreeLease() if queue is None else await queue.acquire(again)

    def limit(self, call: Call) -> RateLimit | None:
        """Return the limit in force at this moment."""
        queue = self._queues.get(call)
        return None if queue is None else queue.limit()

    def close(self) -> None:
        """Close the files, after the clients."""
        for queue in self._queues.values():
            queue.close()


class Slots:
    """The slots of one kind of call, and the requests of this process that wait for one."""

    def __init__(self, path: Path, limit: RateLimit, longest: float) -> None:
        self._limit = limit
        self._longest = longest
        self._hold = limit.period + tolerance(limit.period)
        self._waiters: list[asyncio.Event] = []
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        # The last number is the instant until which half of the slots are used.
        size = 8 * (limit.requests + 1)
        if os.fstat(self._file).st_size not in (0, size):
            os.close(self._file)
            raise ValueError(f"{path} was made for another limit")
        os.ftruncate(self._file, size)
        self._map = mmap.mmap(self._file, size)
        self._instants = memoryview(self._map).cast("d")

    async def acquire(self, again: bool) -> Lease:
        """Wait until this request is the first and a slot is free."""
        waiter = asyncio.Event()
        self._waiters.insert(0 if again else len(self._waiters), waiter)
        try:
            while True:
                waiter.clear()
                pause = None
                if self._waiters[0] is waiter:
                    # No await between taking the slot and returning it: a cancellation cannot lose it.
                    slot, pause = self._take()
                    if slot is not None:
                        return SlotLease(self, slot)
                with suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await waiter.wait()
        finally:
            self._waiters.remove(waiter)
            self.wake()

    def limit(self) -> RateLimit:
        """Return the limit in force at this moment."""
        return RateLimit(self._allowed(_now()), self._limit.period)

    def free(self, slot: int, at: float) -> None:
        """Let a slot be free from an instant on."""
        with self._locked():
            self._instants[slot] = at
        self.wake()

    def end(self, slot: int, after: float, over_speed: bool) -> None:
        """Let a slot be free when the service has forgotten the request."""
        now = _now()
        if over_speed:
            self._instants[-1] = now + 10 * self._hold
        self.free(slot, now + after + self._hold)

    def wake(self) -> None:
        """Let the first waiter look for a slot."""
        if self._waiters:
            self._waiters[0].set()

    def close(self) -> None:
        """Close the file."""
        self._instants.release()
        self._map.close()
        os.close(self._file)

    def _allowed(self, now: float) -> int:
        requests = self._limit.requests
        return max(1, requests // 2) if now < self._instants[-1] else requests

    def _take(self) -> tuple[int | None, float]:
        """Take a free slot; without one, return the seconds until the next look."""
        with self._locked():
            now = _now()
            instants = self._instants[:-1].tolist()
            busy = [at for at in instants if at > now]
            if len(busy) >= self._allowed(now):
                return None, min(POLL, min(busy) - now)
            slot = next(place for place, at in enumerate(instants) if at <= now)
            self._instants[slot] = now + self._longest
            return slot, 0.0

    @contextmanager
    def _locked(self) -> Generator[None, None, None]:
        fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)


class SlotLease:
    """The lease of a slot."""

    def __init__(self, slots: Slots, slot: int) -> None:
        self._slots = slots
        self._slot = slot

    def end(self, *, after: float = 0.0, over_speed: bool = False) -> None:
        """Free the slot a period after the response."""
        self._slots.end(self._slot, after, over_speed)

    def give_back(self) -> None:
        """Free the slot at once."""
        self._slots.free(self._slot, 0.0)


class FreeLease:
    """The lease of a request without a limit."""

    def end(self, *, after: float = 0.0, over_speed: bool = False) -> None:
        """Do nothing: no slot was taken."""

    def give_back(self) -> None:
        """Do nothing: no slot was taken."""


def _now() -> float:
    return asyncio.get_running_loop().time()
