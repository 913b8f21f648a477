"""Standard error: words for people, in colour and in motion on a terminal only."""

import io
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.text import Text

__all__ = ["QUIET", "Screen", "rendered"]

QUIET: Final = -1
TRACEBACKS: Final = 2
_LEVELS: Final = {QUIET: logging.ERROR, 0: logging.WARNING, 1: logging.INFO}


class _Terminal(Console):
    """A console that leaves it to us what a broken pipe means."""

    def on_broken_pipe(self) -> None:
        raise  # noqa: PLE0704 - called by rich where it has caught it


def rendered(what: RenderableType, *, is_terminal: bool) -> str:
    """Return what would be printed, without blanks at the ends of lines, in colour for a terminal."""
    console = Console(
        file=io.StringIO(), force_terminal=is_terminal, highlight=False, markup=False, emoji=False
    )
    with console.capture() as capture:
        console.print(what)
    return "\n".join(line.rstrip() for line in capture.get().splitlines())


class Screen:
    """What a person reads. ``verbosity``: -1 quiet, 0 as usual, 1 the log as well, 2 all of it and tracebacks."""

    def __init__(self, verbosity: int = 0) -> None:
        self.verbosity = verbosity
        self.is_terminal: bool = sys.stderr.isatty()
        self.console: _Terminal = _Terminal(
            stderr=True, force_terminal=self.is_terminal, highlight=False, markup=False, emoji=False
        )

    @property
    def is_quiet(self) -> bool:
        """Whether only errors are to be told."""
        return self.verbosity <= QUIET

    @property
    def shows_tracebacks(self) -> bool:
        """Whether a mistake of the program is told in full."""
        return self.verbosity >= TRACEBACKS

    def say(self, text: str, style: str = "", *, cut: bool = True) -> None:
        """Print a sentence, unless it is to be quiet; cut into lines on a terminal, unless it is to be copied."""
        if not self.is_quiet:
            self._print(text, style, soft_wrap=not (cut and self.is_terminal))

    def complain(self, text: str) -> None:
        """Print what went wrong, quiet or not: one line, after the name of the program."""
        self._print(f"emay-voice: {' '.join(text.split())}", soft_wrap=True)

    def show(self, what: RenderableType) -> None:
        """Print a table, quiet or not."""
        if self.is_terminal:
            self._print(what)
        else:
            self._print(rendered(what, is_terminal=False), soft_wrap=True)

    def item(self, text: str, style: str) -> None:
        """Print one of a list, quiet or not: one line, but for a terminal that is too narrow for it."""
        if self.is_terminal:
            self._print(Padding(Text(text, style=style), (0, 0, 0, 4), expand=False))
        else:
            self._print(f"    {text}", soft_wrap=True)

    @contextmanager
    def waiting(self, text: str) -> Iterator[Callable[[str], object]]:
        """Show on a terminal what is being waited for; gives what changes the text."""
        if self.is_terminal and not self.is_quiet:
            with self.console.status(text) as status:
                yield status.update
        else:
            yield lambda _: None

    def _print(self, what: RenderableType, style: str = "", *, soft_wrap: bool = False) -> None:
        # Nobody reads it any more, and what has to be done has to be done.
        with suppress(OSError):
            self.console.print(what, style=style or None, soft_wrap=soft_wrap)

    @contextmanager
    def with_log(self) -> Iterator[None]:
        """Print the log of the package while the context lasts."""
        logger = logging.getLogger("emay_voice_async")
        handler = _Handler(self)
        handler.setLevel(_LEVELS.get(self.verbosity, logging.DEBUG))
        before = logger.level, logger.propagate
        logger.setLevel(handler.level)
        logger.propagate = False
        logger.addHandler(handler)
        try:
            yield
        finally:
            logger.removeHandler(handler)
            logger.level, logger.propagate = before


class _Handler(logging.Handler):
    """Prints log records in between of what moves on the terminal."""

    def __init__(self, screen: Screen) -> None:
        super().__init__()
        self._screen = screen

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info and not self._screen.shows_tracebacks:
            error = record.exc_info[1]
            self._screen.complain(f"{record.getMessage()}: {error}")
        elif record.exc_info:
            self._screen.show(self.format(record))
        else:
            self._screen.complain(record.getMessage())
