"""Files that contain whole phone numbers: created for the owner alone, and refused when other users could change them.

On systems without user ids, only a link to a missing file is refused.
"""

import os
import stat
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from emay_voice_async.errors import JournalError

try:
    import grp
    import pwd
except ImportError:  # pragma: no cover - Windows
    grp, pwd = Any, Any  # type: ignore[assignment]

__all__ = ["check_owners", "create_private", "identity", "side_file"]

_SIDE_FILES: Final = ("wal", "journal", "shm")
"""Files that SQLite keeps beside a database; the first two contain data."""

_CREATING: Final = threading.Lock()
_HAS_USERS: Final = os.name == "posix"


def identity(path: Path) -> tuple[int, int] | None:
    """Return the device and inode of the file at ``path``; None: no file exists."""
    with suppress(OSError):
        found = path.stat()
        return found.st_dev, found.st_ino
    return None


def side_file(path: Path, kind: str) -> Path:
    """Return the path of a side file of a database: its "wal", "journal" or "shm"."""
    return path.with_name(f"{path.name}-{kind}")


def create_private(path: Path) -> None:
    """Create an empty file with mode 0600 if no file exists, and check the file with :func:`check_owners`.

    Raises :class:`JournalError` if the path is a link to a missing file, or if a new file would have a side file with
    data: the side file is of another database.

    An existing file is never opened and closed here: a process that closes a file by itself loses all locks that SQLite
    holds on the file. The next process that closes the journal would then remove data that this process still writes.
    """
    with _CREATING:
        if path.is_symlink() and not path.exists():
            raise JournalError("it is a link to a file that does not exist")
        with suppress(FileExistsError):
            # O_EXCL refuses a link as well.
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
            _check_alone(path)
        check_owners(path)


def _check_alone(path: Path) -> None:
    for side in (side_file(path, "wal"), side_file(path, "journal")):
        if identity(side) is not None and side.stat().st_size:
            path.unlink()
            raise JournalError(
                f"{side.name} belongs to a journal that is missing: restore the journal, or remove it"
            )


def check_owners(path: Path) -> None:
    """Raise :class:`JournalError` if another user could change the file, folder, link or side files of a journal."""
    target = Path(os.path.realpath(path))
    found = target.stat()
    if not stat.S_ISREG(found.st_mode):
        raise JournalError("it is not a file")
    if not _HAS_USERS:  # pragma: no cover - Windows
        return
    if path.is_symlink() and path.lstat().st_uid not in (os.geteuid(), 0, found.st_uid):
        raise JournalError("it is a link of another user")
    folder = target.parent.stat()
    if _others_can_write(folder) and not folder.st_mode & stat.S_ISVTX:
        raise JournalError(
            f"other users can write to its folder: chmod go-w {target.parent}, or use another folder"
        )
    _check_owner(target, found)
    for side in (side_file(target, kind) for kind in _SIDE_FILES):
        with suppress(FileNotFoundError):
            _check_owner(side, side.lstat())


def _check_owner(file: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise JournalError(f"{file.name} is not a file")
    if status.st_uid not in (os.geteuid(), 0) and os.geteuid():
        raise JournalError(f"{file.name} belongs to another user")
    if _others_can_write(status):
        raise JournalError(f"other users can write to {file.name}: chmod go-w {file}")


def _others_can_write(status: os.stat_result) -> bool:
    by_group = status.st_mode & stat.S_IWGRP and not _is_private_group(status.st_gid)
    return bool(status.st_mode & stat.S_IWOTH or by_group)


def _is_private_group(gid: int) -> bool:
    """Tell whether a group is the primary group of this user and has no other members."""
    try:
        members = set(grp.getgrgid(gid).gr_mem) - {pwd.getpwuid(os.geteuid()).pw_name}
    except KeyError:
        # Without an entry for the group or the user, as in a container, no members are known.
        members = set()
    return gid == os.getegid() and not members
