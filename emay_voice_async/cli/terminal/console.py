"""Standard error: sentences and tables for people; color and motion on a terminal only."""

import io
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final, TextIO

import rich.console
from rich.console import ConsoleOptions, RenderableType
from rich.padding import Padding
from rich.segment import Segment
from rich.text import Text

from emay_voice_async.cli.terminal.formatting import escaped, escaped_lines
from emay_voice_async.cli.terminal.library_sentences import sentence

__all__ = ["QUIET", "Console", "SafeConsole", "rendered"]

QUIET: Final = -1
TRACEBACKS: Final = 2
_LEVELS: Final = {QUIET: logging.ERROR, 0: logging.WARNING, 1: logging.INFO}


class SafeConsole(rich.console.Console):
    """A console of rich for untrusted text: no markup, and each control character becomes visible text.

    It raises the error of a broken pipe instead of ending the process.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(highlight=False, markup=False, emoji=False, **options)

    def on_broken_pipe(self) -> None:
        """Raise the error that rich has caught."""
        raise  # noqa: PLE0704 - rich calls this inside its except clause

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        """Render, and escape the text of each segment; the terminal's own codes are control segments."""
        for segment in super().render(renderable, options):
            if segment.control or (segment.text.isascii() and segment.text.isprintable()):
                yield segment
            else:
                yield Segment(escaped_lines(segment.text), segment.style)


class _ErrorStream:
    """Standard error without exceptions: a lost terminal must not stop a send that is under way."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.encoding = stream.encoding

    def write(self, text: str) -> int:
        with suppress(OSError):
            self.stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            self.stream.flush()


def rendered(content: RenderableType, *, is_terminal: bool) -> str:
    """Return the printed form: no blanks at the ends of lines, color for a terminal only."""
    console = SafeConsole(file=io.StringIO(), force_terminal=is_terminal)
    with console.capture() as capture:
        console.print(content)
    return "\n".join(line.rstrip() for line in capture.get().splitlines())


class Console:
    """Prints to standard error.

    ``verbosity``: -1 errors only, 0 the usual, 1 the log as well, 2 the whole log and tracebacks.
    """

    def __init__(self, verbosity: int = 0) -> None:
        self.verbosity = verbosity
        self.is_terminal: bool = sys.stderr.isatty()
        self.rich: SafeConsole = SafeConsole(file=_ErrorStream(sys.stderr), force_terminal=self.is_terminal)

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
            self._print(escaped(text), style, soft_wrap=not (wrap and self.is_terminal))

    def complain(self, text: str) -> None:
        """Print an error, also when quiet: one line that begins with the program's name."""
        self._print(f"emay-voice: {sentence(' '.join(text.split()))}", soft_wrap=True)

    def show(self, content: RenderableType) -> None:
        """Print a table, also when quiet."""
        if self.is_terminal:
            self._print(content)
        else:
            self._print(rendered(content, is_terminal=False), soft_wrap=True)

    def item(self, text: str, style: str) -> None:
        """Print a list item, also when quiet: one line, wrapped only on a terminal that is too narrow."""
        if self.is_terminal:
            self._print(Padding(Text(escaped(text), style=style), (0, 0, 0, 4), expand=False))
        else:
            self._print(f"    {escaped(text)}", soft_wrap=True)

    @contextmanager
    def waiting(self, text: str) -> Iterator[Callable[[str], object]]:
        """Show a status line on a terminal; yields the function that changes the text."""
        if self.is_terminal and not self.is_quiet:
            with self.rich.status(Text(text)) as status:
                yield lambda text: status.update(Text(text))
        else:
            yield lambda _: None

    def _print(self, content: RenderableType, style: str = "", *, soft_wrap: bool = False) -> None:
        # Text is escaped before the layout, so that columns keep their width.
        content = escaped_lines(content) if isinstance(content, str) else content
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
