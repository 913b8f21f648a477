"""Which process made a claim, and whether it is gone: only then may nobody be sending what it claimed.

A wrong "gone" could call people twice, a wrong "perhaps alive" costs a wait.
"""

import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import Final

from attrs import frozen

__all__ = ["Owner"]

_PROC: Final = Path("/proc")
_CAN_ASK: Final = os.name == "posix"
"""Elsewhere, what asks whether a process is alive could end it."""


_ENDED: Final = ("Z", "X")
"""The states of a process that is no more than its exit code."""


@frozen
class Owner:
    """A process, as another one on the same machine can find it again.

    ``place``: the host, its boot and its namespace of processes, within which ``pid`` means something.
    ``born``: what tells it from a later process with the same number; "" where the system does not say.
    """

    place: str
    pid: int
    born: str

    @classmethod
    def current(cls) -> "Owner":
        """Return this process."""
        pid = os.getpid()
        return cls(_place(), pid, _status(pid)[1])

    def is_gone(self) -> bool | None:
        """Tell whether this process has certainly ended; None: that cannot be known from here."""
        if not _CAN_ASK or self.place != _place():
            return None
        try:
            # Signal 0 is never delivered.
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except OSError:
            # It is somebody else's, and there: the one that is meant, or one that got its number later.
            pass
        state, born = _status(self.pid)
        if state in _ENDED:
            # Whoever started it has not asked yet how it ended.
            return True
        # Where the system does not say, whoever has the number may be the one.
        return bool(born and self.born) and born != self.born


def _place() -> str:
    parts = [socket.gethostname()]
    with suppress(OSError):
        parts.append((_PROC / "sys/kernel/random/boot_id").read_text("ascii").strip())
    with suppress(OSError):
        parts.append(str((_PROC / "self/ns/pid").readlink()))
    return " ".join(parts)


def _status(pid: int) -> tuple[str, str]:
    """Return the state of a process, and the ticks from the host's boot to its birth; "" for what is not told."""
    with suppress(OSError, IndexError):
        # Behind the name in parentheses, which may hold anything, come the fields from the third on.
        fields = (_PROC / f"{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
        return fields[0], fields[19]
    return "", ""
