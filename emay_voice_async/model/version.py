"""The version of the package: written here only."""

__all__ = ["__version__"]

__version__: str = "0.1.0"
"""The version of the package."""
