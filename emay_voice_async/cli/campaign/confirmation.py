"""The question before anything is sent, to whoever has read the plan."""

import sys
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TextIO

from emay_voice_async.cli.terminal.console import Screen
from emay_voice_async.cli.terminal.exit_codes import CommandError, Ending

__all__ = ["confirm"]

TERMINAL = Path("/dev/tty")
_YES = ("y", "yes")


def confirm(question: str, screen: Screen, *, uses_standard_input: bool) -> bool:
    """Ask, and return whether the answer is yes.

    Raises :class:`CommandError` if there is no terminal that shows the plan and can be asked on.
    """
    with ExitStack() as stack:
        answers = _terminal(stack, uses_standard_input=uses_standard_input) if screen.is_terminal else None
        if answers is None:
            raise CommandError(
                "there is no terminal to ask on, and nothing was sent: look at the plan with --plan, then add --yes"
            )
        _forget_what_was_typed(answers)
        screen.console.print(f"{question} [y/N] ", style="bold", end="")
        try:
            answer = answers.readline()
        except KeyboardInterrupt:
            screen.console.print()
            raise CommandError("interrupted: nothing was sent", Ending.INTERRUPTED) from None
        if not answer.endswith("\n"):
            screen.console.print()
        return answer.strip().lower() in _YES


def _forget_what_was_typed(answers: TextIO) -> None:
    """Throw away what was typed before the question was there: it is no answer to it."""
    try:
        import termios
    except ImportError:
        # Windows has none.
        return
    with suppress(termios.error, OSError):
        termios.tcflush(answers.fileno(), termios.TCIFLUSH)


def _terminal(stack: ExitStack, *, uses_standard_input: bool) -> TextIO | None:
    """Find where the answer can come from: standard input, unless the list came from there."""
    if not uses_standard_input and sys.stdin.isatty():
        return sys.stdin
    try:
        return stack.enter_context(TERMINAL.open(encoding="utf-8"))
    except OSError:
        return None
