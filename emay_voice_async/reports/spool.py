"""Answers with reports on disk, from before they are read until every report in them was taken.

A getReport removes what it returns, so a process that dies between the answer and the last report
of it would lose the rest. A spool is a folder with one file for each answer. It serves one process
at a time: another one would deliver the same reports again.
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

__all__ = ["Spool", "SpooledAnswer", "put_aside", "remove"]

logger = logging.getLogger(__name__)

_SUFFIX: Final = ".json"
WINDOWS: Final = os.name == "nt"
"""Windows cannot open a folder to flush it, and needs not: its file system keeps a journal."""


class Spool:
    """A folder of raw answers. Its methods block: call them off the event loop."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        if self.path.exists() and not self.path.is_dir():
            raise InvalidRequestError("spool", "must be a folder, or not exist yet")

    def prepare(self) -> None:
        """Make the folder, and try whether it can be written: reports are removed before it is needed.

        Raises :class:`OSError`.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        probe = self.path / f"{secrets.token_hex(8)}.part"
        probe.write_bytes(b"")
        probe.unlink()

    def write(self, product: Product, body: bytes) -> Path:
        """Write an answer so that it survives a crash of the host, and return its file.

        The file appears under its name when it is complete; names sort by time.
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
        """Yield what a former process left, oldest first: file, product, and the answer's body."""
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


def put_aside(file: Path) -> None:
    """Keep a spooled answer that cannot be read, where no later process takes it up again."""
    try:
        file.rename(file.with_suffix(".broken"))
    except OSError:
        logger.exception("a spooled answer cannot be put aside")


def remove(file: Path) -> None:
    """Remove a spooled answer in which nothing is left.

    Should that fail, its reports come again in the next process; no reason to lose one in this.
    """
    try:
        file.unlink(missing_ok=True)
    except OSError:
        logger.exception("a spooled answer cannot be removed")


@define(eq=False)
class SpooledAnswer:
    """An answer on disk: its file goes when the last of its ``left`` reports was taken."""

    file: Path
    left: int
    broken: bool
    """Whether the answer also holds something that could not be read."""

    def take(self, number: int = 1) -> None:
        """Count so many of its reports as taken."""
        self.left -= number
        self.close_if_empty()

    def close_if_empty(self) -> None:
        """Remove the file, or put it aside for what could not be read, once nothing is left in it."""
        if self.left:
            return
        if self.broken:
            put_aside(self.file)
        else:
            remove(self.file)
