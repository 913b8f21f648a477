"""Standard error: sentences and tables for people; color and motion on a terminal only."""

import io
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

import rich.console
from rich.console import RenderableType
from rich.padding import Padding
from rich.text import Text

__all__ = ["QUIET", "Console", "rendered"]

QUIET: Final = -1
TRACEBACKS: Final = 2
_LEVELS: Final = {QUIET: logging.ERROR, 0: logging.WARNING, 1: logging.INFO}


class _RichConsole(rich.console.Console):
    """A console of rich that raises the error of a broken pipe instead of ending the process."""

    def on_broken_pipe(self) -> None:
        raise  # noqa: PLE0704 - rich calls this inside its except clause


def rendered(content: RenderableType, *, is_terminal: bool) -> str:
    """Return the printed form: no blanks at the ends of lines, color for a terminal only."""
    console = rich.console.Console(
        file=io.StringIO(), force_terminal=is_terminal, highlight=False, markup=False, emoji=False
    )
    with console.capture() as capture:
        console.print(content)
    return "\n".join(line.rstrip() for line in capture.get().splitlines())


class Console:
    """Prints to standard error.

    ``verbosity``: -1 errors only, 0 the usual, 1 the log as well, 2 the whole log and tracebacks.
    """

    def __init__(self, verbosity: int = 0) -> None:
        self.verbosity = verbosity
        self.is_terminal = sys.stderr.isatty()
        self.rich = _RichConsole(
            stderr=True, force_terminal=self.is_terminal, highlight=False, markup=False, emoji=False
        )

    @property
    def is_quiet(self) -> bool:
        """Whether only errors are printed."""
        return self.verbosity <= QUIET

    @property
    def shows_tracebacks(self) -> bool:
        """Whether errors are printed with their traceback."""
        return self.verbosity >= TRACEBACKS

    def say(self, text: str, style: str = "", *, wrap: bool = True) -> None:
        """Print a sentence unless quiet; with ``wrap``, a terminal gets lines of its width."""
        if not self.is_quiet:
            self._print(text, style, soft_wrap=not (wrap and self.is_terminal))

    def complain(self, text: str) -> None:
        """Print an error, also when quiet: one line that begins with the program's name."""
        self._print(f"emay-voice: {' '.join(text.split())}", soft_wrap=True)

    def show(self, content: RenderableType) -> None:
        """Print a table, also when quiet."""
        if self.is_terminal:
            self._print(content)
        else:
            self._print(rendered(content, is_terminal=False), soft_wrap=True)

    def item(self, text: str, style: str) -> None:
        """Print a list item, also when quiet: one line, wrapped only on a terminal that is too narrow."""
        if self.is_terminal:
            self._print(Padding(Text(text, style=style), (0, 0, 0, 4), expand=False))
        else:
            self._print(f"    {text}", soft_wrap=True)

    @contextmanager
    def waiting(self, text: str) -> Iterator[Callable[[str], object]]:
        """Show a status line on a terminal; yields the function that changes the text."""
        if self.is_terminal and not self.is_quiet:
            with self.rich.status(text) as status:
                yield status.update
        else:
            yield lambda _: None

    def _print(self, content: RenderableType, style: str = "", *, soft_wrap: bool = False) -> None:
        # A standard error without a reader must not stop a send that is under way.
        with suppress(OSError):
            self.rich.print(content, style=style or None, soft_wrap=soft_wrap)

    @contextmanager
    def with_log(self) -> Iterator[None]:
        """Print the log of the package while the context lasts."""
        logger = logging.getLogger("emay_voice_async")
        handler = _ConsoleHandler(self)
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


class _ConsoleHandler(logging.Handler):
    """Prints log records above the moving lines of a terminal."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info and not self._console.shows_tracebacks:
            error = record.exc_info[1]
            self._console.complain(f"{record.getMessage()}: {error}")
        elif record.exc_info:
            self._console.show(self.format(record))
        else:
            self._console.complain(record.getMessage())
