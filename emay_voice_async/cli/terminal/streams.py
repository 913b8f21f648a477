"""Standard streams that the parent process has closed."""

import sys
from typing import BinaryIO

from emay_voice_async.cli.terminal.exit_codes import CommandError
from emay_voice_async.cli.terminal.language import gettext, noop

__all__ = ["closed_stream", "standard_input"]


def closed_stream() -> str | None:
    """Return the name of a closed output stream, None if both are open.

    With a closed stream, the next opened file takes the stream's descriptor and would get its text.
    """
    if sys.stderr is None:
        return noop("standard error")
    return noop("standard output") if sys.stdout is None else None


def standard_input() -> BinaryIO:
    """Return standard input as bytes; raise :class:`CommandError` if standard input is closed."""
    if sys.stdin is None:
        raise CommandError(gettext("{name} is closed", name=gettext("standard input")))
    return sys.stdin.buffer
