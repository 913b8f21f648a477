"""Standard output: JSON for machines, one object a line."""

import asyncio
import errno
import json
import os
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import BinaryIO

from emay_voice_async.cli.terminal.exit_codes import CommandError, ExitCode
from emay_voice_async.cli.terminal.formatting import json_escaped
from emay_voice_async.cli.terminal.language import gettext

__all__ = ["Output", "json_lines", "output_error"]


class Output:
    """JSON lines on standard output, flushed before each call returns.

    Raises :class:`CommandError` when standard output cannot be written.
    """

    def __init__(self) -> None:
        self._stream: BinaryIO = sys.stdout.buffer
        self._lock = asyncio.Lock()

    async def write(self, rows: Iterable[Mapping[str, object]]) -> None:
        """Write in a thread: a slow reader must not delay the responses of the service."""
        data = json_lines(rows)
        async with self._lock:
            await asyncio.to_thread(self._write, data)

    def write_now(self, rows: Iterable[Mapping[str, object]]) -> None:
        """Write outside of an event loop."""
        self._write(json_lines(rows))

    def _write(self, data: bytes) -> None:
        try:
            self._stream.write(data)
            self._stream.flush()
        except OSError as error:
            raise output_error(error) from error


def json_lines(rows: Iterable[Mapping[str, object]]) -> bytes:
    """Return the rows as JSON lines in UTF-8; control and bidirectional characters are JSON escapes."""
    text = "".join(f"{json_escaped(json.dumps(row, ensure_ascii=False, default=str))}\n" for row in rows)
    # A lone surrogate from a report becomes a valid JSON escape; a raw value without a JSON form becomes its text.
    return text.encode("utf-8", "backslashreplace")


def output_error(error: OSError) -> CommandError:
    """Redirect standard output to the null device; return the error that ends the command."""
    with suppress(OSError, ValueError, AttributeError):
        # The rest of the buffer would fail again when Python exits.
        descriptor = sys.stdout.fileno()
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, descriptor)
        os.close(null)
    if error.errno == errno.EPIPE:
        return CommandError("", ExitCode.BROKEN_PIPE)
    return CommandError(f"{gettext('standard output')}: {error.strerror or error}", ExitCode.OUTPUT)
