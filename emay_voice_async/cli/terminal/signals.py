"""Ctrl-C and SIGTERM: once, to end well; twice, to end at once."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Final

from emay_voice_async.cli.terminal.exit_codes import Ending

__all__ = ["Stop"]

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
_SHOW_CURSOR: Final = b"\x1b[?25h"


class Stop:
    """Whether the work is to end, and what begins its end."""

    def __init__(self) -> None:
        self.is_wanted = False
        self.came_by_signal = False

    @contextmanager
    def listening(self, begin: Callable[[], object]) -> Iterator[None]:
        """Have ``begin`` called in the running event loop by the first signal, and the process ended by the next.

        A signal that is ignored, as in the background of a shell, stays so.
        """
        loop = asyncio.get_running_loop()

        def on_signal(number: int, frame: FrameType | None) -> None:
            if self.came_by_signal:
                _end_at_once()
            self.came_by_signal = self.is_wanted = True
            loop.call_soon_threadsafe(begin)

        # Not the loop's own handlers: they cannot be put back as they were, and Windows has none.
        before = {one: signal.getsignal(one) for one in _SIGNALS}
        for one, handler in before.items():
            if handler is not signal.SIG_IGN:
                signal.signal(one, on_signal)
        try:
            yield
        finally:
            for one, handler in before.items():
                signal.signal(one, handler)


def _end_at_once() -> None:
    """End the process like a crash: whoever wrote what must not be lost wrote it before."""
    with suppress(OSError, ValueError, AttributeError):
        # Nothing here may wait for a lock that the interrupted code holds.
        os.write(sys.stderr.fileno(), (_SHOW_CURSOR if sys.stderr.isatty() else b"") + b"\nEnded at once.\n")
    os._exit(Ending.INTERRUPTED)
