"""Standard output: a JSON object a line, for machines."""

import asyncio
import errno
import json
import os
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any, BinaryIO

from emay_voice_async.cli.terminal.exit_codes import CommandError, Ending

__all__ = ["Output", "lines_of", "output_error"]


class Output:
    """Lines of JSON on standard output, each flushed before the call returns.

    Raises :class:`CommandError` when they cannot be written.
    """

    def __init__(self) -> None:
        self._stream: BinaryIO = sys.stdout.buffer
        self._turn = asyncio.Lock()

    async def write(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Write off the event loop: a reader that is slow must not make answers come too late."""
        data = lines_of(rows)
        async with self._turn:
            await asyncio.to_thread(self._write, data)

    def write_now(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Write where there is no event loop."""
        self._write(lines_of(rows))

    def _write(self, data: bytes) -> None:
        try:
            self._stream.write(data)
            self._stream.flush()
        except OSError as error:
            raise output_error(error) from error


def lines_of(rows: Iterable[Mapping[str, Any]]) -> bytes:
    """Return rows as lines of JSON in UTF-8."""
    text = "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows)
    # Half of a surrogate pair, out of a report, is a valid escape in JSON.
    return text.encode("utf-8", "backslashreplace")


def output_error(error: OSError) -> CommandError:
    """Give standard output up, and return the error that ends the command."""
    with suppress(OSError, ValueError, AttributeError):
        # What is still in the buffer would fail once more when Python exits.
        descriptor = sys.stdout.fileno()
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, descriptor)
        os.close(nowhere)
    if error.errno == errno.EPIPE:
        return CommandError("", Ending.BROKEN_PIPE)
    return CommandError(f"standard output: {error.strerror or error}", Ending.OUTPUT)
