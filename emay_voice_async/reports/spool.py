"""The spool: a folder with one file for each getReport answer, until all its reports were handed out.

A getReport removes the reports that it returns, so a process that is killed before the last report of an answer was
handed out would lose the rest. With a spool a killed process loses no report from the moment at which the answer is
on the disk; the service removes the reports a little before.

A folder belongs to one account, and to one process at a time: two would deliver the same reports. A lock holds the
second process off where the system has ``flock`` (not on Windows, and not on every network file system).
Reports hold numbers and recordings, so the folder is made with mode 0700 and the files with mode 0600.
"""

import json
import logging
import os
import re
import secrets
import stat
import time
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, unquote

from emay_voice_async.errors import InvalidRequestError
from emay_voice_async.model.endpoints import Product

__all__ = ["Spool", "SpooledAnswer", "mark_broken", "remove"]

logger: logging.Logger = logging.getLogger(__name__)

WINDOWS: Final = os.name == "nt"
"""Windows cannot flush a folder, and need not: the file system has a journal."""
fcntl: Any = None if WINDOWS else import_module("fcntl")
_NAME: Final = re.compile(r"\d{20}-[0-9a-f]{8}-(?P<product>voice|join)-(?P<app_id>.+)\.(?P<kind>json|part)")
_NO_FOLLOW: Final = getattr(os, "O_NOFOLLOW", 0)
_BINARY: Final = getattr(os, "O_BINARY", 0)


class Spool:
    """A folder of the raw answers of one account. All methods block: call them off the event loop.

    Raises :class:`InvalidRequestError` for a path that is neither a folder nor free.
    """

    def __init__(self, path: str | os.PathLike[str], app_id: str) -> None:
        self._lock: int | None = None
        try:
            self.path: Path = Path(path).absolute()
            taken = os.path.lexists(self.path) and not self.path.is_dir()
        except TypeError:
            found = type(path).__name__
            raise InvalidRequestError("spool", "must be the path of a folder", None, found) from None
        if "\0" in str(path):
            raise InvalidRequestError("spool", "must be the path of a folder", None, "a null character")
        if taken:
            found = "a dangling link" if self.path.is_symlink() and not self.path.exists() else "a file"
            raise InvalidRequestError("spool", "must be a folder, or not exist yet", None, found)
        self._app_id = app_id
        # Quoted, because an app_id may have a character that a file name may not have.
        self._account = quote(app_id, safe="")

    def prepare(self) -> None:
        """Make, check and lock the folder, and remove incomplete files, before the first getReport removes reports.

        Raises :class:`OSError` for a folder that cannot be used, and :class:`InvalidRequestError` for a folder that
        others can write to, that another process uses, or that holds reports of another account.
        """
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not WINDOWS and stat.S_IMODE(self.path.stat().st_mode) & 0o022:
            raise InvalidRequestError("spool", "must not be writable by other users: chmod 700")
        self._lock = self._locked()
        try:
            self._check_account()
            self._sweep()
            probe = self._part(Product.VOICE)
            os.close(_create(probe))
            probe.unlink()
        except BaseException:
            self.release()
            raise

    def release(self) -> None:
        """Release the lock."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def __del__(self) -> None:
        self.release()

    def write(self, product: Product, body: bytes) -> Path:
        """Write an answer, flush the file to the disk, and return the file; raise :class:`OSError` if there is no file.

        The file gets the final name when the file is complete; names sort by time.
        """
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = self._part(product)
        try:
            with os.fdopen(_create(part), "wb") as file:
                file.write(body)
                file.flush()
                os.fsync(file.fileno())
            whole = _finish(part)
        except BaseException:
            with suppress(OSError):
                part.unlink()
            raise
        try:
            self._flush_folder()
        except OSError:
            # Not every file system can. The file is there, and must go with its last report.
            logger.exception("the folder of the spool cannot be flushed")
        return whole

    def leftovers(self) -> Iterator[tuple[Path, Product, bytes]]:
        """Yield the answers of earlier processes, oldest first: file, product and body."""
        for file, match in sorted(self._files("json"), key=lambda pair: pair[0].name):
            try:
                body = _read(file)
            except OSError:
                logger.exception("a spooled answer cannot be read")
            else:
                yield file, Product(match["product"]), body

    def _part(self, product: Product) -> Path:
        """Return the path of a new file that is not complete yet."""
        return self.path / f"{time.time_ns():020}-{secrets.token_hex(4)}-{product.value}-{self._account}.part"

    def _files(self, kind: str) -> list[tuple[Path, re.Match[str]]]:
        """List the files of a kind, of all accounts."""
        matches = ((file, _NAME.fullmatch(file.name)) for file in self.path.iterdir())
        return [(file, match) for file, match in matches if match is not None and match["kind"] == kind]

    def _locked(self) -> int | None:
        """Lock the folder; None where that is not possible."""
        if fcntl is None:
            return None
        lock = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            rule = "must be used by one client of one process at a time: another one uses this folder"
            raise InvalidRequestError("spool", rule) from None
        except OSError as error:
            os.close(lock)
            logger.warning("the spool cannot be locked against a second process: %s", error.strerror)
            return None
        return lock

    def _check_account(self) -> None:
        others = {match["app_id"] for _, match in self._files("json")} - {self._account}
        if others:
            rule = f"must not hold reports of another account ({unquote(min(others))}): use a folder for each"
            raise InvalidRequestError("spool", rule)

    def _sweep(self) -> None:
        """Finish whole files that a kill left under the name of incomplete ones, and remove incomplete files."""
        for file, _ in self._files("part"):
            if _is_whole(file):
                _finish(file)
            else:
                file.unlink(missing_ok=True)

    def _flush_folder(self) -> None:
        if WINDOWS:
            return
        folder = os.open(self.path, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _finish(part: Path) -> Path:
    """Give a complete file the final name."""
    return part.rename(part.with_name(part.name.removesuffix("part") + "json"))


def _is_whole(part: Path) -> bool:
    """Tell whether a file holds a whole answer: the reports in it exist nowhere else."""
    try:
        json.loads(_read(part))
    except (OSError, ValueError, RecursionError):
        return False
    return True


def _create(path: Path) -> int:
    """Create a file that does not exist, for this user only."""
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_FOLLOW | _BINARY, 0o600)


def _read(path: Path) -> bytes:
    """Read a regular file; a link, a folder or a pipe of this name raises :class:`OSError`."""
    opened = os.open(path, os.O_RDONLY | _NO_FOLLOW | _BINARY | getattr(os, "O_NONBLOCK", 0))
    with os.fdopen(opened, "rb") as file:
        if not stat.S_ISREG(os.fstat(opened).st_mode):
            raise OSError("not a regular file")
        return file.read()


def mark_broken(file: Path) -> None:
    """Rename a spooled answer that cannot be read, so that no later process reads the file again."""
    try:
        file.rename(file.with_suffix(".broken"))
    except OSError:
        logger.exception("a spooled answer cannot be renamed")


def remove(file: Path) -> None:
    """Remove a spooled answer without reports.

    If that fails, the next process delivers the reports again; this process goes on.
    """
    try:
        file.unlink(missing_ok=True)
    except OSError:
        logger.exception("a spooled answer cannot be removed")


class SpooledAnswer:
    """An answer on disk; the file is removed when ``left`` is 0: all reports were handed out.

    ``broken``: a part of the answer could not be read, and the file is renamed instead.
    """

    def __init__(self, file: Path, left: int, broken: bool) -> None:
        self.file: Path = file
        self.left: int = left
        self.broken: bool = broken

    def confirm(self, number: int = 1) -> None:
        """Count reports as handed out."""
        self.left -= number
        self.close_if_empty()

    def close_if_empty(self) -> None:
        """Remove or rename the file if no report is left."""
        if self.left:
            return
        if self.broken:
            mark_broken(self.file)
        else:
            remove(self.file)
