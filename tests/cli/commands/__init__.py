"""Tests of the package ``cli.commands``."""
