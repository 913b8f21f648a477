"""The confirmation between the plan and the first request."""

import sys
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TextIO

from emay_voice_async.cli.terminal.console import Console
from emay_voice_async.cli.terminal.exit_codes import CommandError, ExitCode
from emay_voice_async.cli.terminal.language import gettext

__all__ = ["confirm"]

TERMINAL = Path("/dev/tty")
_YES = ("y", "yes", "是")


def confirm(question: str, console: Console, *, uses_standard_input: bool) -> bool:
    """Ask the question; return True for yes, False for any other answer.

    Raises :class:`CommandError` if no terminal shows the plan and takes an answer.
    """
    with ExitStack() as stack:
        answers = _terminal(stack, uses_standard_input=uses_standard_input) if console.is_terminal else None
        if answers is None:
            raise CommandError(
                gettext(
                    "no terminal to ask for confirmation, nothing was sent: "
                    "check the plan with --plan, then add --yes"
                )
            )
        _discard_typed_ahead(answers)
        console.rich.print(f"{question} [y/N] ", style="bold", end="")
        try:
            answer = answers.readline()
        except KeyboardInterrupt:
            console.rich.print()
            raise CommandError(gettext("interrupted: nothing was sent"), ExitCode.INTERRUPTED) from None
        if not answer.endswith("\n"):
            console.rich.print()
        return answer.strip().lower() in _YES


def _discard_typed_ahead(answers: TextIO) -> None:
    """Discard keys that were pressed before the question was on the screen."""
    try:
        import termios  # noqa: PLC0415 - Windows has no termios
    except ImportError:
        return
    with suppress(termios.error, OSError):
        termios.tcflush(answers.fileno(), termios.TCIFLUSH)


def _terminal(stack: ExitStack, *, uses_standard_input: bool) -> TextIO | None:
    """Return the source of the answer: standard input, or the terminal when standard input is the list."""
    if not uses_standard_input and sys.stdin is not None and sys.stdin.isatty():
        return sys.stdin
    try:
        return stack.enter_context(TERMINAL.open(encoding="utf-8"))
    except OSError:
        return None
