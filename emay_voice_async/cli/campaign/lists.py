"""The lists that a send goes to, as they were when the command began.

A send is planned in one pass and made in another. What was confirmed must be what is sent, and standard input
can be read only once: so each list is copied first, into a file that no other program can see.
"""

import shutil
import sys
import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self

from attrs import define, field, frozen

from emay_voice_async.cli.terminal.exit_codes import CommandError
from emay_voice_async.errors import InvalidRequestError
from emay_voice_async.lists.columns import Column
from emay_voice_async.lists.reading import FORMATS, Entry, read_recipients
from emay_voice_async.model.recipients import Recipient

__all__ = ["STANDARD_INPUT", "Layout", "Lists", "Problems"]

STANDARD_INPUT: Final = Path("-")
SHOWN: Final = 20
"""Bad entries that are told one by one."""


@frozen
class Layout:
    """What is in the files; None: as each file says itself."""

    format: str | None = None
    column: Column | None = None
    custom_id_column: Column | None = None
    encoding: str | None = None

    def read(self, name: str, ending: str, file: BinaryIO) -> Iterator[Entry]:
        """Yield the entries of one file; raise :class:`CommandError` that names it when it cannot be read."""
        file.seek(0)
        try:
            yield from read_recipients(
                file,
                format=self.format or ending or None,
                column=self.column,
                custom_id_column=self.custom_id_column,
                encoding=self.encoding,
            )
        except InvalidRequestError as error:
            raise CommandError(f"{name}: {error}") from None


@define
class Problems:
    """The entries that cannot be sent to: how many, and where the first of them stand."""

    count: int = 0
    shown: list[str] = field(factory=list)

    def add(self, where: str, problem: InvalidRequestError) -> None:
        """Take note of one; the number itself is never part of it."""
        self.count += 1
        if len(self.shown) < SHOWN:
            found = "" if problem.actual is None else f" (found {problem.actual})"
            self.shown.append(f"{where}: {problem.field} {problem.rule}{found}")

    def lines(self) -> Iterator[str]:
        """Yield what to tell."""
        yield from self.shown
        if self.count > len(self.shown):
            yield f"and {self.count - len(self.shown):,} more"


class Lists:
    """Files with recipients, one after the other, to be read as often as needed."""

    def __init__(self, paths: Sequence[Path], layout: Layout) -> None:
        self.names: list[str] = [_name(path) for path in paths]
        self.uses_standard_input: bool = STANDARD_INPUT in paths
        self._layout = layout
        self._endings = [_format(path) for path in paths]
        self._files: list[BinaryIO] = []
        try:
            for path in paths:
                self._files.append(_copy(path))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Throw the copies away."""
        for file in self._files:
            file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def recipients(
        self,
        on_problem: Callable[[str, InvalidRequestError], object] = lambda *_: None,
        on_good: Callable[[str], object] = lambda _: None,
    ) -> Iterator[Recipient]:
        """Yield whom to send to; tell of each entry where it stands, and of a bad one what is wrong with it."""
        for name, ending, file in zip(self.names, self._endings, self._files, strict=True):
            for entry in self._layout.read(name, ending, file):
                where = f"{name}, line {entry.line}"
                if entry.problem is None:
                    on_good(where)
                    yield entry.recipient
                else:
                    on_problem(where, entry.problem)

    def places(self, positions: Collection[int]) -> dict[int, str]:
        """Find where some of the good entries stand, by their position among them."""
        wanted, found = set(positions), {}
        last = ""

        def keep(where: str) -> None:
            nonlocal last
            last = where

        for position, _ in enumerate(self.recipients(on_good=keep)):
            if position in wanted:
                found[position] = last
        return found


def _name(path: Path) -> str:
    return "standard input" if path == STANDARD_INPUT else str(path)


def _format(path: Path) -> str:
    """Tell the format by the ending; standard input is a number a line unless it is said otherwise."""
    if path == STANDARD_INPUT:
        return "txt"
    ending = path.suffix[1:].lower()
    return next((known for known, endings in FORMATS.items() if ending in endings), "")


def _copy(path: Path) -> BinaryIO:
    copy = tempfile.TemporaryFile()  # noqa: SIM115 - closed by its owner
    try:
        if path == STANDARD_INPUT:
            shutil.copyfileobj(sys.stdin.buffer, copy)
        else:
            with path.open("rb") as file:
                shutil.copyfileobj(file, copy)
    except OSError as error:
        copy.close()
        raise CommandError(f"{_name(path)}: {error.strerror or error}") from None
    return copy
