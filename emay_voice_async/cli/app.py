"""The program: its options, its commands, and how it ends whatever happens."""

import os
import traceback
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Final

import click
from click.shell_completion import shell_complete

from emay_voice_async.cli.commands.balance import balance
from emay_voice_async.cli.commands.code import code
from emay_voice_async.cli.commands.decode_push import decode
from emay_voice_async.cli.commands.journal import journal
from emay_voice_async.cli.commands.listen import listen
from emay_voice_async.cli.commands.reports import reports
from emay_voice_async.cli.commands.sandbox import demo, sandbox
from emay_voice_async.cli.commands.send import send
from emay_voice_async.cli.terminal.console import QUIET, Screen
from emay_voice_async.cli.terminal.exit_codes import Ending, ending_of
from emay_voice_async.cli.terminal.option_types import FILE
from emay_voice_async.cli.terminal.option_types import limit as read_limit
from emay_voice_async.cli.terminal.output import output_error
from emay_voice_async.cli.terminal.settings import Session, Settings
from emay_voice_async.model.limits import RateLimit

__all__ = ["emay_voice", "run"]

_NAME: Final = "emay-voice"
_COMPLETE: Final = "_EMAY_VOICE_COMPLETE"
_EPILOG: Final = """\b
Examples:
  emay-voice demo                               nobody is called
  emay-voice balance
  emay-voice send notice --to people.csv --content "..." --plan
  emay-voice --limit 50/1 send notice --to - --content "..." --yes < numbers

\b
The secretKey comes from EMAY_VOICE_SECRET_KEY, from the file that
EMAY_VOICE_SECRET_KEY_FILE names, or from --secret-key-file.

\b
Exit codes; of several, the first in this list:
    3  the outcome of some calls is unknown, or reports are lost
    5  the journal cannot be used, or failed
    7  standard output, or a file, could not be written
  141  whoever read standard output has gone
  130  interrupted by Ctrl-C or SIGTERM
    4  the account: credentials, address, service type or balance
    1  some calls were refused for another reason
    2  wrong arguments, a bad entry in a list, a missing extra
    6  some calls were not sent: safe to run again
   70  a mistake in this program
    0  all is well

\b
Completion, in ~/.bashrc (also zsh_source, fish_source):
  eval "$(_EMAY_VOICE_COMPLETE=bash_source emay-voice)"
"""


@click.group(
    no_args_is_help=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
    epilog=_EPILOG,
)
@click.option(
    "--base-url", envvar="EMAY_VOICE_BASE_URL", show_envvar=True, metavar="URL", help="The service's address."
)
@click.option("--app-id", envvar="EMAY_VOICE_APP_ID", show_envvar=True, help="The account.")
@click.option("--secret-key-file", type=FILE, help="A file with the secretKey.")
@click.option(
    "--limit",
    type=read_limit,
    default="10/1",
    show_default=True,
    metavar="N/SECONDS",
    help='Requests to send at most; "off": no limit.',
)
@click.option("--concurrency", type=int, default=16, show_default=True, help="Requests under way at once.")
@click.option(
    "--timeout", type=float, default=30.0, show_default=True, metavar="SECONDS", help="For one answer."
)
@click.option("-v", "--verbose", count=True, help="Show the log; -vv: all of it, and tracebacks.")
@click.option("-q", "--quiet", is_flag=True, help="Show errors only.")
@click.version_option(version("emay_voice_async"), message="%(prog)s %(version)s")
@click.pass_context
def emay_voice(
    context: click.Context,
    *,
    base_url: str | None,
    app_id: str | None,
    secret_key_file: Path | None,
    limit: RateLimit | None,
    concurrency: int,
    timeout: float,
    verbose: int,
    quiet: bool,
) -> None:
    """Call people by voice through the Emay service."""
    screen: Screen = context.obj["screen"]
    screen.verbosity = QUIET if quiet else verbose
    context.with_resource(screen.with_log())
    settings = Settings(base_url, app_id, secret_key_file, limit, concurrency, timeout)
    context.obj = Session(settings, screen, context.obj["program"], context.obj["arguments"])


for _command in (send, code, balance, reports, listen, journal, decode, sandbox, demo):
    emay_voice.add_command(_command)


def run(arguments: Sequence[str], program: str = _NAME) -> int:
    """Run one command and return its exit code; whatever goes wrong is one line."""
    if instruction := os.environ.get(_COMPLETE):
        return shell_complete(emay_voice, {}, _NAME, _COMPLETE, instruction)
    screen = Screen()
    shared = {"screen": screen, "program": program, "arguments": list(arguments)}
    try:
        with emay_voice.make_context(_NAME, list(arguments), obj=shared) as context:
            return int(emay_voice.invoke(context) or Ending.DONE)
    except click.exceptions.Exit as end:
        return end.exit_code
    except (KeyboardInterrupt, click.Abort):
        screen.complain("interrupted")
        return Ending.INTERRUPTED
    except click.ClickException as error:
        screen.complain(_usage(error))
        return Ending.WRONG
    except Exception as error:
        return _failed(screen, error)


def _usage(error: click.ClickException) -> str:
    context = getattr(error, "ctx", None)
    help_ = "" if context is None else f" (see {context.command_path} --help)"
    return f"{error.format_message().rstrip('.')}{help_}"


def _failed(screen: Screen, error: Exception) -> Ending:
    """Tell an error in a line; with -vv, a traceback goes before it."""
    if screen.shows_tracebacks:
        traceback.print_exception(error)
    if isinstance(error, OSError):
        # Files are told by those who open them: this is standard output.
        error = output_error(error)
    ending = ending_of(error)
    if ending is Ending.MISTAKE:
        screen.complain(f"{type(error).__name__}: {error}; run again with -vv for the traceback")
    elif str(error):
        screen.complain(str(error))
    return ending
