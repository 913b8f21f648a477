"""The sentence for a missing extra."""

__all__ = ["missing_extra"]


def missing_extra(module: str | None, extra: str) -> str:
    """Name the missing module, and the commands that install its extra: from a clone, and by name."""
    return (
        f'{module} is missing: python -m pip install ".[{extra}]" in a clone of the repository, '
        f'else python -m pip install "emay_voice_async[{extra}]"'
    )
