"""Read a workbook in a process of its own.

The reader of workbooks asks for memory by figures in the file; if it does not get the memory, it ends the process.
"""

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Final, cast

from attrs import field, frozen

from emay_voice_async.errors import InvalidRequestError
from emay_voice_async.excel.reading import WORKBOOK_RULE, BytesReader, SheetRows, check_bytes, open_sheet
from emay_voice_async.excel.reading_program import READY, REFUSED, ROWS, line_of

__all__ = ["ProcessRows", "sheet_rows"]

_CODE: Final = (
    "import sys; sys.path[:] = sys.argv[1:-1]\n"
    "from emay_voice_async.excel.reading_program import main; main()"
)
_PIECE: Final = 65_536


@frozen
class ProcessRows:
    """The rows of a sheet, from the lines of the process: name, merged cells, and rows once."""

    name: str
    merged: Sequence[tuple[tuple[int, int], tuple[int, int]]]
    _process: "_Process"

    def __iter__(self) -> Iterator[tuple[int, list[str]]]:
        """Yield the number, from 1, and the texts of the cells of each row."""
        while True:
            word, value = self._process.line()
            if word != ROWS:
                return
            yield from map(tuple, value)


@contextmanager
def sheet_rows(
    file: BytesReader, sheet: str | int | None, on_start: Callable[[Callable[[], None]], object]
) -> Generator[ProcessRows | SheetRows]:
    """Open a sheet as :func:`~emay_voice_async.excel.reading.open_sheet` does, in a process that ends with the context.

    ``on_start`` gets a function that ends the process at once, for other threads. If the process itself ends, the
    error is :class:`InvalidRequestError`, too. Without an interpreter to start, such as in a program of
    PyInstaller, this process reads the workbook.
    """
    process = _started(sheet)
    if process is not None:
        on_start(process.kill)
        try:
            if process.is_ready():
                process.feed(file)
                _, (name, merged) = process.line()
                yield ProcessRows(name, merged, process)
                return
        finally:
            process.end()
    yield open_sheet(file, sheet)


@frozen
class _Process:
    """A process that reads a workbook; only :meth:`kill` may be called by other threads."""

    _popen: "subprocess.Popen[bytes]"
    _ending: threading.Lock = field(factory=threading.Lock)
    """Held while the process is awaited or killed: the id of a process that was awaited may be used again."""
    _killed: threading.Event = field(factory=threading.Event)

    def is_ready(self) -> bool:
        """Tell whether the program runs, once it runs or could not be started; True for a process that was killed."""
        first = _pipe(self._popen.stdout).readline()
        return first == line_of(READY) or self._killed.is_set()

    def feed(self, file: BytesReader) -> None:
        """Pass the workbook on; a process that has ended is told by the next line."""
        stdin = _pipe(self._popen.stdin)
        while piece := check_bytes(file.read(_PIECE)):
            try:
                stdin.write(piece)
            except OSError:
                # EPIPE, or EINVAL on Windows.
                break
        with suppress(OSError):
            stdin.close()

    def line(self) -> list[Any]:
        """Return the next line; raise :class:`InvalidRequestError` if it is a refusal or is missing."""
        line = self._read()
        if line is None:
            found = "a damaged workbook, or one that needs more memory than there is"
            raise InvalidRequestError("file", WORKBOOK_RULE, None, found)
        if line[0] == REFUSED:
            raise InvalidRequestError(*line[1])
        return line

    def kill(self) -> None:
        """End the process."""
        self._killed.set()
        with self._ending:
            self._popen.kill()

    def end(self) -> None:
        """End the process, and free what it has."""
        with self._ending:
            self._popen.kill()
            self._popen.wait()
        with suppress(OSError):
            _pipe(self._popen.stdin).close()
        _pipe(self._popen.stdout).close()

    def _read(self) -> list[Any] | None:
        line = _pipe(self._popen.stdout).readline()
        # A last line without an end was cut off.
        return cast("list[Any]", json.loads(line)) if line.endswith(b"\n") else None


def _started(sheet: str | int | None) -> _Process | None:
    """Start the process; None if that is not possible."""
    # An embedded interpreter has the name of the program around it, which must not be started.
    name = Path(sys.executable or "").name.lower()
    if getattr(sys, "frozen", False) or not name.startswith(("python", "pypy")):
        return None
    paths = [path for path in sys.path if isinstance(path, str)]
    try:
        popen = subprocess.Popen(  # noqa: S603 - the interpreter of this process
            [sys.executable, "-I", "-c", _CODE, *paths, json.dumps(sheet)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for this process
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),  # the same on Windows
        )
    except OSError:
        return None
    return _Process(popen)


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    return cast("IO[bytes]", pipe)
