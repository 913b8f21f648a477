"""Hooks for PyInstaller, which finds them by the entry point ``pyinstaller40``."""

from pathlib import Path

__all__ = ["hook_dirs"]


def hook_dirs() -> list[str]:
    """Return the folder of the hooks."""
    return [str(Path(__file__).parent)]
