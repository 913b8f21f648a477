"""The identity of the process that made a claim, and whether the process has ended.

After the end of the process, and only then, a claim cannot be under way any more. A wrong "ended" could call people
twice, a wrong "perhaps alive" costs a wait.
"""

import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import Final

from attrs import frozen

__all__ = ["ProcessIdentity"]

_PROC: Final = Path("/proc")
_HAS_SIGNAL_0: Final = os.name == "posix"
"""On other systems, ``os.kill`` could end the process."""
_ENDED: Final = ("Z", "X")
"""States of a process that has ended: zombie and dead."""


@frozen
class ProcessIdentity:
    """A process, as another process on the same machine can find it again.

    ``place``: the host, the boot and the process namespace, within which ``pid`` is unique. ``born``: the start time,
    which distinguishes the process from a later process with the same pid; "" where the system does not tell.
    """

    place: str
    pid: int
    born: str

    @classmethod
    def current(cls) -> "ProcessIdentity":
        """Return the identity of this process."""
        pid = os.getpid()
        return cls(_place(), pid, _status(pid)[1])

    def has_ended(self) -> bool | None:
        """Tell whether this process has certainly ended; None: unknown on this machine."""
        if not _HAS_SIGNAL_0 or self.place != _place():
            return None
        try:
            # Signal 0 is never delivered.
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except OSError:
            # Permission denied: a process with this pid is alive.
            pass
        state, born = _status(self.pid)
        if state in _ENDED:
            # A zombie: the parent has not read the exit code yet.
            return True
        # A reused pid has another start time. Without start times the process may be alive.
        return bool(born and self.born) and born != self.born


def _place() -> str:
    parts = [socket.gethostname()]
    with suppress(OSError):
        parts.append((_PROC / "sys/kernel/random/boot_id").read_text("ascii").strip())
    with suppress(OSError):
        parts.append(str((_PROC / "self/ns/pid").readlink()))
    return " ".join(parts)


def _status(pid: int) -> tuple[str, str]:
    """Return the state and the start time of a process, in ticks since boot; "" where the system does not tell."""
    with suppress(OSError, IndexError):
        # The name, in parentheses, may contain any bytes; the other fields follow the name.
        fields = (_PROC / f"{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
        return fields[0], fields[19]
    return "", ""
