"""Tests of the package ``cli.terminal``."""
