"""The lists of a send, copied when the command starts.

A send reads its lists twice: once for the plan, once to send. The copies guarantee that the confirmed plan and the
sent numbers are the same, and standard input can be read only once. Other programs cannot see the copies.
"""

import shutil
import sys
import tempfile
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self

from attrs import define, field

from emay_voice_async.cli.campaign.options import SendOptions
from emay_voice_async.cli.terminal.exit_codes import CommandError
from emay_voice_async.errors import InvalidRequestError
from emay_voice_async.lists.reading import FORMATS, Entry, read_recipients
from emay_voice_async.model.recipients import Recipient

__all__ = ["STANDARD_INPUT", "Lists", "Problems"]

STANDARD_INPUT: Final = Path("-")
SHOWN: Final = 20
"""The most invalid entries that are printed."""


@define
class Problems:
    """The invalid entries of the lists: their number, and a sentence for each of the first."""

    count: int = 0
    shown: list[str] = field(factory=list)

    def add(self, place: str, problem: InvalidRequestError) -> None:
        """Count an invalid entry; the sentence never holds the number."""
        self.count += 1
        if len(self.shown) < SHOWN:
            found = "" if problem.actual is None else f" (found {problem.actual})"
            self.shown.append(f"{place}: {problem.field} {problem.rule}{found}")

    def lines(self) -> Iterator[str]:
        """Yield the sentences, and the number of further entries."""
        yield from self.shown
        if self.count > len(self.shown):
            yield f"and {self.count - len(self.shown):,} more"


class Lists:
    """The files with recipients, in order; readable any number of times."""

    def __init__(self, options: SendOptions) -> None:
        paths = options.paths
        self.names = [_name(path) for path in paths]
        self.uses_standard_input = STANDARD_INPUT in paths
        self._options = options
        self._files: list[BinaryIO] = []
        try:
            for path in paths:
                self._files.append(_copy(path))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Delete the copies."""
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
        on_valid: Callable[[str], object] = lambda _: None,
    ) -> Iterator[Recipient]:
        """Yield the recipients; call ``on_valid`` or ``on_problem`` with the place of each entry.

        Raises :class:`CommandError` with the name of a file that cannot be read.
        """
        for path, name, file in zip(self._options.paths, self.names, self._files, strict=True):
            for entry in self._entries(path, name, file):
                place = f"{name}, line {entry.line}"
                if entry.problem is None:
                    on_valid(place)
                    yield entry.recipient
                else:
                    on_problem(place, entry.problem)

    def _entries(self, path: Path, name: str, file: BinaryIO) -> Iterator[Entry]:
        options = self._options
        file.seek(0)
        try:
            yield from read_recipients(
                file,
                format=options.format or _format(path) or None,
                column=options.column,
                custom_id_column=options.custom_id_column,
                encoding=options.encoding,
            )
        except InvalidRequestError as error:
            raise CommandError(f"{name}: {error}") from None

    def places(self, positions: Collection[int]) -> dict[int, str]:
        """Return the places of valid entries, by their position among the valid entries."""
        wanted, found = set(positions), dict[int, str]()
        valid: list[str] = []
        for position, _ in enumerate(self.recipients(on_valid=valid.append)):
            place = valid.pop()
            if position in wanted:
                found[position] = place
        return found


def _name(path: Path) -> str:
    return "standard input" if path == STANDARD_INPUT else str(path)


def _format(path: Path) -> str:
    """Return the format by the file name's ending; standard input holds one number a line."""
    if path == STANDARD_INPUT:
        return "txt"
    ending = path.suffix[1:].lower()
    return next((known for known, endings in FORMATS.items() if ending in endings), "")


def _copy(path: Path) -> BinaryIO:
    copy = tempfile.TemporaryFile()  # noqa: SIM115 - Lists.close() closes it
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
