"""The lists of a send, copied when the command starts.

A send reads its lists twice: once for the plan, once to send. The copies guarantee that the confirmed plan and the
sent numbers are the same, and standard input can be read only once. Other programs cannot see the copies.
"""

import re
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self

from attrs import define, field, frozen

from emay_voice_async.cli.campaign.options import SendOptions
from emay_voice_async.cli.terminal.exit_codes import CommandError, ExitCode
from emay_voice_async.cli.terminal.language import gettext
from emay_voice_async.cli.terminal.library_sentences import sentence
from emay_voice_async.cli.terminal.streams import standard_input
from emay_voice_async.errors import InvalidRequestError
from emay_voice_async.lists.reading import FORMATS, WORKBOOK, Entries, Entry, read_recipients
from emay_voice_async.model.numbers import is_number, mask, normalised
from emay_voice_async.model.recipients import Recipient

__all__ = ["STANDARD_INPUT", "Lists", "Problems"]

STANDARD_INPUT: Final = "-"
_NUMBERS: Final = re.compile(r"[+＋(（]?[0-9０-９][0-9０-９ ()（）.,，;；、+-]{5,}")
"""The form of a number, or of several numbers."""
_UNASSIGNED: Final = "012"
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
            text = gettext(
                "{place}: {field} {rule}",
                place=place,
                field=sentence(problem.field),
                rule=sentence(problem.rule),
            )
            found = gettext(" (found {value})", value=sentence(problem.actual))
            self.shown.append(text if problem.actual is None else f"{text}{found}")

    def lines(self) -> Iterator[str]:
        """Yield the sentences, and the number of further entries."""
        yield from self.shown
        if self.count > len(self.shown):
            yield gettext("and {number:,} more", number=self.count - len(self.shown))


@frozen
class _Source:
    """One value of ``--to``: a file, standard input, or a number."""

    name: str
    format: str | None
    path: Path
    number: str | None = None

    @classmethod
    def of(cls, text: str) -> Self:
        """Read a value of ``--to``; a text in the form of a number that names no file is a number."""
        path = Path(text)
        if text == STANDARD_INPUT:
            return cls(gettext("standard input"), "txt", path)
        if _NUMBERS.fullmatch(text) and not path.exists():
            number = normalised(text)
            if not is_number(number):
                raise CommandError(
                    gettext(
                        "{option}: neither a file nor one number of 11 digits; repeat --to for more",
                        option=f"--to {mask(text)}",
                    )
                )
            return cls(f"--to {mask(number)}", "txt", path, number)
        ending = path.suffix[1:].lower()
        known = next((known for known, endings in FORMATS.items() if ending in endings), None)
        return cls(text, known, path)

    def place(self, line: int) -> str:
        """Name the place of an entry."""
        if self.number is not None:
            return self.name
        return gettext("{list}, line {line}", list=self.name, line=line)

    def copy(self) -> BinaryIO:
        """Copy the source into a file that has no name; raise :class:`CommandError` with the source's name."""
        source = standard_input() if self.path == Path(STANDARD_INPUT) else None
        copy = _temporary_file()
        try:
            if self.number is not None:
                copy.write(self.number.encode())
            elif source is not None:
                shutil.copyfileobj(source, copy)
            else:
                with self.path.open("rb") as file:
                    shutil.copyfileobj(file, copy)
        except OSError as error:
            copy.close()
            raise CommandError(f"{self.name}: {error.strerror or error}") from None
        return copy


class Lists:
    """The sources of recipients, in order; readable any number of times.

    ``fields``: the columns that a template names.
    """

    def __init__(self, options: SendOptions, fields: Collection[str] = ()) -> None:
        self._fields = fields
        self._sources = [_Source.of(text) for text in options.to]
        self.names: list[str] = [source.name for source in self._sources]
        self.uses_standard_input: bool = STANDARD_INPUT in options.to
        self._options = options
        self._files: list[BinaryIO] = []
        self._notes: dict[str, str] = {}
        self.unassigned: int = 0
        """The recipients of the last reading whose numbers begin with 10, 11 or 12, as no mobile number does."""
        try:
            for source in self._sources:
                self._files.append(source.copy())
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
        self.unassigned = 0
        for source, file in zip(self._sources, self._files, strict=True):
            for entry in self._entries(source, file):
                place = source.place(entry.line)
                if entry.problem is None:
                    on_valid(place)
                    self.unassigned += entry.recipient.mobile[1] in _UNASSIGNED
                    yield entry.recipient
                else:
                    on_problem(place, entry.problem)

    def _entries(self, source: _Source, file: BinaryIO) -> Iterator[Entry]:
        file.seek(0)
        try:
            entries = self._reader(source, file)
            yield from entries
            self._notes[source.name] = _note(entries)
        except InvalidRequestError as error:
            raise CommandError(f"{source.name}: {error}") from None

    @property
    def described(self) -> str:
        """The names of the sources, with an encoding other than UTF-8 or the sheet; complete after one reading."""
        return ", ".join(
            f"{name} ({note})" if (note := self._notes.get(name, "")) else name for name in self.names
        )

    def _reader(self, source: _Source, file: BinaryIO) -> Entries:
        options = self._options
        chosen = "txt" if source.number is not None else options.format or source.format
        if self._fields and chosen == "txt":
            raise CommandError(
                gettext(
                    "{list}: has no columns for --template: give CSV, JSON lines or Excel", list=source.name
                )
            )
        if source.number is not None:
            return read_recipients(file, format="txt")
        is_workbook = chosen == WORKBOOK
        return read_recipients(
            file,
            format=chosen,
            fields=self._fields,
            column=options.column,
            custom_id_column=options.custom_id_column,
            encoding=None if is_workbook else options.encoding,
            sheet=options.sheet if is_workbook else None,
        )

    def places(self, positions: Collection[int]) -> dict[int, str]:
        """Return the places of valid entries, by their position among the valid entries."""
        wanted, found = set(positions), dict[int, str]()
        valid: list[str] = []
        for position, _ in enumerate(self.recipients(on_valid=valid.append)):
            place = valid.pop()
            if position in wanted:
                found[position] = place
        return found


def _note(entries: Entries) -> str:
    """Return the sheet, or an encoding other than UTF-8, for people."""
    if entries.sheet is not None:
        return gettext("sheet {name}", name=entries.sheet)
    return "" if entries.encoding in (None, "utf-8") else entries.encoding or ""


def _temporary_file() -> BinaryIO:
    try:
        return tempfile.TemporaryFile()
    except OSError as error:
        raise CommandError(
            gettext(
                "no folder for a temporary copy of the lists: set TMPDIR to a writable folder ({reason})",
                reason=sentence(error.strerror or error),
            ),
            ExitCode.OUTPUT,
        ) from None
