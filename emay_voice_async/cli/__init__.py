"""The command line ``emay-voice``, which is also ``python -m emay_voice_async``.

It needs the extra ``emay_voice_async[cli]``. Standard output is for machines (a JSON object a line), standard
error for people. What the exit codes mean, the ones that need most care first:

==== ===================================================================================
code meaning
==== ===================================================================================
3    the outcome of some calls is unknown: perhaps called and charged; or reports are lost
5    the journal cannot be used, or failed
7    standard output, or a file, could not be written
141  whoever read standard output has gone
130  interrupted by Ctrl-C or SIGTERM
4    trouble with the account: credentials, address, service type or balance
1    the service refused some calls for another reason; or the demo found something off
2    wrong arguments, a bad entry in a list, a missing extra
6    some calls were not sent (no connection, a deadline, a cap, a no): safe to run again
70   a mistake in this program
0    all is well
==== ===================================================================================
"""

import sys
from collections.abc import Sequence
from typing import Final

__all__ = ["main"]

_EXTRA: Final = ("click", "rich")


def main(arguments: Sequence[str] | None = None, *, program: str = "emay-voice") -> int:
    """Run one command and return its exit code; ``program`` is what the user types in front of the arguments."""
    try:
        from emay_voice_async.cli.app import run
    except ModuleNotFoundError as error:
        name = str(error.name).partition(".")[0]
        if name not in _EXTRA:
            raise
        print(
            f'emay-voice: {name} is missing: python -m pip install "emay_voice_async[cli]"',
            file=sys.stderr,
        )
        return 2
    return run(sys.argv[1:] if arguments is None else arguments, program)
