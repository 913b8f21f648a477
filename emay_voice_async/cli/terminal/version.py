"""The version of the program."""

from importlib import metadata

__all__ = ["program_version"]


def program_version() -> str:
    """Return the version of the installed distribution; "unknown" for a plain folder on the path."""
    try:
        return metadata.version("emay_voice_async")
    except metadata.PackageNotFoundError:
        return "unknown"
