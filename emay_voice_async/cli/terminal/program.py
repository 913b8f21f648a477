"""The name of the program in printed commands."""

import os
import shlex
import shutil
import sys
from pathlib import Path

__all__ = ["commands_of_shell", "program_name"]


def program_name(*, is_module: bool) -> str:
    """Return the text in front of the arguments; the shell that started this process can run it.

    That shell may not find the Python of a tool such as nox as ``python``.
    """
    if is_module:
        return f"{_python()} -m emay_voice_async"
    if shutil.which("emay-voice") is None and Path(sys.argv[0]).stem == "emay-voice":
        return shlex.quote(sys.argv[0])
    return "emay-voice"


def commands_of_shell(program: str, arguments: str) -> tuple[str, ...]:
    """Return the commands that run the program in the user's shell.

    nox has installed the package in an environment of its own, where the user's shell does not look.
    """
    if "NOX_CURRENT_SESSION" in os.environ:
        return 'python -m pip install ".[demo]"', f"python -m emay_voice_async {arguments}"
    return (f"{program} {arguments}",)


def _python() -> str:
    # Environments share one binary by links, so the folders are compared, not the files.
    python, found = Path(sys.executable), shutil.which("python")
    if found and Path(found).parent == python.parent and "NOX_CURRENT_SESSION" not in os.environ:
        return "python"
    return shlex.quote(str(python.relative_to(Path.cwd()) if python.is_relative_to(Path.cwd()) else python))
