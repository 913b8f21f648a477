"""The event loop of a client: bound by the first call, and checked by each later call."""

import asyncio

from emay_voice_async.errors import UsageError
from emay_voice_async.model.checks import check_seconds

__all__ = ["LoopBinding", "instant_of"]


class LoopBinding:
    """Binds a client to the event loop of the first call.

    ``closed``: the client was closed, and :meth:`enter` raises :class:`UsageError`.
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self.closed: bool = False

    def enter(self) -> None:
        """Bind to the running loop on first use; raise :class:`UsageError` in another loop or after closing."""
        if self.closed:
            raise UsageError("client", "is closed; make a new one")
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        self.check()

    def check(self) -> None:
        """Raise :class:`UsageError` unless the loop of the first call is running, or no call was made."""
        try:
            running = asyncio.get_running_loop()
        except RuntimeError:
            running = None
        if self._loop is not None and self._loop is not running:
            raise UsageError(
                "client",
                "belongs to the event loop of its first call; make one client for each event loop, inside"
                " the coroutine that asyncio.run is given (or one for each test)",
            )


def instant_of(deadline: float | None) -> float | None:
    """Return the instant of the loop's clock that is ``deadline`` seconds away."""
    if deadline is None:
        return None
    check_seconds("deadline", deadline)
    return asyncio.get_running_loop().time() + deadline
