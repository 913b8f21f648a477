"""The command line ``emay-voice``, also ``python -m emay_voice_async``.

It needs the extra ``emay_voice_async[cli]``. Standard output is JSON for machines, one object a line; standard
error is for people. The exit codes, the most severe first:

==== ===================================================================================
code meaning
==== ===================================================================================
3    the outcome of some calls is unknown: perhaps called and charged; or reports are lost
5    the journal cannot be used, or failed
7    standard output, or a file, could not be written
141  the reader of standard output is gone
130  interrupted by Ctrl-C, SIGTERM or SIGHUP
4    the account: credentials, address, service type or balance
1    the service refused some calls for another reason; or the demo failed
2    wrong arguments, an invalid list entry, or a missing extra
6    some calls were not sent (no connection, deadline, cap, no confirmation): safe to run again
70   a bug in this program
0    success
==== ===================================================================================
"""

import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from emay_voice_async.model.extras import missing_extra
from emay_voice_async.model.version import __version__

__all__ = ["main"]

_EXTRA: Final = ("click", "rich")


def main(arguments: Sequence[str] | None = None, *, is_module: bool = False) -> int:
    """Run a command and return the exit code; ``is_module``: started as ``python -m emay_voice_async``."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if list(arguments) == ["--version"] and sys.stdout is not None and sys.stderr is not None:
        # Without the imports of click and rich (``benchmarks -- import``); run() tells a failed output.
        with suppress(OSError):
            print(f"emay-voice {__version__}", flush=True)
            return 0
    try:
        # Without the extra, the import fails here, and one line names the extra.
        from emay_voice_async.cli.app import run  # noqa: PLC0415
    except ModuleNotFoundError as error:
        name = str(error.name).partition(".")[0]
        if name not in _EXTRA:
            raise
        # Not at the top: --version needs neither.
        from emay_voice_async.cli.terminal.language import using  # noqa: PLC0415
        from emay_voice_async.cli.terminal.library_sentences import sentence  # noqa: PLC0415

        with using(None):
            print(f"emay-voice: {sentence(missing_extra(name, 'cli'))}", file=sys.stderr)
        return 2
    return run(arguments, is_module=is_module)
