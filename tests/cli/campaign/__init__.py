"""Tests of the package ``cli.campaign``."""
