"""The command line: ``demo`` shows the main job, ``sandbox`` serves a local Emay service.

Exit codes: 0 all is well, 1 something is off, 2 wrong arguments or a missing extra, 130 interrupted.
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from typing import Final

__all__ = ["main"]

OK: Final = 0
OFF: Final = 1
WRONG: Final = 2
INTERRUPTED: Final = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except ImportError as error:
        print(error, file=sys.stderr)
        return WRONG
    except KeyboardInterrupt:
        return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m emay_voice_async",
        description="Calling people by voice through the Emay service.",
        epilog="The client itself is used from Python: see README.rst.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    demo = commands.add_parser(
        "demo",
        help="run the main job against a local service; nobody is called",
        description="Send to 1,234 numbers, read the reports, and show what happened.",
    )
    demo.set_defaults(run=_demo)
    sandbox = commands.add_parser(
        "sandbox",
        help="serve a local Emay service until Ctrl-C",
        description="Serve a local Emay service that behaves as the API document says.",
    )
    sandbox.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    sandbox.add_argument(
        "--port", type=_port, default=8900, help="port; 0: one that the system chooses (%(default)s)"
    )
    sandbox.add_argument(
        "--report-delay",
        type=_seconds,
        default=0.0,
        metavar="SECONDS",
        help="time from a call to its report (%(default)s)",
    )
    sandbox.set_defaults(run=_sandbox)
    return parser


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65535:
        raise argparse.ArgumentTypeError("must be 0 to 65535")
    return port


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 <= seconds < float("inf"):
        raise argparse.ArgumentTypeError("must be 0 or more seconds")
    return seconds


def _demo(_: argparse.Namespace) -> int:
    # Extras are imported where they are used: the package works without them.
    from emay_voice_async.demo import show

    return OK if asyncio.run(show()) else OFF


def _sandbox(options: argparse.Namespace) -> int:
    from emay_voice_async.sandbox import Sandbox

    sandbox = Sandbox(report_delay=options.report_delay)

    def ready(url: str) -> None:
        print(f"A local Emay service listens on {url}; nobody is called. Ctrl-C ends it.")
        print(f"export EMAY_VOICE_BASE_URL={url}")
        print(f"export EMAY_VOICE_APP_ID={sandbox.app_id}")
        print(f"export EMAY_VOICE_SECRET_KEY={sandbox.secret_key}", flush=True)

    asyncio.run(sandbox.run(host=options.host, port=options.port, on_ready=ready))
    return OK
