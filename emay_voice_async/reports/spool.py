"""The spool: a folder with one file for each getReport answer, until all its reports were handed out.

A getReport removes the reports that it returns, so a process that is killed before the last report of an answer was
handed out would lose the rest. One process at a time may use a folder: two would deliver the same reports.
"""

import logging
import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from attrs import define

from emay_voice_async.errors import InvalidRequestError
from emay_voice_async.model.endpoints import Product

__all__ = ["Spool", "SpooledAnswer", "mark_broken", "remove"]

logger: logging.Logger = logging.getLogger(__name__)

_SUFFIX: Final = ".json"
WINDOWS: Final = os.name == "nt"
"""Windows cannot flush a folder, and need not: the file system has a journal."""


class Spool:
    """A folder of raw answers. All methods block: call them off the event loop."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path: Path = Path(path)
        if self.path.exists() and not self.path.is_dir():
            raise InvalidRequestError("spool", "must be a folder, or not exist yet")

    def prepare(self) -> None:
        """Make the folder and write a test file, before the first getReport removes reports.

        Raises :class:`OSError`.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        probe = self.path / f"{secrets.token_hex(8)}.part"
        probe.write_bytes(b"")
        probe.unlink()

    def write(self, product: Product, body: bytes) -> Path:
        """Write an answer, flush the file to the disk, and return the file.

        The file gets the final name when the file is complete; names sort by time.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        name = f"{time.time_ns():020}-{secrets.token_hex(4)}-{product.value}"
        part = self.path / f"{name}.part"
        with part.open("wb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        whole = part.rename(self.path / f"{name}{_SUFFIX}")
        self._flush_folder()
        return whole

    def leftovers(self) -> Iterator[tuple[Path, Product, bytes]]:
        """Yield the answers of earlier processes, oldest first: file, product and body."""
        found = [
            (file, product) for product in Product for file in self.path.glob(f"*-{product.value}{_SUFFIX}")
        ]
        for file, product in sorted(found, key=lambda pair: pair[0].name):
            try:
                body = file.read_bytes()
            except OSError:
                logger.exception("a spooled answer cannot be read")
            else:
                yield file, product, body

    def _flush_folder(self) -> None:
        if WINDOWS:
            return
        folder = os.open(self.path, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


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


@define(eq=False)
class SpooledAnswer:
    """An answer on disk; the file is removed when ``left`` is 0: all reports were handed out."""

    file: Path
    left: int
    broken: bool
    """Whether a part of the answer could not be read: then the file is renamed instead of removed."""

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
