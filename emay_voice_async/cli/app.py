"""The program: global options, the table of commands, and the handling of every error."""

import importlib
import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import click
from click.shell_completion import shell_complete

from emay_voice_async.cli.terminal.console import QUIET, Console
from emay_voice_async.cli.terminal.exit_codes import ExitCode, exit_code_of
from emay_voice_async.cli.terminal.help_pages import TranslatedGroup
from emay_voice_async.cli.terminal.language import LANGUAGES, VARIABLE, gettext, noop, using
from emay_voice_async.cli.terminal.option_types import FILE, limit
from emay_voice_async.cli.terminal.output import output_error
from emay_voice_async.cli.terminal.program import program_name
from emay_voice_async.cli.terminal.settings import Session, Settings
from emay_voice_async.cli.terminal.streams import closed_stream
from emay_voice_async.model.limits import RateLimit
from emay_voice_async.model.version import __version__

__all__ = ["COMMANDS", "emay_voice", "run"]

_NAME: Final = "emay-voice"
_COMPLETE: Final = "_EMAY_VOICE_COMPLETE"
_EPILOG: Final = noop("""\b
Examples:
  emay-voice demo                               nobody is called
  emay-voice balance
  emay-voice send notice --to people.csv --content "..." --plan
  emay-voice --limit 50/1 send notice --to - --content "..." --yes < numbers

\b
The secretKey comes from EMAY_VOICE_SECRET_KEY, from the file that
EMAY_VOICE_SECRET_KEY_FILE names, or from --secret-key-file.

\b
Exit codes; the first in this list wins:
    3  the outcome of some calls is unknown, or reports are lost
    5  the journal cannot be used, or failed
    7  standard output, or a file, could not be written
  141  the reader of standard output is gone
  130  interrupted by Ctrl-C, SIGTERM or SIGHUP
    4  the account: credentials, address, service type or balance
    1  some calls were refused for another reason
    2  wrong arguments, an invalid list entry, or a missing extra
    6  some calls were not sent: safe to run again
   70  a bug in this program
    0  success

\b
Completion, in ~/.bashrc (also zsh_source, fish_source):
  eval "$(_EMAY_VOICE_COMPLETE=bash_source emay-voice)"
""")
COMMANDS: Final = {
    "balance": noop("Print the account's balance."),
    "code": noop("Call one number and speak a verification code."),
    "decode-push": noop("Print the reports in the body of a push."),
    "demo": noop("Show the main job with a local service."),
    "journal": noop("Show or export the journal of a send."),
    "listen": noop("Receive pushed reports and print them."),
    "reports": noop("Ask for status reports and print them."),
    "sandbox": noop("Serve a local Emay service: nobody is called."),
    "send": noop("Call many people, after a plan and a confirmation."),
    "watch": noop("Show a campaign as a page while it runs."),
}
"""The commands and their short help; command, module and function share a name."""


class _LazyGroup(TranslatedGroup):
    """Imports a command at its first use: each command has different dependencies."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; a command whose extra is missing is not offered for completion."""
        if cmd_name not in COMMANDS:
            return None
        name = cmd_name.replace("-", "_")
        try:
            module = importlib.import_module(f"emay_voice_async.cli.commands.{name}")
        except ImportError:
            if ctx.resilient_parsing:
                return None
            raise
        command: click.Command = getattr(module, name)
        return command

    def descriptions(self, ctx: click.Context) -> Mapping[str, str]:
        """Return the short help of the commands without importing them."""
        return COMMANDS


@click.command(
    cls=_LazyGroup,
    no_args_is_help=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
    epilog=_EPILOG,
)
@click.option(
    "--base-url",
    envvar="EMAY_VOICE_BASE_URL",
    show_envvar=True,
    metavar="URL",
    help="The address of the service.",
)
@click.option("--app-id", envvar="EMAY_VOICE_APP_ID", show_envvar=True, help="The appId of the account.")
@click.option("--secret-key-file", type=FILE, help="A file with the secretKey.")
@click.option(
    "--limit",
    type=limit,
    default="10/1",
    show_default=True,
    metavar="N/SECONDS",
    help='At most this many send requests; "off": no limit.',
)
@click.option("--concurrency", type=int, default=16, show_default=True, help="Requests in flight at once.")
@click.option(
    "--timeout",
    type=float,
    default=30.0,
    show_default=True,
    metavar="SECONDS",
    help="For one request and its response.",
)
@click.option("-v", "--verbose", count=True, help="Print the log; -vv: the whole log, and tracebacks.")
@click.option("-q", "--quiet", is_flag=True, help="Print errors only.")
@click.option(
    "--lang",
    type=click.Choice(LANGUAGES),
    envvar=VARIABLE,
    show_envvar=True,
    help="Chinese or English.  [default: by locale]",
)
@click.version_option(__version__, message="%(prog)s %(version)s", help="Show the version and exit.")
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
    lang: str | None,  # in use already: run() reads it before an argument can be wrong
) -> None:
    """Call people by voice through the Emay service."""
    console: Console = context.obj["console"]
    console.verbosity = QUIET if quiet else verbose
    context.with_resource(console.with_log())
    settings = Settings(base_url, app_id, secret_key_file, limit, concurrency, timeout)
    context.obj = Session(settings, console, context.obj["program"], context.obj["arguments"])


def run(arguments: Sequence[str], *, is_module: bool = False) -> int:
    """Run a command and return the exit code; an error is a single line."""
    if instruction := os.environ.get(_COMPLETE):
        return shell_complete(emay_voice, {}, _NAME, _COMPLETE, instruction)
    with using(_language(arguments)):
        return _run(arguments, is_module=is_module)


def _language(arguments: Sequence[str]) -> str | None:
    """Return the value of --lang, also if other arguments are wrong: resilient parsing ignores errors."""
    context = emay_voice.make_context(_NAME, list(arguments), resilient_parsing=True)
    language: str | None = context.params.get("lang")
    return language


def _run(arguments: Sequence[str], *, is_module: bool) -> int:
    if name := closed_stream():
        # With standard error closed, the sentence can only go to standard output.
        print(f"emay-voice: {gettext('{name} is closed', name=gettext(name))}", file=sys.stderr or sys.stdout)
        return ExitCode.OUTPUT
    console = Console()
    shared = {"console": console, "program": program_name(is_module=is_module), "arguments": list(arguments)}
    try:
        with emay_voice.make_context(_NAME, list(arguments), obj=shared) as context:
            return int(emay_voice.invoke(context) or ExitCode.DONE)
    except click.exceptions.Exit as end:
        return end.exit_code
    except (KeyboardInterrupt, click.Abort):
        console.complain(gettext("interrupted"))
        return ExitCode.INTERRUPTED
    except click.ClickException as error:
        console.complain(_usage(error))
        return ExitCode.WRONG
    except Exception as error:
        return _report(console, error)


def _usage(error: click.ClickException) -> str:
    context = getattr(error, "ctx", None)
    message = error.format_message().rstrip(".。")
    return (
        message
        if context is None
        else gettext("{message} (see {command} --help)", message=message, command=context.command_path)
    )


def _report(console: Console, error: Exception) -> ExitCode:
    """Print an error, with -vv after the traceback; return the exit code."""
    if console.shows_tracebacks:
        console.show("".join(traceback.format_exception(error)))
    if isinstance(error, OSError):
        # Commands turn the errors of files into CommandError, so this is standard output.
        error = output_error(error)
    code = exit_code_of(error)
    if code is ExitCode.MISTAKE:
        console.complain(
            gettext("{error}; run again with -vv for the traceback", error=f"{type(error).__name__}: {error}")
        )
    elif str(error):
        console.complain(str(error))
    return code
