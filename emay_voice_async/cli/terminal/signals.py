"""Signals: the first Ctrl-C, SIGTERM or SIGHUP stops the work in order, the second ends the process at once."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Final

from emay_voice_async.cli.terminal.exit_codes import ExitCode
from emay_voice_async.cli.terminal.language import gettext

__all__ = ["StopRequest"]

# SIGHUP comes when the terminal goes away, such as a dropped ssh session. Windows has no SIGHUP.
_NAMES: Final = ("SIGINT", "SIGTERM", "SIGHUP")
_SIGNALS: Final = tuple(getattr(signal, name) for name in _NAMES if hasattr(signal, name))
_SHOW_CURSOR: Final = b"\x1b[?25h"


class StopRequest:
    """Whether the work should stop, and whether a signal asked for the stop."""

    def __init__(self) -> None:
        self.requested = False
        self.by_signal = False

    @contextmanager
    def handling_signals(self, begin: Callable[[], object]) -> Iterator[None]:
        """Call ``begin`` in the running event loop at the first signal; end the process at the second.

        A signal that is ignored, as under nohup or in the background of a shell, stays ignored.
        """
        loop = asyncio.get_running_loop()

        def on_signal(number: int, frame: FrameType | None) -> None:
            if self.by_signal:
                _end_at_once()
            self.by_signal = self.requested = True
            loop.call_soon_threadsafe(begin)

        # Not the loop's own handlers: asyncio cannot restore the former ones, and Windows has none.
        before = {number: signal.getsignal(number) for number in _SIGNALS}
        for number, handler in before.items():
            if handler is not signal.SIG_IGN:
                signal.signal(number, on_signal)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _end_at_once() -> None:
    """End the process without cleanup; the journal and the spool are on disk already."""
    text = f"\n{gettext('Ended at once.')}\n"
    with suppress(OSError, ValueError, AttributeError):
        # A display of rich replaces standard error by an object without an encoding.
        data = text.encode(getattr(sys.stderr, "encoding", None) or "utf-8", "replace")
        # os.write takes no lock; the interrupted code may hold the lock of sys.stderr.
        os.write(sys.stderr.fileno(), (_SHOW_CURSOR if sys.stderr.isatty() else b"") + data)
    os._exit(ExitCode.INTERRUPTED)
